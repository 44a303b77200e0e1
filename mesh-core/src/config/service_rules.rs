//! What is a valid service definition.

use super::check::{Checker, Rules};
use super::service::{CheckDefinition, ServiceDefinition, ServiceProxy, ServiceUpstream};
use super::{Category, GoDuration, proxy_config};

const BAD: Category = Category::BadService;

impl Rules for ServiceDefinition {
    fn normalize(&mut self) {
        if self.id.is_empty() {
            self.id = self.name.clone();
        }
        let second = GoDuration::from_secs(1);
        for check in self.check.iter_mut().chain(&mut self.checks) {
            if !check.interval.is_zero() && !check.interval.is_negative() {
                check.interval = check.interval.max(second);
            }
        }
    }

    fn check(&self, to: &mut Checker) {
        if self.name.is_empty() {
            to.error_at("name", Category::MissingName, "name is required");
        }
        let kinds = [
            "ingress-gateway",
            "mesh-gateway",
            "terminating-gateway",
            "api-gateway",
            "connect-proxy",
        ];
        to.one_of("kind", BAD, &self.kind, &kinds);
        port(to, "port", self.port, 0);
        let addresses = &self.tagged_addresses;
        to.each_key("tagged_addresses", addresses, |to, _, address| {
            port(to, "port", address.port, 0);
        });
        if let Some(weights) = &self.weights {
            to.within("weights", |to| {
                let limits = [
                    ("passing", weights.passing, 1),
                    ("warning", weights.warning, 0),
                ];
                for (field, weight, least) in limits {
                    if weight.is_some_and(|weight| !(least..=65535).contains(&weight)) {
                        to.error_at(
                            field,
                            BAD,
                            format!("a weight of {field} is {least} to 65535"),
                        );
                    }
                }
            });
        }
        if let Some(check) = &self.check {
            to.within("check", |to| check.verify(to));
        }
        to.each("checks", &self.checks, |to, check| check.verify(to));
        if let Some(proxy) = &self.proxy {
            to.within("proxy", |to| proxy.verify(to));
        }
        let sidecar = self
            .connect
            .as_ref()
            .and_then(|connect| connect.sidecar_service.as_ref());
        if let Some(proxy) = sidecar.and_then(|sidecar| sidecar.proxy.as_ref()) {
            to.within("connect", |to| {
                to.within("sidecar_service", |to| {
                    to.within("proxy", |to| proxy.verify(to));
                });
            });
        }
    }
}

fn port(to: &mut Checker, field: &'static str, port: i64, least: i64) {
    if !(least..=65535).contains(&port) {
        to.error_at(
            field,
            BAD,
            format!("{field} is {port}, not {least} to 65535"),
        );
    }
}

impl ServiceProxy {
    fn verify(&self, to: &mut Checker) {
        to.within("config", |to| proxy_config::check(&self.config, to));
        port(to, "local_service_port", self.local_service_port, 0);
        to.each("upstreams", &self.upstreams, |to, upstream| {
            if upstream.destination_name.is_empty() {
                to.error_at(
                    "destination_name",
                    BAD,
                    "an upstream needs its destination_name",
                );
            }
            to.one_of(
                "destination_type",
                BAD,
                &upstream.destination_type,
                &["service"],
            );
            let least = i64::from(upstream.local_bind_socket_path.is_empty());
            port(to, "local_bind_port", upstream.local_bind_port, least);
        });
        to.within("upstreams", |to| {
            for (index, upstream) in self.upstreams.iter().enumerate() {
                let place = |other: &ServiceUpstream| {
                    (other.local_bind_address.clone(), other.local_bind_port)
                };
                let taken = self.upstreams[..index]
                    .iter()
                    .any(|other| place(other) == place(upstream));
                if taken && upstream.local_bind_socket_path.is_empty() {
                    let message = format!(
                        "port {} is taken by an upstream before",
                        upstream.local_bind_port
                    );
                    to.within(index, |to| {
                        to.error_at("local_bind_port", BAD, message);
                    });
                }
            }
        });
    }
}

impl CheckDefinition {
    fn verify(&self, to: &mut Checker) {
        let bad = Category::BadCheck;
        let probes = [
            ("http", !self.http.is_empty()),
            ("tcp", !self.tcp.is_empty()),
            ("udp", !self.udp.is_empty()),
            ("grpc", !self.grpc.is_empty()),
            ("h2ping", !self.h2ping.is_empty()),
            ("args", !self.args.is_empty()),
            ("os_service", !self.os_service.is_empty()),
        ];
        let probes: Vec<&str> = probes
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name)
            .collect();
        let alias = !self.alias_service.is_empty() || !self.alias_node.is_empty();
        let kinds = probes.len() + usize::from(!self.ttl.is_zero()) + usize::from(alias);
        if kinds == 0 {
            to.error(bad, "a check needs what it checks")
                .hint("one of http, tcp, udp, grpc, h2ping, args, ttl, os_service, alias_service");
        }
        if kinds > 1 {
            to.error(bad, format!("a check has one kind, not {kinds}"));
        }
        if self.ttl.is_negative() {
            to.error_at("ttl", bad, "ttl is below 0");
        }
        if !self.ttl.is_zero() && !self.interval.is_zero() {
            to.error_at("interval", bad, "interval and ttl exclude each other");
        }
        if !probes.is_empty() && self.interval.positive().is_none() {
            to.error_at(
                "interval",
                bad,
                format!("a check by {} needs an interval above 0", probes.join(", ")),
            )
            .hint("write `interval = \"10s\"`");
        }
        for (field, duration) in [
            ("timeout", self.timeout),
            (
                "deregister_critical_service_after",
                self.deregister_critical_service_after,
            ),
        ] {
            if duration.is_negative() {
                to.error_at(field, bad, format!("{field} is below 0"));
            }
        }
        to.one_of(
            "status",
            bad,
            &self.status,
            &["passing", "warning", "critical"],
        );
        if self
            .failures_before_warning
            .is_some_and(|failures| failures > self.failures_before_critical)
        {
            let message = "failures_before_warning is above failures_before_critical";
            to.error_at("failures_before_warning", bad, message);
        }
    }
}
