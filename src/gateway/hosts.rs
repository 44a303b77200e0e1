//! Which service of a listener a host name means.
//!
//! Consul's rules (ingress-gateway reference): a service answers to its `Hosts`, or to `<service>.ingress.*` where it
//! has none; each also with the listener's port. The match ignores case and goes by exact name, longest `*.suffix`,
//! longest `prefix.*`, then `*`.

use std::collections::HashMap;
use std::sync::Arc;

use mesh_core::config::{EntrySet, IngressListener, IngressService};

/// The hosts of one listener, compiled.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    exact: HashMap<String, usize>,
    // Longest first.
    suffixes: Vec<(String, usize)>,
    prefixes: Vec<(String, usize)>,
    any: Option<usize>,
    services: Vec<Arc<str>>,
    port: u16,
}

impl Hosts {
    /// Compiles a listener. `*` as a service stands for every service of `names` that has the listener's protocol
    /// and is not listed by name.
    #[must_use]
    pub fn compile(listener: &IngressListener, entries: &EntrySet, names: &[Arc<str>]) -> Self {
        let mut hosts = Self {
            port: u16::try_from(listener.port).unwrap_or(0),
            ..Self::default()
        };
        for service in listener
            .services
            .iter()
            .filter(|service| &*service.name != "*")
        {
            hosts.add_service(&service.name, service);
        }
        if let Some(wildcard) = listener
            .services
            .iter()
            .find(|service| &*service.name == "*")
        {
            for name in names {
                let listed = listener
                    .services
                    .iter()
                    .any(|service| service.name == *name);
                let protocol = mesh_core::chain::service_protocol(entries, name);
                if !listed && protocol == listener.protocol {
                    hosts.add_service(name, wildcard);
                }
            }
        }
        hosts
            .suffixes
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        hosts
            .prefixes
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        hosts
    }

    fn add_service(&mut self, name: &Arc<str>, service: &IngressService) {
        let index = self.services.len();
        self.services.push(Arc::clone(name));
        if service.hosts.is_empty() {
            self.prefixes
                .push((format!("{}.ingress.", name.to_ascii_lowercase()), index));
        }
        for host in &service.hosts {
            let host = host.to_ascii_lowercase();
            match host.strip_prefix('*') {
                Some("") => self.any = Some(index),
                Some(suffix) => self.suffixes.push((suffix.to_owned(), index)),
                None => drop(self.exact.insert(host, index)),
            }
        }
    }

    /// The service that an authority (`Host` header or `:authority`) means; `None` is a 404.
    #[must_use]
    pub fn find(&self, authority: &str) -> Option<&Arc<str>> {
        let host = self.without_port(authority)?;
        // Hosts are short; a lower-cased copy is made only for those that are not lower-case already.
        let lowered;
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lowered = host.to_ascii_lowercase();
            lowered.as_str()
        } else {
            host
        };
        let longer = |pattern: &str| host.len() > pattern.len();
        let index = self
            .exact
            .get(host)
            .or_else(|| {
                Some(
                    &self
                        .suffixes
                        .iter()
                        .find(|(p, _)| longer(p) && host.ends_with(p.as_str()))?
                        .1,
                )
            })
            .or_else(|| {
                Some(
                    &self
                        .prefixes
                        .iter()
                        .find(|(p, _)| longer(p) && host.starts_with(p.as_str()))?
                        .1,
                )
            })
            .or(self.any.as_ref())?;
        self.services.get(*index)
    }

    /// The host alone. A port must be the listener's; an IPv6 literal keeps no brackets.
    fn without_port<'a>(&self, authority: &'a str) -> Option<&'a str> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (
                    host,
                    after.strip_prefix(':').or(after.is_empty().then_some(""))?,
                )
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let right = port.is_empty() || port.parse() == Ok(self.port);
        (right && !host.is_empty()).then_some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(services: &[(&str, &[&str])]) -> Hosts {
        let services = services.iter().map(|(name, hosts)| IngressService {
            name: (*name).into(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..IngressService::default()
        });
        let listener = IngressListener {
            port: 8080,
            protocol: "http".into(),
            services: services.collect(),
            ..IngressListener::default()
        };
        Hosts::compile(&listener, &EntrySet::default(), &[])
    }

    fn found<'a>(hosts: &'a Hosts, authority: &str) -> Option<&'a str> {
        hosts.find(authority).map(|name| &**name)
    }

    #[test]
    fn a_host_matches_without_case_and_with_or_without_the_listeners_port() {
        let hosts = hosts(&[("frontend", &["localhost", "10.0.0.1", "::1"])]);
        for authority in [
            "localhost",
            "LocalHost",
            "localhost:8080",
            "10.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
        ] {
            assert_eq!(found(&hosts, authority), Some("frontend"), "{authority}");
        }
        for authority in [
            "",
            "example.com",
            "localhost:8081",
            "localhost.",
            "[::1",
            "[::1]8080",
            "localhost:",
            ":8080",
        ] {
            let expected = (authority == "localhost:").then_some("frontend");
            assert_eq!(found(&hosts, authority), expected, "{authority}");
        }
    }

    #[test]
    fn exact_beats_suffix_beats_prefix_beats_any() {
        let hosts = hosts(&[
            ("exact", &["a.example.com"]),
            ("suffix", &["*.example.com"]),
            ("deeper", &["*.b.example.com"]),
            ("prefix", &[]),
            ("any", &["*"]),
        ]);
        let cases = [
            ("a.example.com", "exact"),
            ("c.example.com", "suffix"),
            ("x.b.example.com", "deeper"),
            ("example.com", "any"),
            ("prefix.ingress.dc1.consul", "prefix"),
            ("prefix.ingress.", "any"),
            ("elsewhere", "any"),
        ];
        for (authority, service) in cases {
            assert_eq!(found(&hosts, authority), Some(service), "{authority}");
        }
    }
}
