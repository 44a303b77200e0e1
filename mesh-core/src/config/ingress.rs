//! `ingress-gateway`: what comes in from outside the mesh.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::category::Category;
use super::check::{Checker, Rules, is_host};
use super::shared::{HeaderModifiers, PassiveHealthCheck, check_tls, is_l7};

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

impl Rules for IngressGateway {
    fn normalize(&mut self) {
        for listener in &mut self.listeners {
            listener.protocol = match listener.protocol.to_lowercase() {
                empty if empty.is_empty() => "tcp".to_owned(),
                protocol => protocol,
            };
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        to.meta(&self.meta);
        to.within("TLS", |to| {
            self.tls.check(to);
            if let Some(sds) = &self.tls.sds
                && sds.cluster_name.is_empty()
                && !sds.cert_resource.is_empty()
            {
                let message = "a CertResource needs a ClusterName";
                to.within("SDS", |to| {
                    to.error_at("CertResource", Category::BadTls, message);
                });
            }
        });
        if let Some(check) = self
            .defaults
            .as_ref()
            .and_then(|defaults| defaults.passive_health_check.as_ref())
        {
            to.within("Defaults", |to| {
                to.within("PassiveHealthCheck", |to| check.check(to));
            });
        }
        to.within("Listeners", |to| {
            for (index, listener) in self.listeners.iter().enumerate() {
                let taken = self.listeners[..index]
                    .iter()
                    .any(|earlier| earlier.port == listener.port);
                to.within(index, |to| {
                    if taken {
                        let message = format!("port {} has a listener already", listener.port);
                        to.error_at("Port", Category::BadListener, message);
                    }
                    self.check_listener(listener, to);
                });
            }
        });
    }
}

impl IngressGateway {
    fn cluster(&self) -> &str {
        self.tls.sds.as_ref().map_or("", |sds| &sds.cluster_name)
    }

    fn check_listener(&self, listener: &IngressListener, to: &mut Checker) {
        let bad = Category::BadListener;
        if !(1..=65535).contains(&listener.port) {
            to.error_at(
                "Port",
                bad,
                format!("Port is {}, not 1 to 65535", listener.port),
            );
        }
        to.one_of(
            "Protocol",
            Category::BadProtocol,
            &listener.protocol,
            &["tcp", "http", "http2", "grpc"],
        );
        if let Some(tls) = &listener.tls {
            to.within("TLS", |to| {
                tls.check(to);
                self.check_listener_sds(tls, to);
            });
        }
        if self.leaves_certificate_to(listener) {
            let message = "the gateway names a cluster of secrets but no certificate, so that each listener must name one";
            to.error_at("TLS", Category::BadTls, message);
        }
        if listener.services.is_empty() {
            to.error_at("Services", bad, "a listener needs at least one service");
        }
        let tcp = !is_l7(&listener.protocol);
        if tcp && listener.services.len() > 1 {
            to.error_at(
                "Services",
                bad,
                "a listener of protocol tcp has exactly one service",
            );
        }
        to.within("Services", |to| {
            for (index, service) in listener.services.iter().enumerate() {
                to.within(index, |to| {
                    let earlier = &listener.services[..index];
                    if earlier.iter().any(|other| other.name == service.name) {
                        to.error_at(
                            "Name",
                            bad,
                            format!("service {:?} is given more than once", service.name),
                        );
                    }
                    self.check_service(listener, service, to);
                    self.check_hosts(service, tcp, earlier, to);
                });
            }
        });
    }

    fn check_listener_sds(&self, tls: &GatewayTls, to: &mut Checker) {
        let Some(sds) = &tls.sds else { return };
        let message = match (sds.cluster_name.is_empty(), sds.cert_resource.is_empty()) {
            (false, true) => "a ClusterName of a listener needs a CertResource",
            (true, false) if self.cluster().is_empty() => {
                "a CertResource needs a ClusterName here or above"
            }
            _ => return,
        };
        to.error_at("SDS", Category::BadTls, message);
    }

