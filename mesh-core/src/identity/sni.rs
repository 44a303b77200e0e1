//! The names sent in TLS's server name extension, by which Consul's gateways select.

const DEFAULT: &str = "default";

fn or_default(text: &str) -> &str {
    if text.is_empty() { DEFAULT } else { text }
}

/// A service: `[SUBSET.]NAME.NS.DC.internal.TD`, or `[SUBSET.]NAME.NS.PART.DC.internal-v1.TD` in a partition other
/// than `default`. An empty subset, namespace or partition means none or `default`.
pub fn service(
    subset: &str,
    name: &str,
    namespace: &str,
    partition: &str,
    datacenter: &str,
    trust_domain: &str,
) -> String {
    let dot = if subset.is_empty() { "" } else { "." };
    let namespace = or_default(namespace);
    match or_default(partition) {
        DEFAULT => format!("{subset}{dot}{name}.{namespace}.{datacenter}.internal.{trust_domain}"),
        partition => format!(
            "{subset}{dot}{name}.{namespace}.{partition}.{datacenter}.internal-v1.{trust_domain}"
        ),
    }
}

/// A mesh gateway of the default partition: `DC.internal.TD`.
pub fn mesh_gateway(datacenter: &str, trust_domain: &str) -> String {
    format!("{datacenter}.internal.{trust_domain}")
}

/// A prepared query: `NAME.default.DC.query.TD`.
pub fn prepared_query(name: &str, datacenter: &str, trust_domain: &str) -> String {
    format!("{name}.{DEFAULT}.{datacenter}.query.{trust_domain}")
}

/// A service of a peered cluster: `NAME.NS.PART.PEER.external.TD` with the exporting side's trust domain.
/// An empty namespace or partition means `default`.
pub fn peered_service(
    name: &str,
    namespace: &str,
    partition: &str,
    peer: &str,
    trust_domain: &str,
) -> String {
    let (namespace, partition) = (or_default(namespace), or_default(partition));
    format!("{name}.{namespace}.{partition}.{peer}.external.{trust_domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kind_of_target() {
        assert_eq!(
            service("", "web", "", "", "dc1", "td.consul"),
            "web.default.dc1.internal.td.consul"
        );
        assert_eq!(
            service("v2", "web", "default", "team", "dc1", "td"),
            "v2.web.default.team.dc1.internal-v1.td"
        );
        assert_eq!(mesh_gateway("dc1", "td"), "dc1.internal.td");
        assert_eq!(prepared_query("q", "dc1", "td"), "q.default.dc1.query.td");
        assert_eq!(
            peered_service("web", "", "", "east", "td"),
            "web.default.default.east.external.td"
        );
    }
}
