//! The Service contract suite, an in-memory network, seeds.