    /// A gateway may leave the certificate to its listeners, but then each must name one.
    fn leaves_certificate_to(&self, listener: &IngressListener) -> bool {
        let named = |tls: &GatewayTls| {
            tls.sds
                .as_ref()
                .is_some_and(|sds| !sds.cert_resource.is_empty())
        };
        !self.cluster().is_empty() && !named(&self.tls) && !listener.tls.as_ref().is_some_and(named)
    }

    fn check_service(
        &self,
        listener: &IngressListener,
        service: &IngressService,
        to: &mut Checker,
    ) {
        let bad = Category::BadListener;
        let tcp = !is_l7(&listener.protocol);
        if service.name.is_empty() {
            to.error_at("Name", bad, "a service needs its Name");
        } else if &*service.name == "*" && tcp {
            to.error_at("Name", bad, "\"*\" needs a listener that speaks HTTP");
        }
        let modifiers = [
            ("RequestHeaders", &service.request_headers),
            ("ResponseHeaders", &service.response_headers),
        ];
        for (field, modifiers) in modifiers {
            if modifiers.is_some() && tcp {
                to.error_at(
                    field,
                    Category::BadHeaders,
                    format!("{field} need a listener that speaks HTTP"),
                );
            }
        }
        if let Some(check) = &service.passive_health_check {
            to.within("PassiveHealthCheck", |to| check.check(to));
        }
        let Some(sds) = service.tls.as_ref().and_then(|tls| tls.sds.as_ref()) else {
            return;
        };
        let above = listener
            .tls
            .as_ref()
            .and_then(|tls| tls.sds.as_ref())
            .map_or("", |sds| &sds.cluster_name);
        let message = if service.hosts.is_empty() {
            "a certificate of a service needs Hosts"
        } else if sds.cluster_name.is_empty() && above.is_empty() && self.cluster().is_empty() {
            "a CertResource needs a ClusterName here or above"
        } else {
            return;
        };
        to.within("TLS", |to| {
            to.error_at("SDS", Category::BadTls, message);
        });
    }

    fn check_hosts(
        &self,
        service: &IngressService,
        tcp: bool,
        earlier: &[IngressService],
        to: &mut Checker,
    ) {
        let bad = Category::BadHost;
        if !service.hosts.is_empty() && (tcp || &*service.name == "*") {
            let message = if tcp {
                "Hosts need a listener that speaks HTTP"
            } else {
                "the service \"*\" has no Hosts"
            };
            to.error_at("Hosts", bad, message).hint(if tcp {
                "remove them, or set `Protocol = \"http\"`"
            } else {
                "remove them, or name the service that they are for"
            });
        }
        to.within("Hosts", |to| {
            for (index, host) in service.hosts.iter().enumerate() {
                let same = |other: &String| other.eq_ignore_ascii_case(host);
                let taken = service.hosts[..index].iter().any(same)
                    || earlier.iter().any(|other| other.hosts.iter().any(same));
                let inner = host.strip_prefix("*.").unwrap_or(host);
                let message = if taken {
                    format!("host {host:?} is given more than once on this listener")
                } else if host == "*" {
                    if !self.tls.enabled {
                        continue;
                    }
                    "the host \"*\" needs a gateway without TLS".to_owned()
                } else if inner.contains('*') {
                    format!("{host:?}: the wildcard * can only be the first label")
                } else if !is_host(inner) {
                    format!("{host:?} is not a host name")
                } else {
                    continue;
                };
                to.within(index, |to| {
                    to.error(bad, message);
                });
            }
        });
    }
}

impl GatewayTls {
    fn check(&self, to: &mut Checker) {
        check_tls(
            to,
            &self.tls_min_version,
            &self.tls_max_version,
            &self.cipher_suites,
        );
        if self.sds.is_some() {
            to.note_at(
                "SDS",
                Category::NoEffect,
                "certificates from an external service of secrets are not supported",
            );
        }
    }
}
