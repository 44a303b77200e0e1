//! `service-resolver`: which instances stand behind a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;
use super::category::Category;
use super::check::{Checker, Rules};
use super::shared::{FailoverPolicy, PrioritizeByLocality};
use crate::filter::Filter;

record! {
    /// The `service-resolver` entry (Consul service-resolver reference).
    pub struct ServiceResolver {
        /// Name of the service.
        pub name: Arc<str> = "Name",
        /// Subset of requests that ask for none; empty means all instances.
        pub default_subset: Arc<str> = "DefaultSubset" | "default_subset",
        /// Subsets by name.
        pub subsets: BTreeMap<Arc<str>, Subset> = "Subsets",
        /// Another service in place of this one.
        pub redirect: Option<Redirect> = "Redirect",
        /// Where to go when no instance is left, by subset or `*`.
        pub failover: BTreeMap<Arc<str>, Failover> = "Failover",
        /// Zero means 5 s.
        pub connect_timeout: GoDuration = "ConnectTimeout" | "connect_timeout",
        /// Zero means the default.
        pub request_timeout: GoDuration = "RequestTimeout" | "request_timeout",
        /// How an instance is chosen.
        pub load_balancer: Option<LoadBalancer> = "LoadBalancer" | "load_balancer",
        /// Enterprise; even empty it makes the resolver a non-default one.
        pub prioritize_by_locality: Option<PrioritizeByLocality> = "PrioritizeByLocality" | "prioritize_by_locality",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// A named part of a service's instances.
    pub struct Subset {
        /// Filter expression; empty means all.
        pub filter: String = "Filter",
        /// Only instances all of whose checks pass.
        pub only_passing: bool = "OnlyPassing" | "only_passing",
    }

    /// Another place in place of this service.
    pub struct Redirect {
        /// Service; empty means the own.
        pub service: Arc<str> = "Service",
        /// Subset.
        pub service_subset: Arc<str> = "ServiceSubset" | "service_subset",
        /// Enterprise.
        pub namespace: String = "Namespace",
        /// Enterprise.
        pub partition: String = "Partition",
        /// Datacenter.
        pub datacenter: Arc<str> = "Datacenter",
        /// Peer.
        pub peer: Arc<str> = "Peer",
        /// Enterprise.
        pub sameness_group: String = "SamenessGroup",
    }

    /// Where to go when no instance is left.
    pub struct Failover {
        /// Service; empty means the own.
        pub service: Arc<str> = "Service",
        /// Subset.
        pub service_subset: Arc<str> = "ServiceSubset" | "service_subset",
        /// Enterprise.
        pub namespace: String = "Namespace",
        /// Datacenters in order.
        pub datacenters: Vec<Arc<str>> = "Datacenters",
        /// Targets in order.
        pub targets: Vec<FailoverTarget> = "Targets",
        /// Order of the targets (Enterprise).
        pub policy: Option<FailoverPolicy> = "Policy",
        /// Enterprise.
        pub sameness_group: String = "SamenessGroup",
    }

    /// One place to fail over to; empty fields keep the primary's.
    pub struct FailoverTarget {
        /// Service.
        pub service: Arc<str> = "Service",
        /// Subset.
        pub service_subset: Arc<str> = "ServiceSubset" | "service_subset",
        /// Enterprise.
        pub partition: String = "Partition",
        /// Enterprise.
        pub namespace: String = "Namespace",
        /// Datacenter.
        pub datacenter: Arc<str> = "Datacenter",
        /// Peer.
        pub peer: Arc<str> = "Peer",
    }

    /// How an instance is chosen.
    pub struct LoadBalancer {
        /// Empty, `random`, `round_robin`, `least_request`, `ring_hash` or `maglev`.
        pub policy: String = "Policy",
        /// With `ring_hash` only.
        pub ring_hash_config: Option<RingHashConfig> = "RingHashConfig" | "ring_hash_config",
        /// With `least_request` only.
        pub least_request_config: Option<LeastRequestConfig> = "LeastRequestConfig" | "least_request_config",
        /// With `ring_hash` and `maglev` only.
        pub hash_policies: Vec<HashPolicy> = "HashPolicies" | "hash_policies",
    }

    /// Parameters of `ring_hash`.
    pub struct RingHashConfig {
        /// 0 means 1024.
        pub minimum_ring_size: u64 = "MinimumRingSize" | "minimum_ring_size",
        /// 0 means 8 Mi.
        pub maximum_ring_size: u64 = "MaximumRingSize" | "maximum_ring_size",
    }

    /// Parameters of `least_request`.
    pub struct LeastRequestConfig {
        /// Instances drawn per choice; 0 means 2.
        pub choice_count: u32 = "ChoiceCount" | "choice_count",
    }

