//! The ingress gateway: the way in for callers that have no identity.
//!
//! A gateway is a service of the mesh whose public listeners take plain HTTP. A request's host names the service
//! (see [`Hosts`]); then the service's own chain applies with the gateway as the caller, so intentions of the service
//! see the gateway as the source. Hosts and services come from the gateway's `ingress-gateway` entry and follow its
//! edits; a listener that is new needs a restart, because opening a port is the process's business.

mod hosts;
mod service;

pub use hosts::Hosts;
pub(crate) use service::Fixed;
pub use service::{Gateway, GatewayBody, ResponseFuture};
