//! The compiled state that a request pins, and the live handle.
//!
//! A [`World`] is what one set of entries compiles to. A [`Scope`] is one local service's view of it: its
//! [`Snapshot`]s hold a [`Chain`] per destination, with targets whose endpoints are replaced while the snapshot
//! stays. [`Mesh`] owns the newest world, the scopes and the health of what they call.

use std::collections::HashMap;
use std::sync::Arc;

use crate::intention::Table;
use crate::normalize::Normalization;
use crate::policy::InboundPolicy;

mod effective;
mod engine;
mod lint;
mod mesh;
mod route;
mod scope;
mod target;
mod world;

pub use mesh::{Mesh, Options, Report, Status, Update};
pub use route::{Chain, Leg, Route};
pub use scope::Scope;
pub use target::{Target, TargetPolicy};
pub(crate) use world::ordered;
pub use world::{Input, World, prometheus_bind_addr};

/// What one local service knows of the mesh at one moment. Immutable but for the endpoints of its targets.
#[derive(Debug)]
pub struct Snapshot {
    /// Version of the world it was made from.
    pub version: u64,
    /// The local service.
    pub local: Arc<str>,
    /// The world.
    pub world: Arc<World>,
    /// Intentions whose destination is the local service.
    pub intentions: Arc<Table>,
    /// How inbound requests are normalised before they are judged.
    pub normalization: Normalization,
    /// What the local service takes on.
    pub inbound: InboundPolicy,
    chains: HashMap<Arc<str>, Arc<Chain>>,
}

impl Snapshot {
    /// The chain of a service, by exact name. The first use of a destination makes its instances be checked.
    #[must_use]
    pub fn chain(&self, service: &str) -> Option<&Arc<Chain>> {
        let chain = self.chains.get(service)?;
        chain.state.touch(&chain.service);
        Some(chain)
    }

    /// All chains, in no order; looking does not count as use.
    pub fn chains(&self) -> impl Iterator<Item = &Arc<Chain>> {
        self.chains.values()
    }
}
