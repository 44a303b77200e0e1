//! The `Service` contract suite, fixtures, an in-memory network and the reader of conformance vectors, behind the feature
//! `testing`.

pub mod contract;
pub mod fixtures;
pub mod network;
pub mod vectors;
