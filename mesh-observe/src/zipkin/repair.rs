//! Repairs of the JSON before it leaves.

use std::net::IpAddr;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::config::ZipkinConfig;
use crate::trace::spans::{PEER_ADDRESS, PEER_PORT, PEER_SERVICE, SHARED};

/// A batch that may be sent, and how many spans it has.
pub(super) fn batch(body: Bytes, config: &ZipkinConfig) -> (Bytes, u64) {
    let Ok(Value::Array(mut spans)) = serde_json::from_slice(&body) else {
        return (body, 0);
    };
    for span in spans.iter_mut().filter_map(Value::as_object_mut) {
        repair(span, config);
    }
    let count = spans.len() as u64;
    match serde_json::to_vec(&spans) {
        Ok(repaired) => (repaired.into(), count),
        Err(_) => (body, count),
    }
}

fn repair(span: &mut Map<String, Value>, config: &ZipkinConfig) {
    span.insert("localEndpoint".to_owned(), local(config));
    let is_instant = span.get("duration").and_then(Value::as_u64) == Some(0);
    if is_instant {
        span.insert("duration".to_owned(), json!(1));
    }
    let is_zero = |id: &Value| id.as_str().is_some_and(|id| id.bytes().all(|b| b == b'0'));
    if span.get("parentId").is_some_and(is_zero) {
        span.remove("parentId");
    }
    let narrow = span
        .get("traceId")
        .and_then(Value::as_str)
        .and_then(|id| id.strip_prefix("0000000000000000"))
        .filter(|id| id.len() == 16)
        .map(str::to_owned);
    if let Some(id) = narrow {
        span.insert("traceId".to_owned(), Value::String(id));
    }
    let Some(tags) = span.get_mut("tags").and_then(Value::as_object_mut) else {
        return;
    };
    let remote = remote(tags);
    let shared = tags.remove(SHARED).is_some();
    if let Some(remote) = remote {
        span.insert("remoteEndpoint".to_owned(), remote);
    }
    if shared {
        span.insert("shared".to_owned(), Value::Bool(true));
    } else {
        span.remove("shared");
    }
    if span.get("debug") == Some(&Value::Bool(false)) {
        span.remove("debug");
    }
}

fn local(config: &ZipkinConfig) -> Value {
    let address = config.local.map(|local| (local.ip(), Some(local.port())));
    endpoint(Some(&config.service_name), address)
}

fn remote(tags: &mut Map<String, Value>) -> Option<Value> {
    let mut take = |key: &str| match tags.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (service, address, port) = (take(PEER_SERVICE), take(PEER_ADDRESS), take(PEER_PORT));
    let address = address
        .and_then(|address| address.parse().ok())
        .map(|address| (address, port.and_then(|port| port.parse().ok())));
    if service.is_none() && address.is_none() {
        return None;
    }
    Some(endpoint(service.as_deref(), address))
}

fn endpoint(service: Option<&str>, address: Option<(IpAddr, Option<u16>)>) -> Value {
    let mut endpoint = Map::new();
    if let Some(service) = service {
        endpoint.insert("serviceName".to_owned(), json!(service));
    }
    if let Some((ip, port)) = address {
        let key = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        endpoint.insert(key.to_owned(), json!(ip.to_string()));
        if let Some(port) = port {
            endpoint.insert("port".to_owned(), json!(port));
        }
    }
    Value::Object(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(body: &'static str) -> (String, u64) {
        let (body, count) = batch(
            Bytes::from_static(body.as_bytes()),
            &ZipkinConfig::new("web"),
        );
        (String::from_utf8(body.to_vec()).unwrap(), count)
    }

    #[test]
    fn what_is_no_batch_is_sent_as_it_is() {
        for body in ["", "{}", "nonsense", "[1", "null"] {
            assert_eq!(repaired(body), (body.to_owned(), 0));
        }
    }

    #[test]
    fn fields_of_a_wrong_type_are_left_alone() {
        let (body, count) = repaired(
            r#"[1, {"duration": "0", "parentId": 0, "traceId": 5, "tags": []}, {"tags": {"network.peer.port": 7}}]"#,
        );
        let spans: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(count, 3);
        assert_eq!(spans[0], 1);
        assert_eq!(spans[1]["duration"], "0");
        assert_eq!(spans[1]["localEndpoint"], json!({"serviceName": "web"}));
        assert!(spans[2].get("remoteEndpoint").is_none());
    }

    #[test]
    fn only_a_parent_of_zeros_is_removed() {
        let (body, _) = repaired(
            r#"[{"parentId": "0000000000000000"}, {"parentId": "0000000000000001", "duration": 2}]"#,
        );
        let spans: Value = serde_json::from_str(&body).unwrap();
        assert!(spans[0].get("parentId").is_none());
        assert_eq!(spans[1]["parentId"], "0000000000000001");
        assert_eq!(spans[1]["duration"], 2);
    }

    #[test]
    fn a_remote_host_that_is_no_address_gives_its_service_only() {
        let (body, _) = repaired(
            r#"[{"tags": {"peer.service": "db", "network.peer.address": "db.internal", "network.peer.port": "5432"}},
                {"tags": {"network.peer.address": "::1", "network.peer.port": "99999"}}]"#,
        );
        let spans: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(spans[0]["remoteEndpoint"], json!({"serviceName": "db"}));
        assert_eq!(spans[1]["remoteEndpoint"], json!({"ipv6": "::1"}));
    }
}
