//! Where snapshots come from: [`dir`], a directory of files that is watched (the embedded default), and memory
//! ([`crate::snapshot::Mesh::from_memory`]), for tests and for embedding.

mod check;
pub mod dir;
pub mod probe;
