//! Which instances are meant, and how they name themselves: destinations and the targets made of them.

use std::sync::Arc;
use std::time::Duration;

use super::TargetSpec;
use super::effective::DEFAULT_CONNECT_TIMEOUT;
use super::graph::Walk;
use super::problem::problem;
use crate::config::{Category, Diagnostic, ServiceResolver, Subset};

/// The only namespace and the only partition of Consul's community edition.
const DEFAULT: &str = "default";

/// Which instances are meant, before anything is known about them.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) id: Arc<str>,
    pub(super) service: Arc<str>,
    pub(super) subset: Arc<str>,
    pub(super) datacenter: Arc<str>,
    pub(super) peer: Arc<str>,
}

/// How a redirect or a fail-over changes a destination; empty fields keep what is there.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    pub(super) service: &'a str,
    pub(super) subset: &'a str,
    pub(super) datacenter: &'a str,
    pub(super) peer: &'a str,
}

impl Walk<'_> {
    /// The destination of a service in the own datacenter.
    pub(super) fn destination(&mut self, service: &str, subset: &str) -> Destination {
        let datacenter = Arc::clone(&self.request.datacenter);
        self.known(service, subset, &datacenter, "")
    }

    /// The index of the target at `at`, made when it is new.
    pub(super) fn target(
        &mut self,
        at: &Destination,
        resolver: Option<&ServiceResolver>,
        subset: Option<&Subset>,
    ) -> Result<usize, Diagnostic> {
        let defaults = self.service_defaults(&at.service);
        let external_sni = defaults
            .as_ref()
            .map(|defaults| defaults.external_sni.clone())
            .unwrap_or_default();
        let external = !external_sni.is_empty();
        if let Some(resolver) = resolver.filter(|_| external) {
            check_external(&at.service, resolver)?;
        }
        let mesh_gateway = if external {
            String::new()
        } else {
            self.mesh_gateway(&at.service)
        };
        let connect_timeout = self.connect_timeout(resolver);
        if let Some(&index) = self.index.get(&at.id) {
            return Ok(index);
        }
        let proxy = self.proxy_defaults();
        let spec = TargetSpec {
            id: Arc::clone(&at.id),
            service: Arc::clone(&at.service),
            subset: Arc::clone(&at.subset),
            namespace: Arc::from(DEFAULT),
            partition: Arc::from(DEFAULT),
            datacenter: Arc::clone(&at.datacenter),
            peer: Arc::clone(&at.peer),
            connect_timeout,
            filter: subset
                .map(|subset| subset.filter.clone())
                .unwrap_or_default(),
            only_passing: subset.is_some_and(|subset| subset.only_passing),
            external,
            sni: if external {
                external_sni
            } else {
                self.server_name(at)
            },
            mesh_gateway,
            dialed_directly: defaults
                .is_some_and(|defaults| defaults.transparent_proxy.dialed_directly)
                || proxy.is_some_and(|proxy| proxy.transparent_proxy.dialed_directly),
            locality: self
                .request
                .peers
                .get(&at.peer)
                .filter(|locality| !locality.is_empty())
                .cloned(),
        };
        self.index.insert(Arc::clone(&at.id), self.targets.len());
        self.targets.push(spec);
        Ok(self.targets.len() - 1)
    }

    fn server_name(&self, at: &Destination) -> String {
        if !at.peer.is_empty() {
            return String::new();
        }
        let subset = if at.subset.is_empty() {
            String::new()
        } else {
            format!("{}.", at.subset)
        };
        let Destination {
            service,
            datacenter,
            ..
        } = at;
        format!(
            "{subset}{service}.{DEFAULT}.{datacenter}.internal.{}",
            self.request.trust_domain
        )
    }

    fn mesh_gateway(&mut self, service: &str) -> String {
        let own = self
            .service_defaults(service)
            .map(|defaults| defaults.mesh_gateway.mode.clone());
        let mode = own.filter(|mode| !mode.is_empty()).unwrap_or_else(|| {
            self.proxy_defaults()
                .map(|proxy| proxy.mesh_gateway.mode.clone())
                .unwrap_or_default()
        });
        let wanted = &self.request.overrides.mesh_gateway;
        if wanted.is_empty() || *wanted == mode {
            return mode;
        }
        self.customized = true;
        wanted.clone()
    }

    pub(super) fn connect_timeout(&mut self, resolver: Option<&ServiceResolver>) -> Duration {
        let own = resolver
            .and_then(|resolver| resolver.connect_timeout.positive())
            .unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        match self
            .request
            .overrides
            .connect_timeout
            .filter(|wanted| !wanted.is_zero())
        {
            Some(wanted) if wanted != own => {
                self.customized = true;
                wanted
            }
            _ => own,
        }
    }

    /// The destination after a redirect or fail-over: another service clears the subset, a peer clears the datacenter.
    pub(super) fn changed(&mut self, at: &Destination, change: &Change<'_>) -> Destination {
        let or_kept = |new: &str, old: &Arc<str>| {
            if new.is_empty() {
                Arc::clone(old)
            } else {
                Arc::from(new)
            }
        };
        let service = or_kept(change.service, &at.service);
        let kept_subset = if service == at.service {
            Arc::clone(&at.subset)
        } else {
            Arc::from("")
        };
        let subset = or_kept(change.subset, &kept_subset);
        let datacenter = or_kept(change.datacenter, &at.datacenter);
        let peer = or_kept(change.peer, &at.peer);
        self.known(&service, &subset, &datacenter, &peer)
    }

    /// The destination of these parts. As in Consul the first of two with one identifier stands for both; they can differ only
    /// in the subset at a peer, which is no part of a peer's identifier.
    fn known(&mut self, service: &str, subset: &str, datacenter: &str, peer: &str) -> Destination {
        let (id, datacenter) = if !peer.is_empty() {
            (format!("{service}.{DEFAULT}.{DEFAULT}.external.{peer}"), "")
        } else if subset.is_empty() {
            (
                format!("{service}.{DEFAULT}.{DEFAULT}.{datacenter}"),
                datacenter,
            )
        } else {
            (
                format!("{subset}.{service}.{DEFAULT}.{DEFAULT}.{datacenter}"),
                datacenter,
            )
        };
        if let Some(known) = self.destinations.get(id.as_str()) {
            return known.clone();
        }
        let destination = Destination {
            id: Arc::from(id),
            service: Arc::from(service),
            subset: Arc::from(subset),
            datacenter: Arc::from(datacenter),
            peer: Arc::from(peer),
        };
        self.destinations
            .insert(Arc::clone(&destination.id), destination.clone());
        destination
    }
}

/// A service outside the mesh has one set of instances under one name: nothing may choose among them.
fn check_external(service: &str, resolver: &ServiceResolver) -> Result<(), Diagnostic> {
    let redirect = resolver
        .redirect
        .as_ref()
        .map(|redirect| ("a redirect that stays on it", &redirect.origin));
    let subsets = resolver
        .subsets
        .values()
        .next()
        .map(|subset| ("subsets", &subset.origin));
    let failover = resolver
        .failover
        .values()
        .next()
        .map(|failover| ("fail-over", &failover.origin));
    let Some((what, origin)) = redirect.or(subsets).or(failover) else {
        return Ok(());
    };
    let message =
        format!("service {service} has an `ExternalSNI`, so its resolver cannot have {what}");
    Err(problem(Category::ExternalSni, origin, message))
}