    /// What of a request is hashed.
    pub struct HashPolicy {
        /// Empty, `header`, `cookie` or `query_parameter`.
        pub field: String = "Field",
        /// Name of the header, cookie or parameter.
        pub field_value: String = "FieldValue" | "field_value",
        /// With `cookie` only.
        pub cookie_config: Option<CookieConfig> = "CookieConfig" | "cookie_config",
        /// Hash the caller's address; excludes `field`.
        pub source_ip: bool = "SourceIP" | "source_ip",
        /// Stop here if this one gave a hash.
        pub terminal: bool = "Terminal",
    }

    /// The cookie that is set when a request has none.
    pub struct CookieConfig {
        /// A cookie of the browser session.
        pub session: bool = "Session",
        /// Its lifetime.
        pub ttl: GoDuration = "TTL",
        /// Its path.
        pub path: String = "Path",
    }
}

impl Rules for ServiceResolver {
    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        to.meta(&self.meta);
        if let Some(locality) = &self.prioritize_by_locality {
            to.within("PrioritizeByLocality", |to| {
                to.enterprise("Mode", &locality.mode);
            });
        }
        self.check_subsets(to);
        if let Some(redirect) = &self.redirect {
            to.within("Redirect", |to| self.check_redirect(redirect, to));
        }
        to.each_key("Failover", &self.failover, |to, subset, failover| {
            if subset != "*" && !self.subsets.contains_key(subset) {
                to.error(
                    Category::BadFailover,
                    format!("subset {subset:?} is not defined"),
                );
            }
            self.check_failover(failover, to);
        });
        let timeouts = [
            ("ConnectTimeout", self.connect_timeout),
            ("RequestTimeout", self.request_timeout),
        ];
        for (field, timeout) in timeouts {
            if timeout.is_negative() {
                to.error_at(field, Category::BadTimeout, format!("{field} is below 0"));
            }
        }
        if let Some(balancer) = &self.load_balancer {
            to.within("LoadBalancer", |to| balancer.check(to));
        }
    }
}

/// 1 to 63 of `a-z 0-9 -`, first and last not `-`.
fn is_subset_name(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|&b| b != b'-');
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

impl ServiceResolver {
    /// Whether a subset of the own service is defined; no subset always is.
    fn has_subset(&self, name: &str) -> bool {
        name.is_empty() || self.subsets.contains_key(name)
    }

    fn is_own(&self, service: &str) -> bool {
        service.is_empty() || service == &*self.name
    }

    fn check_subsets(&self, to: &mut Checker) {
        to.each_key("Subsets", &self.subsets, |to, name, subset| {
            if !is_subset_name(name) {
                to.error(
                    Category::BadSubset,
                    format!("{name:?} cannot name a subset"),
                )
                .hint("1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends");
            }
            check_filter(&subset.filter, to);
        });
        if !self.has_subset(&self.default_subset) {
            let message = format!("subset {:?} is not defined", self.default_subset);
            to.error_at("DefaultSubset", Category::BadSubset, message);
        }
    }

    fn check_redirect(&self, redirect: &Redirect, to: &mut Checker) {
        let bad = Category::BadRedirect;
        if !self.failover.is_empty() {
            to.error(bad, "Redirect and Failover exclude each other");
        }
        to.enterprise("Namespace", &redirect.namespace);
        to.enterprise("Partition", &redirect.partition);
        to.enterprise("SamenessGroup", &redirect.sameness_group);
        if *redirect
            == (Redirect {
                origin: redirect.origin.clone(),
                ..Redirect::default()
            })
        {
            to.error(bad, "a redirect must set at least one field");
        }
        if !redirect.peer.is_empty() {
            for (field, value) in [
                ("ServiceSubset", &redirect.service_subset),
                ("Datacenter", &redirect.datacenter),
            ] {
                if !value.is_empty() {
                    to.error_at(field, bad, format!("{field} and Peer exclude each other"));
                }
            }
        }
        if redirect.service.is_empty() {
            for (field, value) in [
                ("ServiceSubset", &redirect.service_subset),
                ("Peer", &redirect.peer),
            ] {
                if !value.is_empty() {
                    to.error_at(field, bad, format!("{field} needs a Service"));
                }
            }
        } else if self.is_own(&redirect.service) && !self.has_subset(&redirect.service_subset) {
            let message = format!("subset {:?} is not defined", redirect.service_subset);
            to.error_at("ServiceSubset", bad, message);
        }
    }

