//! The demo, row by row: what the README promises of `examples/birds`, shown with real processes over real sockets.
//!
//! Each test that stands for a row of the article's demo bears the row's name: S security, O observability, R
//! resilience, T traffic control, G gateway, P platform. Tests that change nothing share one demo; the others start
//! their own. The tests read `/proc`, so they run on Linux only.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "../common/example.rs"]
mod example;
mod gateway;
mod harness;
mod observability;
mod platform;
mod resilience;
mod security;
mod traffic;
