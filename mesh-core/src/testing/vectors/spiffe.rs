//! Vectors of SPIFFE identities.

use serde_json::Value;

use super::{Mismatch, same, text};
use crate::identity::{ConsulId, SpiffeId, TrustDomain, can_sign, leaf_identity, server_match};

/// Reads a URI as the standard and as Consul does, and as the identity of a peer.
///
/// # Errors
/// The first difference.
pub fn judge_parse(case: &Value) -> Result<(), Mismatch> {
    let uri = text(case, "uri");
    standard(&uri, &case["standard"])?;
    consul(&uri, &case["consul"])?;
    let tagged = |tag: &str| {
        let mut tags = case["tags"].as_array().into_iter().flatten();
        tags.any(|own| own == tag)
    };
    let leaf = leaf_identity(std::iter::once(uri.as_bytes()));
    let known = case["consul"]["valid"] == true;
    match leaf {
        Ok(_) if tagged("lenient") => Err(Mismatch::new("a refused peer", "an accepted one")),
        Err(why) if tagged("percent") && !tagged("lenient") && known => {
            Err(Mismatch::new("an accepted peer", why))
        }
        _ => Ok(()),
    }
}

fn standard(uri: &str, expect: &Value) -> Result<(), Mismatch> {
    let wanted = match expect["valid"].as_bool() {
        Some(true) => expect.clone(),
        Some(false) => serde_json::json!({"valid": false, "reason": expect["reason"]}),
        // Either answer is fine.
        None => return Ok(()),
    };
    let got = match SpiffeId::parse(uri) {
        Ok(id) => serde_json::json!({
            "valid": true,
            "trust_domain": id.trust_domain(),
            "path": id.path(),
            "leaf_allowed": !id.path().is_empty(),
        }),
        Err(error) => serde_json::json!({"valid": false, "reason": error.as_str()}),
    };
    every_field("standard", &wanted, &got)
}

fn consul(uri: &str, expect: &Value) -> Result<(), Mismatch> {
    if !expect.is_object() {
        return Ok(());
    }
    let got = match ConsulId::parse(uri) {
        Ok(id) => parts(&id),
        Err(error) => serde_json::json!({"valid": false, "reason": error.as_str()}),
    };
    every_field("consul", expect, &got)
}

/// Compares the fields that the case has.
fn every_field(whose: &str, wanted: &Value, got: &Value) -> Result<(), Mismatch> {
    let mut fields = wanted.as_object().into_iter().flatten();
    fields.try_for_each(|(key, wanted)| same(&format!("{whose}.{key}"), wanted, &got[key]))
}

fn parts(id: &ConsulId) -> Value {
    let mut parts = serde_json::json!({"valid": true, "type": id.kind(), "host": id.host()});
    if let Some(datacenter) = id.datacenter() {
        parts["datacenter"] = datacenter.into();
    }
    match id {
        ConsulId::Service {
            partition,
            namespace,
            service,
            ..
        } => {
            parts["partition"] = partition.as_str().into();
            parts["namespace"] = namespace.as_str().into();
            parts["service"] = service.as_str().into();
        }
        ConsulId::Agent {
            partition, agent, ..
        } => {
            parts["partition"] = partition.as_str().into();
            parts["agent"] = agent.as_str().into();
        }
        ConsulId::MeshGateway { partition, .. } => parts["partition"] = partition.as_str().into(),
        ConsulId::Server { .. } => {}
        ConsulId::Signing {
            cluster_id, domain, ..
        } => {
            parts["cluster_id"] = cluster_id.as_str().into();
            parts["domain"] = domain.as_str().into();
        }
    }
    parts
}

/// Builds an identity.
///
/// # Errors
/// The difference.
pub fn judge_build(case: &Value) -> Result<(), Mismatch> {
    let part = |key: &str| text(&case["input"], key);
    let (host, partition, datacenter) = (part("host"), part("partition"), part("datacenter"));
    let id = match part("type").as_str() {
        "service" => ConsulId::Service {
            host,
            partition,
            namespace: part("namespace"),
            datacenter,
            service: part("service"),
        },
        "agent" => ConsulId::Agent {
            host,
            partition,
            datacenter,
            agent: part("agent"),
        },
        "mesh_gateway" => ConsulId::MeshGateway {
            host,
            partition,
            datacenter,
        },
        "server" => ConsulId::Server { host, datacenter },
        "signing" => signing(&host, part("cluster_id"), part("domain")),
        other => return Err(Mismatch::unclear(format_args!("the type {other:?}"))),
    };
    same("the URI", &case["uri"], &id.uri().into())
}

fn signing(host: &str, cluster_id: String, domain: String) -> ConsulId {
    let host = match host {
        "" => format!("{cluster_id}.{domain}"),
        host => host.to_owned(),
    };
    ConsulId::Signing {
        cluster_id,
        domain,
        host,
    }
}

/// Whether an authority may sign. What Consul cannot read, nobody signs.
///
/// # Errors
/// The difference.
pub fn judge_can_sign(case: &Value) -> Result<(), Mismatch> {
    let trust_domain = TrustDomain::new(&text(case, "trust_domain")).map_err(Mismatch::unclear)?;
    let id = ConsulId::parse(&text(case, "uri"));
    let got = id.is_ok_and(|id| can_sign(&trust_domain, &id));
    same("may sign", &case["expect"], &got.into())
}

/// Whether a server is who it should be.
///
/// # Errors
/// The difference.
pub fn judge_server_match(case: &Value) -> Result<(), Mismatch> {
    let got = server_match(&text(case, "expected"), &text(case, "presented"));
    let wanted = match &case["expect"] {
        Value::Object(columns) => columns.get("sidecar").cloned().unwrap_or_default(),
        plain => plain.clone(),
    };
    same("match", &wanted, &got.into())
}
