//! The collector of spans, read from what a sidecar would be told in Envoy's own JSON.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::GoDuration;
use super::path::squeeze;

/// A Zipkin collector, as Envoy's `ZipkinConfig` and a static cluster describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipkinCollector {
    /// Name of the cluster.
    pub cluster: String,
    /// Host of its first endpoint.
    pub host: String,
    /// Port of its first endpoint.
    pub port: u16,
    /// Path that spans are sent to, such as `/api/v2/spans`.
    pub path: String,
    /// Whether client and server share one span; Envoy's default is true.
    pub shared_span_context: bool,
    /// Whether trace identifiers have 128 bits; Envoy's default is false.
    pub trace_id_128bit: bool,
    /// Time to connect; Envoy's default is 5 s.
    pub connect_timeout: Duration,
    /// Which addresses of the host are used, such as `V4_ONLY`; Envoy's default is `AUTO`.
    pub dns_lookup_family: String,
    /// How its endpoints are balanced, such as `ROUND_ROBIN`.
    pub lb_policy: String,
}

/// What is wrong, and under which key of `Config`.
pub(crate) struct CollectorProblem {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

const TRACING: &str = "envoy_tracing_json";
const CLUSTERS: &str = "envoy_extra_static_clusters_json";

type Found<T> = Result<T, CollectorProblem>;

fn fail<T>(key: &'static str, message: impl Into<String>) -> Found<T> {
    Err(CollectorProblem {
        key,
        message: message.into(),
    })
}

/// Reads the collector that a free map names, if it names one.
pub(crate) fn collector(config: &Map<String, Json>) -> Found<Option<ZipkinCollector>> {
    let text = |key: &str| config.get(key).and_then(Json::as_str).unwrap_or("").trim();
    let tracer = text(TRACING);
    if tracer.is_empty() {
        return Ok(None);
    }
    let tracer: Json = match serde_json::from_str(tracer) {
        Ok(tracer) => tracer,
        Err(error) => return fail(TRACING, format!("not JSON: {error}")),
    };
    let http = pick(&tracer, "http").unwrap_or(&tracer);
    let name = string(http, "name");
    let Some(typed) = pick(http, "typed_config") else {
        return fail(TRACING, "a tracer needs its `typed_config`");
    };
    if name != "envoy.tracers.zipkin" && !string(typed, "@type").ends_with("ZipkinConfig") {
        return fail(
            TRACING,
            format!("only Zipkin tracers are known, not {name:?}"),
        );
    }
    let cluster = string(typed, "collector_cluster");
    if cluster.is_empty() {
        return fail(TRACING, "a Zipkin tracer needs its `collector_cluster`");
    }
    // The key holds any number of clusters, separated by commas.
    let clusters: Vec<Json> = match serde_json::from_str(&format!("[{}]", text(CLUSTERS))) {
        Ok(clusters) => clusters,
        Err(error) => return fail(CLUSTERS, format!("not JSON: {error}")),
    };
    let Some(found) = clusters
        .iter()
        .find(|candidate| string(candidate, "name") == cluster)
    else {
        return fail(
            CLUSTERS,
            format!("there is no cluster {cluster:?}, which `{TRACING}` names"),
        );
    };
    let (host, port) = endpoint(found)?;
    let path = string(typed, "collector_endpoint");
    Ok(Some(ZipkinCollector {
        cluster: cluster.to_owned(),
        host,
        port,
        path: if path.is_empty() {
            "/api/v2/spans".to_owned()
        } else {
            path.to_owned()
        },
        shared_span_context: pick(typed, "shared_span_context")
            .and_then(Json::as_bool)
            .unwrap_or(true),
        trace_id_128bit: pick(typed, "trace_id_128bit")
            .and_then(Json::as_bool)
            .unwrap_or(false),
        connect_timeout: connect_timeout(found)?,
        dns_lookup_family: string_or(found, "dns_lookup_family", "AUTO"),
        lb_policy: string_or(found, "lb_policy", "ROUND_ROBIN"),
    }))
}

fn endpoint(cluster: &Json) -> Found<(String, u16)> {
    let first = |value: &Json, key: &str| pick(value, key)?.as_array()?.first().cloned();
    let address = pick(cluster, "load_assignment")
        .and_then(|assignment| first(assignment, "endpoints"))
        .and_then(|locality| first(&locality, "lb_endpoints"))
        .and_then(|endpoint| {
            let address = pick(pick(&endpoint, "endpoint")?, "address")?;
            pick(address, "socket_address").cloned()
        });
    let Some(address) = address else {
        return fail(CLUSTERS, "the cluster of the collector has no endpoint");
    };
    let host = string(&address, "address");
    let port = pick(&address, "port_value")
        .and_then(Json::as_u64)
        .and_then(|port| u16::try_from(port).ok());
    match port {
        Some(port) if port > 0 && !host.is_empty() => Ok((host.to_owned(), port)),
        _ => fail(
            CLUSTERS,
            "the endpoint of the collector needs an `address` and a `port_value`",
        ),
    }
}

fn connect_timeout(cluster: &Json) -> Found<Duration> {
    let Some(value) = pick(cluster, "connect_timeout") else {
        return Ok(Duration::from_secs(5));
    };
    let text = value.as_str().unwrap_or("");
    match text.parse().ok().and_then(GoDuration::positive) {
        Some(timeout) => Ok(timeout),
        None => fail(
            CLUSTERS,
            format!("`connect_timeout` is {value}, not a time such as \"3.000s\""),
        ),
    }
}

/// A field of Envoy's JSON, in snake case or camel case.
fn pick<'j>(value: &'j Json, key: &str) -> Option<&'j Json> {
    let object = value.as_object()?;
    object
        .iter()
        .find(|(name, _)| squeeze(name).eq(squeeze(key)))
        .map(|(_, value)| value)
}

