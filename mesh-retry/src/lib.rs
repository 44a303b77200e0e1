//! mesh-retry
