//! The `Service` contract suite, fixtures and an in-memory network, behind the feature `testing`.

pub mod contract;
pub mod fixtures;
pub mod network;
