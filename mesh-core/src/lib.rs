//! What the mesh knows, and how its layers speak; no layer, no TLS, no HTTP connection.
//!
//! # Rules
//!
//! 1. Config entries are plain data ([`config`]) until they compile ([`chain`], [`intention`], [`filter`]); nothing
//!    that does not compile is ever published.
//! 2. What chooses is a pure function of plain data, with time and randomness passed in.
//! 3. A request reads live state once ([`live::Live`], one atomic load) and keeps what it read to its end.
//! 4. Runtime state outlives configuration ([`endpoint`]) and belongs to one local identity.
//! 5. Layers are strangers: they speak through [`context::Outbound`] and [`context::Inbound`].
//!
//! # Reading a directory
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mesh_core::config::{self, Source};
//!
//! let loaded = config::load(vec![
//!     Source::new("mesh.hcl", "default_intention_policy = \"deny\""),
//!     Source::new("defaults.hcl", "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }"),
//!     Source::new("splitter.hcl", "Kind = \"service-splitter\"\nName = \"web\"\nSplits = [{ Wieght = 100 }]"),
//! ]);
//! let text = config::render(&loaded.diagnostics, false);
//! assert!(text.contains("splitter.hcl:3") && text.contains("did you mean `Weight`?"), "{text}");
//! # Ok(())
//! # }
//! ```
//!
//! # A mesh, live
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use mesh_core::snapshot::Mesh;
//!
//! let mesh = Mesh::open("mesh.d").await?; // watched from here on
//! let scope = mesh.scope("frontend"); // how the service `frontend` sees it
//! mesh.ready().await;
//! let snapshot = scope.snapshots().snapshot();
//! if let Some(chain) = snapshot.chain("backend") {
//!     println!("{} has {} route(s)", chain.service, chain.routes.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `testing` adds the `Service` contract suite, fixtures and an in-memory network. Nothing else changes with it.

pub mod body;
pub mod catalog;
pub mod chain;
pub mod clock;
pub mod config;
pub mod context;
pub mod endpoint;
pub mod error;
pub mod filter;
pub mod health;
pub mod identity;
pub mod intention;
pub mod live;
pub mod net;
pub mod normalize;
mod pattern;
pub mod policy;
pub mod random;
pub mod snapshot;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use body::Body;
pub use error::{BoxError, Error, ErrorKind};
pub use live::Live;
