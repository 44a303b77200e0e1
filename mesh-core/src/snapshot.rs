//! The compiled state a request pins, and the live handle.
