//! `ingress-gateway`: what comes in from outside the mesh.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::{HeaderModifiers, PassiveHealthCheck};

record! {
    /// The `ingress-gateway` entry (Consul ingress-gateway reference).
    pub struct IngressGateway {
        /// Name of the gateway.
        pub name: Arc<str> = "Name",
        /// TLS of all listeners that have none of their own.
        pub tls: GatewayTls = "TLS",
        /// Listeners.
        pub listeners: Vec<IngressListener> = "Listeners",
        /// Limits of services that set none.
        pub defaults: Option<IngressDefaults> = "Defaults",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// TLS of a gateway or a listener.
    pub struct GatewayTls {
        /// Whether TLS is spoken.
        pub enabled: bool = "Enabled",
        /// An external service of secrets.
        pub sds: Option<GatewaySds> = "SDS",
        /// Empty, `TLS_AUTO`, `TLSv1_0` … `TLSv1_3`.
        pub tls_min_version: String = "TLSMinVersion" | "tls_min_version",
        /// As the minimum.
        pub tls_max_version: String = "TLSMaxVersion" | "tls_max_version",
        /// IANA names, for TLS 1.2 and below.
        pub cipher_suites: Vec<String> = "CipherSuites" | "cipher_suites",
    }

    /// A certificate from an external service of secrets.
    pub struct GatewaySds {
        /// Envoy's cluster.
        pub cluster_name: String = "ClusterName" | "cluster_name",
        /// Name of the certificate there.
        pub cert_resource: String = "CertResource" | "cert_resource",
    }

    /// Limits of services that set none; 0 means Envoy's.
    pub struct IngressDefaults {
        /// Open connections.
        pub max_connections: u32 = "MaxConnections",
        /// Requests that wait for a connection.
        pub max_pending_requests: u32 = "MaxPendingRequests",
        /// Requests in flight.
        pub max_concurrent_requests: u32 = "MaxConcurrentRequests",
        /// Ejection of bad instances.
        pub passive_health_check: Option<PassiveHealthCheck> = "PassiveHealthCheck" | "passive_health_check",
    }

    /// A port that is listened on.
    pub struct IngressListener {
        /// Port, 1..=65535.
        pub port: i64 = "Port",
        /// `tcp`, `http`, `http2` or `grpc`, lower-cased; `tcp` is filled in.
        pub protocol: String = "Protocol",
        /// TLS of this listener.
        pub tls: Option<GatewayTls> = "TLS",
        /// Services reached through it.
        pub services: Vec<IngressService> = "Services",
    }

    /// A service behind a listener.
    pub struct IngressService {
        /// Name, or `*` for every service.
        pub name: Arc<str> = "Name",
        /// Hosts it answers to; empty means `name.ingress.*`.
        pub hosts: Vec<String> = "Hosts",
        /// Its own certificate.
        pub tls: Option<IngressServiceTls> = "TLS",
        /// Changes to the request's headers.
        pub request_headers: Option<HeaderModifiers> = "RequestHeaders" | "request_headers",
        /// Changes to the response's headers.
        pub response_headers: Option<HeaderModifiers> = "ResponseHeaders" | "response_headers",
        /// Open connections; 0 means the defaults'.
        pub max_connections: u32 = "MaxConnections" | "max_connections",
        /// Requests that wait for a connection; 0 means the defaults'.
        pub max_pending_requests: u32 = "MaxPendingRequests" | "max_pending_requests",
        /// Requests in flight; 0 means the defaults'.
        pub max_concurrent_requests: u32 = "MaxConcurrentRequests" | "max_concurrent_requests",
        /// Ejection of bad instances, merged field by field over the defaults'.
        pub passive_health_check: Option<PassiveHealthCheck> = "PassiveHealthCheck" | "passive_health_check",
    }

    /// TLS of a service.
    pub struct IngressServiceTls {
        /// Its certificate.
        pub sds: Option<GatewaySds> = "SDS",
    }
}
