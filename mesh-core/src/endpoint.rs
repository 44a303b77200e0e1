//! Runtime state of endpoints and targets that outlives snapshots.
