#![doc = include_str!("../README.md")]

mod client;
pub mod gateway;
mod identity;
mod local;
mod serve;
mod server;
mod telemetry;

pub use client::{Client, ResponseBody, ResponseFuture, client};
pub use gateway::Gateway;
pub use identity::{Identity, IdentityBuilder, IdentityError};
pub use local::LocalListener;
pub use serve::{serve, serve_gateway};
pub use server::{Server, ServerLayer, server};

pub use mesh_core::body::Body;
pub use mesh_core::snapshot::{Mesh, Options};
pub use mesh_core::{Error, ErrorKind};
pub use mesh_tls::authenticate::Peer;

pub use mesh_core as core;
pub use mesh_observe as observe;
pub use mesh_retry as retry;
pub use mesh_split as split;
pub use mesh_tls as tls;
