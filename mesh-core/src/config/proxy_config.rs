//! The free maps `Config` of proxy-defaults and `proxy.config` of registrations: the keys that have a meaning.

use serde_json::{Map, Value as Json};

use super::category::Category;
use super::check::Checker;

/// Keys of Envoy's own that are read.
const HONOURED: [&str; 3] = [
    "envoy_prometheus_bind_addr",
    "envoy_tracing_json",
    "envoy_extra_static_clusters_json",
];

/// The keys that have a meaning; a value of the wrong type counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Default protocol of services, lower-cased and not validated.
    pub protocol: Option<String>,
    /// Milliseconds to connect to the application.
    pub local_connect_timeout_ms: Option<u64>,
    /// Milliseconds for the application to answer; 0 means no limit.
    pub local_request_timeout_ms: Option<u64>,
    /// Milliseconds an inbound stream may be idle; 0 means no limit.
    pub local_idle_timeout_ms: Option<u64>,
    /// Inbound connections at a time; 0 means no limit.
    pub max_inbound_connections: Option<u64>,
    /// Empty or `exact_balance`.
    pub balance_inbound_connections: Option<String>,
    /// Largest request header block in KiB.
    pub max_request_headers_kb: Option<u64>,
    /// Gateways: milliseconds to connect.
    pub connect_timeout_ms: Option<u64>,
    /// Address of the listener.
    pub bind_address: Option<String>,
    /// Port of the listener.
    pub bind_port: Option<u64>,
    /// Address and port where metrics are scraped.
    pub envoy_prometheus_bind_addr: Option<String>,
}

impl ProxyConfig {
    /// Reads a free map.
    #[must_use]
    pub fn read(config: &Map<String, Json>) -> Self {
        let number = |key: &str| find(config, key).and_then(as_number);
        let text = |key: &str| find(config, key).and_then(as_text);
        Self {
            protocol: text("protocol").map(|protocol| protocol.to_lowercase()),
            local_connect_timeout_ms: number("local_connect_timeout_ms"),
            local_request_timeout_ms: number("local_request_timeout_ms"),
            local_idle_timeout_ms: number("local_idle_timeout_ms"),
            max_inbound_connections: number("max_inbound_connections"),
            balance_inbound_connections: text("balance_inbound_connections"),
            max_request_headers_kb: number("max_request_headers_kb"),
            connect_timeout_ms: number("connect_timeout_ms"),
            bind_address: text("bind_address"),
            bind_port: number("bind_port"),
            envoy_prometheus_bind_addr: text("envoy_prometheus_bind_addr"),
        }
    }
}

/// The value of a key, compared without case.
fn find<'c>(config: &'c Map<String, Json>, key: &str) -> Option<&'c Json> {
    let exact = config.get(key);
    exact.or_else(|| {
        config
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

fn as_number(value: &Json) -> Option<u64> {
    match value {
        Json::Number(number) => number.as_u64().or_else(|| {
            let number = number.as_f64().filter(|number| *number >= 0.0)?;
            Some(number as u64)
        }),
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(flag) => Some(u64::from(*flag)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Warns about known keys of the wrong type and notes those of Envoy that do nothing.
pub(crate) fn check(config: &Map<String, Json>, to: &mut Checker) {
    const NUMBERS: [&str; 7] = [
        "local_connect_timeout_ms",
        "local_request_timeout_ms",
        "local_idle_timeout_ms",
        "max_inbound_connections",
        "max_request_headers_kb",
        "connect_timeout_ms",
        "bind_port",
    ];
    const TEXTS: [&str; 6] = [
        "protocol",
        "balance_inbound_connections",
        "bind_address",
        "envoy_prometheus_bind_addr",
        "envoy_tracing_json",
        "envoy_extra_static_clusters_json",
    ];
    for key in NUMBERS {
        if find(config, key).is_some_and(|value| !value.is_null() && as_number(value).is_none()) {
            to.warn_at(
                key,
                Category::BadType,
                format!("{key} is not a number and is ignored"),
            );
        }
    }
    for key in TEXTS {
        if find(config, key).is_some_and(|value| !value.is_null() && as_text(value).is_none()) {
            to.warn_at(
                key,
                Category::BadType,
                format!("{key} is not a string and is ignored"),
            );
        }
    }
    for key in config.keys() {
        if key.starts_with("envoy_") && !HONOURED.contains(&key.as_str()) {
            to.within(super::path::Segment::Key(key.clone()), |to| {
                to.note(
                    Category::NoEffect,
                    format!("`{key}` configures Envoy and has no effect in process"),
                );
            });
        }
    }
}
