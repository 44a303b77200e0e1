//! `service-resolver`: which instances stand behind a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;
use super::shared::{FailoverPolicy, PrioritizeByLocality};

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
