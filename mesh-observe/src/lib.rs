//! mesh-observe
