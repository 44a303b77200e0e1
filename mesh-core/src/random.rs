//! One seedable source of randomness.
