//! What the README and the module documentation promise, under a paused clock.
#![allow(missing_docs, clippy::unwrap_used)]

mod deadline;
mod eject;
mod limit;
mod retry;
mod stack;
mod support;
mod timeout;
mod verdict;
