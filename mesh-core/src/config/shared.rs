//! Records that several kinds share.

use std::collections::BTreeMap;

use super::GoDuration;

record! {
    /// Changes to headers: requests' on the way in, responses' on the way out.
    pub struct HeaderModifiers {
        /// Values to append, by header name.
        pub add: BTreeMap<String, String> = "Add",
        /// Values to put in place of all present ones, by header name.
        pub set: BTreeMap<String, String> = "Set",
        /// Names to delete.
        pub remove: Vec<String> = "Remove",
    }

    /// How instances that answer badly are taken out of use (Envoy's outlier detection).
    pub struct PassiveHealthCheck {
        /// Time between two looks at the ejected; zero means 10 s.
        pub interval: GoDuration = "Interval",
        /// Failures in a row that eject; 0 means 5.
        pub max_failures: u32 = "MaxFailures" | "max_failures",
        /// Percent chance that enough failures eject, 0..=100; absent means 100, 0 disables (not on an ingress gateway).
        pub enforcing_consecutive_5xx: Option<u32> = "EnforcingConsecutive5xx" | "enforcing_consecutive_5xx",
        /// Largest share of instances ejected at a time, percent; absent means 10.
        pub max_ejection_percent: Option<u32> = "MaxEjectionPercent" | "max_ejection_percent",
        /// Time of the first ejection; absent means 30 s.
        pub base_ejection_time: Option<GoDuration> = "BaseEjectionTime" | "base_ejection_time",
    }

    /// Limits of a caller towards one destination; absent fields mean Envoy's 1024, an explicit 0 means none allowed.
    pub struct Limits {
        /// Open connections.
        pub max_connections: Option<i64> = "MaxConnections" | "max_connections",
        /// Requests that wait for a connection.
        pub max_pending_requests: Option<i64> = "MaxPendingRequests" | "max_pending_requests",
        /// Requests in flight.
        pub max_concurrent_requests: Option<i64> = "MaxConcurrentRequests" | "max_concurrent_requests",
    }

    /// How traffic to another datacenter passes gateways.
    pub struct MeshGateway {
        /// Empty, `none`, `local` or `remote`; not validated.
        pub mode: String = "Mode",
    }

    /// Transparent proxying; only `DialedDirectly` is carried on.
    pub struct TransparentProxy {
        /// Port of the outbound listener; 0 means 15001.
        pub outbound_listener_port: i64 = "OutboundListenerPort" | "outbound_listener_port",
        /// Whether instances are dialed by their own address.
        pub dialed_directly: bool = "DialedDirectly" | "dialed_directly",
    }

    /// Paths that a sidecar exposes without TLS.
    pub struct Expose {
        /// Expose the paths of the service's own checks.
        pub checks: bool = "Checks",
        /// Single paths.
        pub paths: Vec<ExposePath> = "Paths",
    }

    /// One exposed path.
    pub struct ExposePath {
        /// Port to listen on.
        pub listener_port: i64 = "ListenerPort" | "listener_port",
        /// The path.
        pub path: String = "Path",
        /// Port of the application.
        pub local_path_port: i64 = "LocalPathPort" | "local_path_port",
        /// `http` or `http2`; empty means `http`.
        pub protocol: String = "Protocol",
        /// Set by Consul.
        pub parsed_from_check: bool = "ParsedFromCheck",
    }

    /// An extension of Envoy's configuration; no effect in process.
    pub struct EnvoyExtension {
        /// Name of the extension.
        pub name: String = "Name",
        /// Whether the configuration is useless without it; then the entry is refused.
        pub required: bool = "Required",
        /// Arguments, free form.
        pub arguments: serde_json::Map<String, serde_json::Value> = "Arguments",
        /// Versions of Consul it is for.
        pub consul_version: String = "ConsulVersion",
        /// Versions of Envoy it is for.
        pub envoy_version: String = "EnvoyVersion",
    }

    /// Which localities are preferred (Enterprise); only its presence matters.
    pub struct PrioritizeByLocality {
        /// Empty, `none` or `failover`.
        pub mode: String = "Mode",
    }

    /// How fail-over targets are ordered.
    pub struct FailoverPolicy {
        /// Empty, `sequential` or `order-by-locality`.
        pub mode: String = "Mode",
        /// Order of regions (Enterprise).
        pub regions: Vec<String> = "Regions",
    }

    /// TLS parameters of one direction of the mesh.
    pub struct TlsParameters {
        /// Empty, `TLS_AUTO`, `TLSv1_0` … `TLSv1_3`.
        pub tls_min_version: String = "TLSMinVersion" | "tls_min_version",
        /// As the minimum.
        pub tls_max_version: String = "TLSMaxVersion" | "tls_max_version",
        /// IANA names, for TLS 1.2 and below.
        pub cipher_suites: Vec<String> = "CipherSuites" | "cipher_suites",
    }
}
