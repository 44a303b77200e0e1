//! Where a request goes: route, select a leg, balance over endpoints, pooled connections, fail-over.

pub mod balance;
pub mod client;
mod refuse;
pub mod route;
pub mod select;
