//! `service-defaults`: what holds for a service and for the calls it makes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::GoDuration;
use super::category::Category;
use super::check::{Checker, Rules, is_host};
use super::shared::{
    EnvoyExtension, Expose, Limits, MeshGateway, PassiveHealthCheck, TransparentProxy,
    check_proxy_fields,
};

record! {
    /// The `service-defaults` entry (Consul service-defaults reference).
    pub struct ServiceDefaults {
        /// Name of the service.
        pub name: Arc<str> = "Name",
        /// `tcp`, `http`, `http2`, `grpc`, lower-cased; empty means `tcp`.
        pub protocol: String = "Protocol",
        /// Empty, `direct` or `transparent`.
        pub mode: String = "Mode",
        /// Transparent proxying.
        pub transparent_proxy: TransparentProxy = "TransparentProxy" | "transparent_proxy",
        /// Empty (inherit), `strict` or `permissive`.
        pub mutual_tls_mode: String = "MutualTLSMode" | "mutual_tls_mode",
        /// How other datacenters are reached.
        pub mesh_gateway: MeshGateway = "MeshGateway" | "mesh_gateway",
        /// Plaintext paths.
        pub expose: Expose = "Expose",
        /// Server name of a service outside the mesh; empty for one inside.
        pub external_sni: String = "ExternalSNI" | "external_sni",
        /// Parameters of the calls that the named service makes.
        pub upstream_config: Option<UpstreamConfig> = "UpstreamConfig" | "upstream_config",
        /// Where a service outside the mesh is found.
        pub destination: Option<Destination> = "Destination",
        /// Inbound connections at a time; 0 means no limit.
        pub max_inbound_connections: i64 = "MaxInboundConnections" | "max_inbound_connections",
        /// Milliseconds to connect to the application; 0 means 5000.
        pub local_connect_timeout_ms: i64 = "LocalConnectTimeoutMs" | "local_connect_timeout_ms",
        /// Milliseconds for the application to answer; 0 means 15 000.
        pub local_request_timeout_ms: i64 = "LocalRequestTimeoutMs" | "local_request_timeout_ms",
        /// Empty or `exact_balance`.
        pub balance_inbound_connections: String = "BalanceInboundConnections" | "balance_inbound_connections",
        /// Enterprise; its presence refuses the entry.
        pub rate_limits: Option<RateLimits> = "RateLimits" | "rate_limits",
        /// Largest request header block in KiB; absent means 60.
        pub max_request_headers_kb: Option<u32> = "MaxRequestHeadersKB",
        /// Extensions of Envoy.
        pub envoy_extensions: Vec<EnvoyExtension> = "EnvoyExtensions" | "envoy_extensions",
        /// Free pairs; copied to the compiled chain.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// Parameters of outgoing calls.
    pub struct UpstreamConfig {
        /// For single upstreams, by name and peer.
        pub overrides: Vec<Upstream> = "Overrides",
        /// For all others.
        pub defaults: Option<Upstream> = "Defaults",
    }

    /// Parameters of calls to one upstream.
    pub struct Upstream {
        /// Name of the upstream; empty in `Defaults`.
        pub name: Arc<str> = "Name",
        /// Peer it is imported from; empty for the own cluster.
        pub peer: Arc<str> = "Peer",
        /// Envoy's listener as JSON; no effect.
        pub envoy_listener_json: String = "EnvoyListenerJSON" | "envoy_listener_json",
        /// Envoy's cluster as JSON; no effect.
        pub envoy_cluster_json: String = "EnvoyClusterJSON" | "envoy_cluster_json",
        /// Lower-cased and not validated; what is not L7 acts as `tcp`; empty means no override.
        pub protocol: String = "Protocol",
        /// Milliseconds to connect, never negative; 0 means 5000.
        pub connect_timeout_ms: i64 = "ConnectTimeoutMs" | "connect_timeout_ms",
        /// Limits of the caller.
        pub limits: Option<Limits> = "Limits",
        /// Ejection of bad instances.
        pub passive_health_check: Option<PassiveHealthCheck> = "PassiveHealthCheck" | "passive_health_check",
        /// How other datacenters are reached.
        pub mesh_gateway: MeshGateway = "MeshGateway" | "mesh_gateway",
        /// Empty or `exact_balance`.
        pub balance_outbound_connections: String = "BalanceOutboundConnections" | "balance_outbound_connections",
    }

    /// A service outside the mesh.
    pub struct Destination {
        /// IP addresses or host names.
        pub addresses: Vec<String> = "Addresses",
        /// Port, 1..=65535.
        pub port: i64 = "Port",
    }

    /// Rate limits (Enterprise).
    pub struct RateLimits {
        /// Per instance.
        pub instance_level: InstanceLevelRateLimits = "InstanceLevel" | "instance_level",
    }

    /// Rate limits of one instance (Enterprise).
    pub struct InstanceLevelRateLimits {
        /// Requests per second.
        pub requests_per_second: i64 = "RequestsPerSecond" | "requests_per_second",
        /// Size of a burst.
        pub requests_max_burst: i64 = "RequestsMaxBurst" | "requests_max_burst",
        /// Limits of single paths.
        pub routes: Vec<RateLimitRoute> = "Routes",
    }

