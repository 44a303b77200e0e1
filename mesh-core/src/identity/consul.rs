//! Consul's own reading of a SPIFFE ID, and the names that Consul gives.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::spiffe::TrustDomain;
use super::url;

/// The octets that stay as they are when Consul writes a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

const DEFAULT: &str = "default";

/// Why Consul's parser does not know a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ConsulIdError {
    /// Not a URI at all: a control character, a broken escape, a bad port or host.
    #[error("not a URI")]
    NotAUri,
    /// The scheme is not `spiffe`.
    #[error("SPIFFE ID must have 'spiffe' scheme")]
    Scheme,
    /// None of the known shapes.
    #[error("SPIFFE ID is not in the expected format")]
    Format,
}

impl ConsulIdError {
    /// The stable name of the kind: `not_a_uri`, `scheme` or `format`.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsulIdError::NotAUri => "not_a_uri",
            ConsulIdError::Scheme => "scheme",
            ConsulIdError::Format => "format",
        }
    }
}

/// The kinds of identity in a Consul mesh, with their percent-decoded parts.
///
/// `host` is the trust domain as written in the URI, with a port if there was one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConsulId {
    /// A workload, its sidecar, or a gateway that acts for a service.
    Service {
        /// Trust domain.
        host: String,
        /// Admin partition; `default` when the URI names none.
        partition: String,
        /// Namespace; always `default` in the community edition.
        namespace: String,
        /// Datacenter of the workload.
        datacenter: String,
        /// Name of the service.
        service: String,
    },
    /// A client agent.
    Agent {
        /// Trust domain.
        host: String,
        /// Admin partition; `default` when the URI names none.
        partition: String,
        /// Datacenter of the agent.
        datacenter: String,
        /// Name or id of the node.
        agent: String,
    },
    /// A mesh gateway.
    MeshGateway {
        /// Trust domain.
        host: String,
        /// Admin partition; `default` when the URI names none.
        partition: String,
        /// Datacenter of the gateway.
        datacenter: String,
    },
    /// The Consul servers of a datacenter.
    Server {
        /// Trust domain.
        host: String,
        /// Datacenter of the servers.
        datacenter: String,
    },
    /// A certificate authority: no path at all.
    Signing {
        /// The host before its first dot.
        cluster_id: String,
        /// The host after its first dot.
        domain: String,
        /// The whole host.
        host: String,
    },
}

impl ConsulId {
    /// Reads a URI as leniently as Consul does: user-info, query and fragment are ignored, a port stays in the host,
    /// and each variable part is any run of characters without a slash, percent-decoded.
    ///
    /// Other than Consul, a part whose escapes do not make UTF-8 is refused.
    ///
    /// # Errors
    ///
    /// See [`ConsulIdError`].
    pub fn parse(text: &str) -> Result<ConsulId, ConsulIdError> {
        let url = url::split(text).ok_or(ConsulIdError::NotAUri)?;
        if !url.scheme.eq_ignore_ascii_case("spiffe") {
            return Err(ConsulIdError::Scheme);
        }
        if url.path.is_empty() {
            return signing(url.host);
        }
        shape(url.path, url.host).ok_or(ConsulIdError::Format)
    }

    /// The trust domain as written.
    pub fn host(&self) -> &str {
        match self {
            ConsulId::Service { host, .. }
            | ConsulId::Agent { host, .. }
            | ConsulId::MeshGateway { host, .. }
            | ConsulId::Server { host, .. }
            | ConsulId::Signing { host, .. } => host,
        }
    }

    /// The datacenter, which a signing identity lacks.
    pub fn datacenter(&self) -> Option<&str> {
        match self {
            ConsulId::Service { datacenter, .. }
            | ConsulId::Agent { datacenter, .. }
            | ConsulId::MeshGateway { datacenter, .. }
            | ConsulId::Server { datacenter, .. } => Some(datacenter),
            ConsulId::Signing { .. } => None,
        }
    }

    /// The name of the service, if it is one.
    pub fn service(&self) -> Option<&str> {
        match self {
            ConsulId::Service { service, .. } => Some(service),
            ConsulId::Agent { .. }
            | ConsulId::MeshGateway { .. }
            | ConsulId::Server { .. }
            | ConsulId::Signing { .. } => None,
        }
    }

    /// The kind in lower case: `service`, `agent`, `mesh_gateway`, `server` or `signing`.
    pub fn kind(&self) -> &'static str {
        match self {
            ConsulId::Service { .. } => "service",
            ConsulId::Agent { .. } => "agent",
            ConsulId::MeshGateway { .. } => "mesh_gateway",
            ConsulId::Server { .. } => "server",
            ConsulId::Signing { .. } => "signing",
        }
    }

    /// Writes the URI as the community edition builds it.
    ///
    /// The namespace is always `default`; a service keeps a partition other than `default`, in lower case; agents and
    /// gateways drop theirs.
    pub fn uri(&self) -> String {
        match self {
            ConsulId::Signing { host, .. } => format!("spiffe://{}", host.to_ascii_lowercase()),
            ConsulId::Service { .. }
            | ConsulId::Agent { .. }
            | ConsulId::MeshGateway { .. }
            | ConsulId::Server { .. } => format!("spiffe://{}{}", self.host(), self.path()),
        }
    }

    pub(super) fn path(&self) -> String {
        let part = |text: &'_ str| utf8_percent_encode(text, PART).to_string();
        match self {
            ConsulId::Service {
                partition,
                datacenter,
                service,
                ..
            } => {
                let mut path = String::new();
                if !partition.is_empty() && !partition.eq_ignore_ascii_case(DEFAULT) {
                    let _ = write!(path, "/ap/{}", part(&partition.to_lowercase()));
                }
                let _ = write!(
                    path,
                    "/ns/{DEFAULT}/dc/{}/svc/{}",
                    part(datacenter),
                    part(service)
                );
                path
            }
            ConsulId::Agent {
                datacenter, agent, ..
            } => {
                format!("/agent/client/dc/{}/id/{}", part(datacenter), part(agent))
            }
            ConsulId::MeshGateway { datacenter, .. } => {
                format!("/gateway/mesh/dc/{}", part(datacenter))
            }
            ConsulId::Server { datacenter, .. } => format!("/agent/server/dc/{}", part(datacenter)),
            ConsulId::Signing { .. } => String::new(),
        }
    }
}