    fn check_failover(&self, failover: &Failover, to: &mut Checker) {
        let bad = Category::BadFailover;
        to.enterprise("Namespace", &failover.namespace);
        to.enterprise("SamenessGroup", &failover.sameness_group);
        let empty = failover.service.is_empty()
            && failover.service_subset.is_empty()
            && failover.namespace.is_empty()
            && failover.sameness_group.is_empty()
            && failover.datacenters.is_empty()
            && failover.targets.is_empty();
        if empty {
            to.error(
                bad,
                "one of Service, ServiceSubset, Datacenters, Targets is required",
            );
        }
        if let Some(policy) = &failover.policy {
            to.within("Policy", |to| to.enterprise("Mode", &policy.mode));
        }
        if self.is_own(&failover.service) && !self.has_subset(&failover.service_subset) {
            let message = format!("subset {:?} is not defined", failover.service_subset);
            to.error_at("ServiceSubset", bad, message);
        }
        if !failover.targets.is_empty() {
            let excluded = [
                ("Datacenters", !failover.datacenters.is_empty()),
                ("ServiceSubset", !failover.service_subset.is_empty()),
                ("Service", !failover.service.is_empty()),
            ];
            for (field, _) in excluded.into_iter().filter(|(_, set)| *set) {
                to.error_at(
                    field,
                    bad,
                    format!("{field} and Targets exclude each other"),
                );
            }
        }
        to.each("Datacenters", &failover.datacenters, |to, datacenter| {
            if datacenter.is_empty() {
                to.error(bad, "a datacenter has no name");
            }
        });
        to.each("Targets", &failover.targets, |to, target| {
            self.check_target(target, to);
        });
    }

    fn check_target(&self, target: &FailoverTarget, to: &mut Checker) {
        let bad = Category::BadFailover;
        to.enterprise("Partition", &target.partition);
        to.enterprise("Namespace", &target.namespace);
        if !target.peer.is_empty() {
            for (field, value) in [
                ("ServiceSubset", &target.service_subset),
                ("Datacenter", &target.datacenter),
            ] {
                if !value.is_empty() {
                    to.error_at(field, bad, format!("{field} and Peer exclude each other"));
                }
            }
        } else if self.is_own(&target.service) && !self.has_subset(&target.service_subset) {
            let message = format!("subset {:?} is not defined", target.service_subset);
            to.error_at("ServiceSubset", bad, message);
        }
    }
}

/// Policies of balancing that Consul knows.
pub(crate) const POLICIES: [&str; 5] = [
    "random",
    "round_robin",
    "least_request",
    "ring_hash",
    "maglev",
];

impl LoadBalancer {
    fn check(&self, to: &mut Checker) {
        let bad = Category::BadLb;
        to.one_of("Policy", bad, &self.policy, &POLICIES);
        let policy = self.policy.as_str();
        let hashing = matches!(policy, "ring_hash" | "maglev");
        if self.ring_hash_config.is_some() && policy != "ring_hash" {
            to.error_at(
                "RingHashConfig",
                bad,
                "RingHashConfig needs Policy = \"ring_hash\"",
            );
        }
        if self.least_request_config.is_some() && policy != "least_request" {
            to.error_at(
                "LeastRequestConfig",
                bad,
                "LeastRequestConfig needs Policy = \"least_request\"",
            );
        }
        if !self.hash_policies.is_empty() && !hashing {
            to.error_at(
                "HashPolicies",
                bad,
                "HashPolicies need Policy = \"ring_hash\" or \"maglev\"",
            );
        }
        to.each("HashPolicies", &self.hash_policies, |to, policy| {
            policy.check(to);
        });
    }
}

impl HashPolicy {
    fn check(&self, to: &mut Checker) {
        let bad = Category::BadLb;
        to.one_of(
            "Field",
            bad,
            &self.field,
            &["header", "cookie", "query_parameter"],
        );
        if self.source_ip && !(self.field.is_empty() && self.field_value.is_empty()) {
            to.error_at("SourceIP", bad, "SourceIP excludes Field and FieldValue");
        } else if self.field.is_empty() && !self.field_value.is_empty() {
            to.error_at("FieldValue", bad, "FieldValue needs a Field");
        } else if !self.field.is_empty() && self.field_value.is_empty() {
            to.error_at(
                "FieldValue",
                bad,
                "Field needs a FieldValue, the name to look for",
            );
        } else if self.field.is_empty() && !self.source_ip {
            to.error(bad, "a hash policy needs a Field or SourceIP");
        }
        let Some(cookie) = &self.cookie_config else {
            return;
        };
        if self.field != "cookie" {
            to.error_at("CookieConfig", bad, "CookieConfig needs Field = \"cookie\"");
        }
        if cookie.session && !cookie.ttl.is_zero() {
            let message = "a cookie of the session has no TTL";
            to.within("CookieConfig", |to| {
                to.error_at("TTL", bad, message);
            });
        }
    }
}

/// A filter that is not in the grammar is an error; one that does not fit the data leaves the subset empty, as in Consul.
fn check_filter(filter: &str, to: &mut Checker) {
    let bad = Category::BadFilter;
    let bound = match Filter::parse(filter) {
        Ok(filter) => filter.bind(),
        Err(error) => {
            let problem = to.error_at("Filter", bad, format!("the filter does not parse: {error}"));
            if let Some(hint) = error.hint {
                problem.hint(hint);
            }
            return;
        }
    };
    match bound {
        Ok(bound) => {
            for warning in bound.warnings() {
                to.warn_at("Filter", bad, warning.message.clone());
            }
        }
        Err(error) => {
            let problem = to.warn_at("Filter", bad, format!("the subset is empty: {error}"));
            if let Some(hint) = error.hint {
                problem.hint(hint);
            }
        }
    }
}