    /// Rate limit of a path (Enterprise).
    pub struct RateLimitRoute {
        /// The whole path.
        pub path_exact: String = "PathExact" | "path_exact",
        /// Its beginning.
        pub path_prefix: String = "PathPrefix" | "path_prefix",
        /// Its pattern.
        pub path_regex: String = "PathRegex" | "path_regex",
        /// Requests per second.
        pub requests_per_second: i64 = "RequestsPerSecond" | "requests_per_second",
        /// Size of a burst.
        pub requests_max_burst: i64 = "RequestsMaxBurst" | "requests_max_burst",
    }
}

impl Upstream {
    /// Time to connect, when set.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<std::time::Duration> {
        GoDuration::from_millis(self.connect_timeout_ms).positive()
    }
}

const BALANCE: [&str; 1] = ["exact_balance"];

impl Rules for ServiceDefaults {
    fn normalize(&mut self) {
        self.protocol = self.protocol.to_lowercase();
        if let Some(upstreams) = &mut self.upstream_config {
            for upstream in upstreams
                .overrides
                .iter_mut()
                .chain(&mut upstreams.defaults)
            {
                upstream.protocol = upstream.protocol.to_lowercase();
                upstream.connect_timeout_ms = upstream.connect_timeout_ms.max(0);
            }
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        if &*self.name == "*" {
            to.error_at(
                "Name",
                Category::BadName,
                "service-defaults cannot be for all services (\"*\")",
            )
            .hint("proxy-defaults hold for every service");
        }
        to.meta(&self.meta);
        if self.upstream_config.is_some() && self.destination.is_some() {
            let message =
                "a service outside the mesh makes no calls: Destination excludes UpstreamConfig";
            to.error_at("Destination", Category::BadDestination, message);
        }
        check_proxy_fields(
            to,
            &self.mode,
            &self.mutual_tls_mode,
            &self.expose,
            &self.envoy_extensions,
        );
        to.one_of(
            "Protocol",
            Category::BadProtocol,
            &self.protocol,
            &["tcp", "http", "http2", "grpc"],
        );
        let balance = &self.balance_inbound_connections;
        to.one_of(
            "BalanceInboundConnections",
            Category::BadBalance,
            balance,
            &BALANCE,
        );
        if let Some(upstreams) = &self.upstream_config {
            to.within("UpstreamConfig", |to| upstreams.check(to));
        }
        if let Some(destination) = &self.destination {
            to.within("Destination", |to| destination.check(to));
        }
        if self.rate_limits.is_some() {
            to.error_at(
                "RateLimits",
                Category::EnterpriseOnly,
                "RateLimits are a feature of Consul Enterprise",
            )
            .hint("a mesh-policy can limit what a service takes: `Limits { Inbound { … } }`");
        }
    }
}

impl UpstreamConfig {
    fn check(&self, to: &mut Checker) {
        to.each("Overrides", &self.overrides, |to, upstream| {
            if upstream.name.is_empty() {
                to.error_at(
                    "Name",
                    Category::BadUpstream,
                    "an override needs the Name of its upstream",
                );
            } else if &*upstream.name == "*" {
                to.error_at(
                    "Name",
                    Category::BadUpstream,
                    "an override cannot be for all upstreams (\"*\")",
                )
                .hint("use `Defaults`");
            }
            upstream.check(to);
        });
        if let Some(defaults) = &self.defaults {
            to.within("Defaults", |to| {
                if !defaults.name.is_empty() {
                    to.error_at(
                        "Name",
                        Category::BadUpstream,
                        "Defaults hold for all upstreams and have no Name",
                    )
                    .hint("use `Overrides`");
                }
                defaults.check(to);
            });
        }
    }
}

impl Upstream {
    fn check(&self, to: &mut Checker) {
        let hatches = [
            ("EnvoyListenerJSON", &self.envoy_listener_json),
            ("EnvoyClusterJSON", &self.envoy_cluster_json),
        ];
        for (field, text) in hatches {
            if !text.is_empty() {
                to.note_at(
                    field,
                    Category::NoEffect,
                    "configuration of Envoy has no effect in process",
                );
            }
        }
        if let Some(check) = &self.passive_health_check {
            to.within("PassiveHealthCheck", |to| check.check(to));
        }
        if let Some(limits) = &self.limits {
            to.within("Limits", |to| limits.check(to));
        }
        let balance = &self.balance_outbound_connections;
        to.one_of(
            "BalanceOutboundConnections",
            Category::BadUpstream,
            balance,
            &BALANCE,
        );
    }
}

impl Destination {
    fn check(&self, to: &mut Checker) {
        if self.addresses.is_empty() {
            to.error_at(
                "Addresses",
                Category::BadDestination,
                "at least one address is required",
            );
        }
        to.within("Addresses", |to| {
            for (index, address) in self.addresses.iter().enumerate() {
                let valid = address.parse::<IpAddr>().is_ok()
                    || (is_host(address) && !address.contains('*'));
                let message = if self.addresses[..index].contains(address) {
                    format!("{address:?} is given more than once")
                } else if valid {
                    continue;
                } else {
                    format!("{address:?} is neither an IP address nor a host name")
                };
                to.within(index, |to| {
                    to.error(Category::BadDestination, message);
                });
            }
        });
        if !(1..=65535).contains(&self.port) {
            to.error_at(
                "Port",
                Category::BadDestination,
                format!("Port is {}, not 1 to 65535", self.port),
            );
        }
    }
}
