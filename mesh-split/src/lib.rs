//! mesh-split