fn signing(host: String) -> Result<ConsulId, ConsulIdError> {
    match host.split_once('.') {
        Some((cluster_id, domain)) if !cluster_id.is_empty() => Ok(ConsulId::Signing {
            cluster_id: cluster_id.to_owned(),
            domain: domain.to_owned(),
            host,
        }),
        _ => Err(ConsulIdError::Format),
    }
}

/// Matches the encoded path; a slash that an escape hides does not cut a part.
fn shape(path: &str, host: String) -> Option<ConsulId> {
    let mut segments: [&str; 9] = [""; 9];
    let mut count = 0;
    for segment in path.strip_prefix('/')?.split('/') {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    let (partition, rest) = match &segments[..count] {
        ["ap", partition, rest @ ..] if !partition.is_empty() => (Some(*partition), rest),
        all => (None, all),
    };
    let part = |text: &str| (!text.is_empty()).then(|| url::decode(text)).flatten();
    let ap = || partition.map_or_else(|| Some(DEFAULT.to_owned()), part);
    match rest {
        ["ns", namespace, "dc", datacenter, "svc", service] => Some(ConsulId::Service {
            partition: ap()?,
            namespace: part(namespace)?,
            datacenter: part(datacenter)?,
            service: part(service)?,
            host,
        }),
        ["agent", "client", "dc", datacenter, "id", agent] => Some(ConsulId::Agent {
            partition: ap()?,
            datacenter: part(datacenter)?,
            agent: part(agent)?,
            host,
        }),
        ["gateway", "mesh", "dc", datacenter] => Some(ConsulId::MeshGateway {
            partition: ap()?,
            datacenter: part(datacenter)?,
            host,
        }),
        ["agent", "server", "dc", datacenter] if partition.is_none() => Some(ConsulId::Server {
            datacenter: part(datacenter)?,
            host,
        }),
        _ => None,
    }
}

/// Whether the certificate authority of a trust domain may sign a leaf for this identity.
///
/// Services, mesh gateways and servers of the same trust domain, and the authority's own signing identity; never an
/// agent. Trust domains compare without regard to ASCII case.
pub fn can_sign(trust_domain: &TrustDomain, id: &ConsulId) -> bool {
    match id {
        ConsulId::Service { host, .. }
        | ConsulId::MeshGateway { host, .. }
        | ConsulId::Server { host, .. }
        | ConsulId::Signing { host, .. } => host.eq_ignore_ascii_case(trust_domain.as_str()),
        ConsulId::Agent { .. } => false,
    }
}

/// Whether a server that presented this URI is the one expected: equal, byte for byte, as the sidecar compares.
pub fn server_match(expected: &str, presented: &str) -> bool {
    expected == presented
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_part_by_part() {
        let id = ConsulId::parse("spiffe://td/ns/default/dc/dc1/svc/foo%2Fbar").unwrap();
        assert_eq!(id.service(), Some("foo/bar"));
        assert_eq!(id.uri(), "spiffe://td/ns/default/dc/dc1/svc/foo%2Fbar");
        let keyword = ConsulId::parse("spiffe://td/%6es/default/dc/dc1/svc/foo");
        assert_eq!(keyword, Err(ConsulIdError::Format));
        assert_eq!(
            ConsulId::parse("spiffe://td/ns/default/dc/dc1/svc/%ff"),
            Err(ConsulIdError::Format)
        );
    }

    #[test]
    fn partitions_survive_only_in_services() {
        let service = ConsulId::parse("spiffe://td/ap/Team/ns/x/dc/dc1/svc/web").unwrap();
        assert_eq!(
            service.uri(),
            "spiffe://td/ap/team/ns/default/dc/dc1/svc/web"
        );
        let gateway = ConsulId::parse("spiffe://td/ap/team/gateway/mesh/dc/dc1").unwrap();
        assert_eq!(gateway.uri(), "spiffe://td/gateway/mesh/dc/dc1");
        assert_eq!(
            ConsulId::parse("spiffe://td/ap/team/agent/server/dc/dc1"),
            Err(ConsulIdError::Format)
        );
    }

    #[test]
    fn a_scheme_in_upper_case_is_the_same_scheme() {
        assert!(ConsulId::parse("SPIFFE://td/gateway/mesh/dc/dc1").is_ok());
        assert_eq!(ConsulId::parse("no-scheme"), Err(ConsulIdError::Scheme));
        assert_eq!(
            ConsulId::parse("spiffe://.consul"),
            Err(ConsulIdError::Format)
        );
    }
}
