//! [`EndpointClient`]: the innermost service, which sends a request to the endpoint that was picked.
//!
//! 1. The endpoint is the one that [`Balance`](crate::balance::Balance) noted in the attempt of the request's
//!    [`Outbound`](mesh_core::context::Outbound) context, else the one the client was built with.
//! 2. Connections come from [`Pools`], which belong to one local identity. A pooled connection is used only for the
//!    address, server name, expected identity and protocol it was made for, and is refused when the server proved
//!    another identity.
//! 3. The request's extensions are removed before it is sent: a forwarded request inherits nothing.
//! 4. Nothing is retried. Only a request that a *reused* connection gave back unsent, because the server had closed
//!    it meanwhile, is sent on a new connection, once.
//! 5. An HTTP/1.1 connection goes back into its pool when the response body has been read to its end; a response that
//!    is dropped before closes it. HTTP/2 requests share connections, up to the number of streams the server allows.
//!
//! # Limits
//!
//! `max_connections` bounds the connections opened for a target, and `max_pending_requests` the requests that wait for
//! one, those that dial included ("Consul service-defaults reference", `UpstreamConfig.Limits`). At the connection
//! limit a request waits until a connection becomes free; beyond the limit on waiting it is refused with
//! [`ErrorKind::Overloaded`](mesh_core::error::ErrorKind).

mod body;
mod config;
mod connection;
mod dial;
mod error;
mod pool;
mod pools;
mod request;
mod service;
mod slots;
mod wait;

pub use body::ResponseBody;
pub use config::PoolConfig;
pub use pools::{PoolStats, Pools};
pub use service::{EndpointClient, ResponseFuture};
