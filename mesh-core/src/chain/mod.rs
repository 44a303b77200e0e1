//! Compile config entries into routes, splits, targets and fail-over.
