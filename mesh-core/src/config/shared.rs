//! Records that several kinds share.

use std::collections::BTreeMap;

use super::GoDuration;
use super::category::Category;
use super::check::Checker;

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
        pub parsed_from_check: bool = "ParsedFromCheck" | "parsed_from_check",
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
        pub consul_version: String = "ConsulVersion" | "consul_version",
        /// Versions of Envoy it is for.
        pub envoy_version: String = "EnvoyVersion" | "envoy_version",
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

/// Protocols that are HTTP-like.
pub(crate) const L7: [&str; 3] = ["http", "http2", "grpc"];

/// Whether a protocol is HTTP-like: exactly `http`, `http2`, `grpc`.
#[must_use]
pub fn is_l7(protocol: &str) -> bool {
    L7.contains(&protocol)
}

impl Limits {
    pub(crate) fn check(&self, to: &mut Checker) {
        let limits = [
            ("MaxConnections", self.max_connections),
            ("MaxPendingRequests", self.max_pending_requests),
            ("MaxConcurrentRequests", self.max_concurrent_requests),
        ];
        for (field, limit) in limits {
            if limit.is_some_and(|limit| limit < 0) {
                to.error_at(field, Category::BadLimit, format!("{field} is below 0"));
            }
        }
    }
}

impl PassiveHealthCheck {
    pub(crate) fn check(&self, to: &mut Checker) {
        if self.interval.is_negative() {
            to.error_at("Interval", Category::BadHealthCheck, "Interval is below 0");
        }
        let percents = [
            ("EnforcingConsecutive5xx", self.enforcing_consecutive_5xx),
            ("MaxEjectionPercent", self.max_ejection_percent),
        ];
        for (field, percent) in percents {
            if percent.is_some_and(|percent| percent > 100) {
                to.error_at(
                    field,
                    Category::BadHealthCheck,
                    format!("{field} is above 100 percent"),
                );
            }
        }
        if self.base_ejection_time.is_some_and(GoDuration::is_negative) {
            to.error_at(
                "BaseEjectionTime",
                Category::BadHealthCheck,
                "BaseEjectionTime is below 0",
            );
        }
    }
}

/// The fields that service-defaults and proxy-defaults share and that have little meaning in process.
pub(crate) fn check_proxy_fields(
    to: &mut Checker,
    mode: &str,
    mutual_tls_mode: &str,
    expose: &Expose,
    extensions: &[EnvoyExtension],
) {
    if mode == "transparent" {
        to.note_at(
            "Mode",
            Category::NoEffect,
            "a transparent proxy has no meaning in process",
        );
    }
    if !matches!(mutual_tls_mode, "" | "strict" | "permissive") {
        let message = format!(
            "Invalid MutualTLSMode {mutual_tls_mode:?}. Must be one of \"\", \"strict\", or \"permissive\"."
        );
        to.error_at("MutualTLSMode", Category::BadMutualTls, message);
    }
    if expose.checks || !expose.paths.is_empty() {
        to.error_at(
            "Expose",
            Category::NotSupported,
            "Expose is not supported: there is no sidecar listener",
        )
        .hint("serve the paths on a listener of their own");
    }
    to.each("EnvoyExtensions", extensions, |to, extension| {
        let message = format!("extension {:?} has no effect in process", extension.name);
        if extension.required {
            to.error(Category::NotSupported, message)
                .hint("without `Required = true` it is accepted and ignored");
        } else {
            to.note_at("Name", Category::NoEffect, message);
        }
    });
}

const VERSIONS: [&str; 4] = ["TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"];

const CIPHER_SUITES: [&str; 14] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
];

/// Versions and suites of a TLS block.
pub(crate) fn check_tls(to: &mut Checker, min: &str, max: &str, suites: &[String]) {
    let allowed = ["TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"];
    to.one_of("TLSMinVersion", Category::BadTls, min, &allowed);
    to.one_of("TLSMaxVersion", Category::BadTls, max, &allowed);
    let rank = |version: &str| VERSIONS.iter().position(|known| *known == version);
    if let (Some(low), Some(high)) = (rank(min), rank(max))
        && high < low
    {
        to.error_at(
            "TLSMaxVersion",
            Category::BadTls,
            "TLSMaxVersion is below TLSMinVersion",
        );
    }
    if !suites.is_empty() && min == "TLSv1_3" {
        to.error_at(
            "CipherSuites",
            Category::BadTls,
            "cipher suites cannot be chosen for TLS 1.3",
        );
    }
    for version in ["TLSv1_0", "TLSv1_1"] {
        if min == version {
            to.warn_at(
                "TLSMinVersion",
                Category::NoEffect,
                "versions before TLS 1.2 are not offered; 1.2 is the minimum",
            );
        }
    }
    to.within("CipherSuites", |to| {
        for (index, suite) in suites.iter().enumerate() {
            let known = CIPHER_SUITES.contains(&suite.as_str());
            to.within(index, |to| {
                if !known {
                    to.error(
                        Category::BadTls,
                        format!("no matching Envoy TLS cipher suite found for {suite:?}"),
                    );
                }
            });
        }
    });
}

impl TlsParameters {
    pub(crate) fn check(&self, to: &mut Checker) {
        check_tls(
            to,
            &self.tls_min_version,
            &self.tls_max_version,
            &self.cipher_suites,
        );
    }
}