fn string<'j>(value: &'j Json, key: &str) -> &'j str {
    pick(value, key).and_then(Json::as_str).unwrap_or("")
}

fn string_or(value: &Json, key: &str, default: &str) -> String {
    match string(value, key) {
        "" => default.to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(tracer: &str, clusters: &str) -> Map<String, Json> {
        let value = json!({ TRACING: tracer, CLUSTERS: clusters });
        value.as_object().unwrap().clone()
    }

    const CLUSTER: &str = r#"{"name": "c", "connectTimeout": "0.25s", "loadAssignment": {"endpoints": [
        {"lbEndpoints": [{"endpoint": {"address": {"socketAddress": {"address": "h", "portValue": 9411}}}}]}]}}"#;

    #[test]
    fn both_spellings_of_envoys_json_are_read() {
        let tracer = r#"{"http": {"name": "envoy.tracers.zipkin", "typed_config": {"collector_cluster": "c"}}}"#;
        let other = r#"{"name": "other"}"#;
        let found = collector(&config(tracer, &format!("{other}, {CLUSTER}")))
            .ok()
            .flatten()
            .unwrap();
        assert_eq!(
            (found.host.as_str(), found.port, found.path.as_str()),
            ("h", 9411, "/api/v2/spans")
        );
        assert_eq!(found.connect_timeout, Duration::from_millis(250));
        assert!(found.shared_span_context);
        assert_eq!(found.dns_lookup_family, "AUTO");
    }

    #[test]
    fn nothing_configured_is_no_collector() {
        assert!(matches!(collector(&Map::new()), Ok(None)));
    }

    #[test]
    fn what_is_missing_is_named_with_its_key() {
        let tracer = r#"{"http": {"name": "envoy.tracers.zipkin", "typedConfig": {"collectorCluster": "c"}}}"#;
        let cases = [
            (config("{", ""), TRACING),
            (
                config(
                    r#"{"http": {"name": "envoy.tracers.datadog", "typedConfig": {}}}"#,
                    "",
                ),
                TRACING,
            ),
            (config(tracer, ""), CLUSTERS),
            (config(tracer, r#"{"name": "c"}"#), CLUSTERS),
            (config(tracer, &CLUSTER.replace("0.25s", "soon")), CLUSTERS),
            (config(tracer, &CLUSTER.replace("9411", "70000")), CLUSTERS),
        ];
        for (config, key) in cases {
            let problem = collector(&config).err().unwrap();
            assert_eq!(problem.key, key, "{config:?}");
        }
    }
}
