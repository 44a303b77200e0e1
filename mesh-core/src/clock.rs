//! Wall-clock time that follows tokio's clock.
