//! The plain values that layers act on.
