//! From a destination to a resolver node: redirects, default subsets, fail-over.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ResolverNode;
use super::graph::Walk;
use super::problem::{hinted, nearest, problem, warning};
use super::target::{Change, Destination};
use crate::config::{Category, Diagnostic, Failover, Origin, ServiceResolver, Subset};

/// A destination followed through redirects and default subsets to its end.
struct Reached {
    target: usize,
    destination: Destination,
    resolver: Option<Arc<ServiceResolver>>,
}

impl Walk<'_> {
    /// The resolver node of a destination; returns the identifier of its target, under which the node is kept.
    pub(super) fn resolver_node(
        &mut self,
        destination: Destination,
        named_at: &Origin,
    ) -> Result<Arc<str>, Diagnostic> {
        let reached = self.follow(destination, named_at)?;
        let id = Arc::clone(&reached.destination.id);
        if self.nodes.contains_key(&id) {
            return Ok(id);
        }
        let mut node = ResolverNode {
            target: reached.target,
            default: true,
            connect_timeout: self.connect_timeout(reached.resolver.as_deref()),
            ..ResolverNode::default()
        };
        if let Some(resolver) = &reached.resolver {
            node.default = is_default(resolver);
            node.request_timeout = resolver.request_timeout.positive();
            node.load_balancer.clone_from(&resolver.load_balancer);
            node.origin = resolver.origin.clone();
            node.failover = self.failover(&reached.destination, resolver)?;
        }
        self.nodes.insert(Arc::clone(&id), node);
        Ok(id)
    }

    /// Follows redirects and default subsets until neither applies.
    fn follow(&mut self, mut at: Destination, named_at: &Origin) -> Result<Reached, Diagnostic> {
        let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut named_at = named_at.clone();
        loop {
            if at.peer.is_empty() {
                self.record_protocol(&at.service, &named_at)?;
            }
            let resolver = self.resolver(&at.service);
            if !seen.insert(Arc::clone(&at.id)) {
                let message = format!(
                    "the redirects of {} lead back to {}",
                    self.request.service, at.id
                );
                return Err(problem(Category::Circular, &named_at, message));
            }
            let redirect = resolver
                .as_ref()
                .and_then(|resolver| resolver.redirect.as_ref());
            if let Some(redirect) = redirect {
                let change = Change {
                    service: &redirect.service,
                    subset: &redirect.service_subset,
                    datacenter: &redirect.datacenter,
                    peer: &redirect.peer,
                };
                let next = self.changed(&at, &change);
                if next.id != at.id {
                    self.warn_of_dropped_subset(&at, &next, &named_at);
                    named_at = redirect.origin.clone();
                    at = next;
                    continue;
                }
            }
            let default = resolver
                .as_ref()
                .map(|resolver| Arc::clone(&resolver.default_subset));
            if let Some(default) =
                default.filter(|subset| at.subset.is_empty() && !subset.is_empty())
            {
                at = self.changed(
                    &at,
                    &Change {
                        subset: &default,
                        ..Change::default()
                    },
                );
                continue;
            }
            let subset = subset(&at, resolver.as_deref(), &named_at)?.cloned();
            let target = self.target(&at, resolver.as_deref(), subset.as_ref())?;
            return Ok(Reached {
                target,
                destination: at,
                resolver,
            });
        }
    }

    /// The fail-over list of the node whose target is `primary`.
    fn failover(
        &mut self,
        primary: &Destination,
        resolver: &ServiceResolver,
    ) -> Result<Vec<usize>, Diagnostic> {
        let own = resolver
            .failover
            .get(&primary.subset)
            .filter(|_| !primary.subset.is_empty());
        let Some(failover) = own.or_else(|| resolver.failover.get("*")) else {
            return Ok(Vec::new());
        };
        let mut levels = Vec::new();
        for (change, origin) in candidates(failover) {
            let candidate = self.changed(primary, &change);
            if candidate.id != primary.id {
                levels.push((candidate, origin));
            }
        }
        levels
            .into_iter()
            .map(|(level, origin)| Ok(self.follow(level, origin)?.target))
            .collect()
    }

    fn warn_of_dropped_subset(&mut self, at: &Destination, next: &Destination, named_at: &Origin) {
        if !at.subset.is_empty() && next.service != at.service {
            let message = format!(
                "subset {:?} has no effect: {} is redirected to {}",
                at.subset, at.service, next.service
            );
            self.warnings.push(warning(
                named_at,
                message,
                "name the service that the redirect leads to",
            ));
        }
    }
}

/// The candidates of a fail-over, in order, as changes of the primary, each with the place that names it.
fn candidates(failover: &Failover) -> Vec<(Change<'_>, &Origin)> {
    let own = |datacenter| Change {
        service: &failover.service,
        subset: &failover.service_subset,
        datacenter,
        peer: "",
    };
    if !failover.datacenters.is_empty() {
        return failover
            .datacenters
            .iter()
            .map(|datacenter| (own(datacenter), &failover.origin))
            .collect();
    }
    if failover.targets.is_empty() {
        return vec![(own(""), &failover.origin)];
    }
    let targets = failover.targets.iter().map(|target| {
        let change = Change {
            service: &target.service,
            subset: &target.service_subset,
            datacenter: &target.datacenter,
            peer: &target.peer,
        };
        (change, &target.origin)
    });
    targets.collect()
}

/// Whether a resolver entry says nothing beyond its name.
fn is_default(resolver: &ServiceResolver) -> bool {
    resolver.default_subset.is_empty()
        && resolver.subsets.is_empty()
        && resolver.redirect.is_none()
        && resolver.failover.is_empty()
        && resolver.connect_timeout.is_zero()
        && resolver.request_timeout.is_zero()
        && resolver.load_balancer.is_none()
        && resolver.prioritize_by_locality.is_none()
}

/// The definition of the destination's subset, if it has one.
fn subset<'a>(
    at: &Destination,
    resolver: Option<&'a ServiceResolver>,
    named_at: &Origin,
) -> Result<Option<&'a Subset>, Diagnostic> {
    if at.subset.is_empty() {
        return Ok(None);
    }
    let defined = resolver.map(|resolver| &resolver.subsets);
    if let Some(subset) = defined.and_then(|subsets| subsets.get(&at.subset)) {
        return Ok(Some(subset));
    }
    let names: Vec<&str> = defined
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect();
    let message = format!("service {} has no subset {:?}", at.service, at.subset);
    let hint = subset_hint(&at.service, &at.subset, &names);
    let missing = hinted(Category::MissingSubset, named_at, message, hint);
    Err(missing.with_field("ServiceSubset"))
}

fn subset_hint(service: &str, wanted: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("service-resolver {service} defines no subsets; add it under `Subsets`");
    }
    let listed = format!("defined are {}", names.join(", "));
    match nearest(wanted, names) {
        Some(name) => format!("did you mean {name:?}? {listed}"),
        None => listed,
    }
}
