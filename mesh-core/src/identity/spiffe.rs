//! The standard parser: SPIFFE-ID, sections 2.1 to 2.3.

use std::fmt;
use std::sync::Arc;

use super::consul::ConsulId;

const SCHEME: &str = "spiffe://";
/// The standard obliges parsers to cope with this many bytes; longer ones are refused.
const MAX_URI: usize = 2048;
const MAX_TRUST_DOMAIN: usize = 255;

/// Why a text is not a SPIFFE ID.
///
/// [`SpiffeIdError::as_str`] is the stable short name of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SpiffeIdError {
    /// The text does not start with `spiffe://` in lower case.
    #[error("the scheme is not spiffe")]
    Scheme,
    /// Nothing stands between `spiffe://` and the path.
    #[error("the trust domain is empty")]
    EmptyTrustDomain,
    /// The authority has a user-info part.
    #[error("user-info is not allowed")]
    UserInfo,
    /// The authority has a port.
    #[error("a port is not allowed")]
    Port,
    /// The trust domain has a byte other than `a-z 0-9 . - _`.
    #[error("the trust domain has a character other than a-z, 0-9, '.', '-' and '_'")]
    TrustDomainChars,
    /// The trust domain has a percent sign.
    #[error("the trust domain is percent-encoded")]
    TrustDomainPercentEncoding,
    /// The trust domain is longer than 255 bytes.
    #[error("the trust domain is longer than 255 bytes")]
    TrustDomainTooLong,
    /// The path has a percent sign.
    #[error("the path is percent-encoded")]
    PathPercentEncoding,
    /// The path has a byte other than `A-Z a-z 0-9 . - _ /`.
    #[error("the path has a character other than letters, digits, '.', '-' and '_'")]
    PathChars,
    /// Two slashes follow each other.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the path has a relative segment")]
    RelativeSegment,
    /// The path ends in a slash.
    #[error("the path ends in a slash")]
    TrailingSlash,
    /// A query follows.
    #[error("a query is not allowed")]
    Query,
    /// A fragment follows.
    #[error("a fragment is not allowed")]
    Fragment,
    /// The text is longer than 2048 bytes.
    #[error("the URI is longer than 2048 bytes")]
    TooLong,
}

impl SpiffeIdError {
    /// The stable name of the kind, for example `trust_domain_chars`.
    pub fn as_str(self) -> &'static str {
        match self {
            SpiffeIdError::Scheme => "scheme",
            SpiffeIdError::EmptyTrustDomain => "empty_trust_domain",
            SpiffeIdError::UserInfo => "userinfo",
            SpiffeIdError::Port => "port",
            SpiffeIdError::TrustDomainChars => "trust_domain_chars",
            SpiffeIdError::TrustDomainPercentEncoding => "trust_domain_percent_encoding",
            SpiffeIdError::TrustDomainTooLong => "trust_domain_too_long",
            SpiffeIdError::PathPercentEncoding => "path_percent_encoding",
            SpiffeIdError::PathChars => "path_chars",
            SpiffeIdError::EmptySegment => "empty_segment",
            SpiffeIdError::RelativeSegment => "relative_segment",
            SpiffeIdError::TrailingSlash => "trailing_slash",
            SpiffeIdError::Query => "query",
            SpiffeIdError::Fragment => "fragment",
            SpiffeIdError::TooLong => "too_long",
        }
    }
}

/// The name of a trust domain: 1 to 255 bytes of `a-z 0-9 . - _` (SPIFFE-ID section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// One of the kinds about trust domains. A port or user-info in the name is reported as such.
    pub fn new(name: &str) -> Result<TrustDomain, SpiffeIdError> {
        check_trust_domain(name)?;
        Ok(TrustDomain(Arc::from(name)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for TrustDomain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A SPIFFE ID; a clone is one reference count.
///
/// [`SpiffeId::parse`] makes only what the standard allows. Two other ways may leave percent-encoded octets in
/// the path, because Consul issues such names: the builders ([`SpiffeId::service`] and friends, where a part has
/// a character that the standard's path does not know) and [`super::leaf_identity`]. Equality is that of the written
/// form, byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Arc<str>,
    path_at: usize,
}

impl SpiffeId {
    /// The standard parser.
    ///
    /// # Errors
    ///
    /// The first rule of the standard that the text breaks, from left to right; a query or a fragment is looked at last.
    pub fn parse(text: &str) -> Result<SpiffeId, SpiffeIdError> {
        Self::parse_with(text, Percent::Refuse)
    }

    /// As [`SpiffeId::parse`], but complete percent escapes are allowed in the path.
    pub(crate) fn parse_relaxed(text: &str) -> Result<SpiffeId, SpiffeIdError> {
        Self::parse_with(text, Percent::Allow)
    }

    fn parse_with(text: &str, percent: Percent) -> Result<SpiffeId, SpiffeIdError> {
        if text.len() > MAX_URI {
            return Err(SpiffeIdError::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
        let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(authority_len);
        check_trust_domain(authority)?;
        let path_len = after.find(['?', '#']).unwrap_or(after.len());
        check_path(&after[..path_len], percent)?;
        match after.as_bytes().get(path_len) {
            None => Ok(SpiffeId {
                text: Arc::from(text),
                path_at: SCHEME.len() + authority_len,
            }),
            Some(b'?') => Err(SpiffeIdError::Query),
            Some(_) => Err(SpiffeIdError::Fragment),
        }
    }

    /// The identity of a service: `spiffe://TD/ns/default/dc/DC/svc/NAME`.
    ///
    /// Characters that a path cannot hold are percent-encoded.
    pub fn service(trust_domain: &TrustDomain, datacenter: &str, name: &str) -> SpiffeId {
        Self::built(&ConsulId::Service {
            host: trust_domain.to_string(),
            partition: String::new(),
            namespace: String::new(),
            datacenter: datacenter.to_owned(),
            service: name.to_owned(),
        })
    }

    /// The identity of a service in a partition, needed for services imported from a peer:
    /// `spiffe://TD/ap/PARTITION/ns/default/dc/DC/svc/NAME`, without `/ap/…` where the partition is empty or `default`.
    pub fn service_in_partition(
        trust_domain: &TrustDomain,
        partition: &str,
        datacenter: &str,
        name: &str,
    ) -> SpiffeId {
        Self::built(&ConsulId::Service {
            host: trust_domain.to_string(),
            partition: partition.to_owned(),
            namespace: String::new(),
            datacenter: datacenter.to_owned(),
            service: name.to_owned(),
        })
    }

    /// The identity of a client agent: `spiffe://TD/agent/client/dc/DC/id/NODE`.
    pub fn agent(trust_domain: &TrustDomain, datacenter: &str, node: &str) -> SpiffeId {
        Self::built(&ConsulId::Agent {
            host: trust_domain.to_string(),
            partition: String::new(),
            datacenter: datacenter.to_owned(),
            agent: node.to_owned(),
        })
    }

    /// The identity of a mesh gateway: `spiffe://TD/gateway/mesh/dc/DC`.
    pub fn mesh_gateway(trust_domain: &TrustDomain, datacenter: &str) -> SpiffeId {
        Self::built(&ConsulId::MeshGateway {
            host: trust_domain.to_string(),
            partition: String::new(),
            datacenter: datacenter.to_owned(),
        })
    }

    /// The identity of the Consul servers of a datacenter: `spiffe://TD/agent/server/dc/DC`.
    pub fn server(trust_domain: &TrustDomain, datacenter: &str) -> SpiffeId {
        Self::built(&ConsulId::Server {
            host: trust_domain.to_string(),
            datacenter: datacenter.to_owned(),
        })
    }

    /// The identity of a certificate authority: `spiffe://TD`. It never authenticates a peer.
    pub fn signing(trust_domain: &TrustDomain) -> SpiffeId {
        Self::from_parts(trust_domain.as_str(), "")
    }

    fn built(id: &ConsulId) -> SpiffeId {
        Self::from_parts(id.host(), &id.path())
    }

    fn from_parts(trust_domain: &str, path: &str) -> SpiffeId {
        SpiffeId {
            text: Arc::from(format!("{SCHEME}{trust_domain}{path}")),
            path_at: SCHEME.len() + trust_domain.len(),
        }
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..self.path_at]
    }

    /// The path with its leading slash; empty for a signing identity.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Whether the identity lies in this trust domain.
    pub fn is_in(&self, trust_domain: &TrustDomain) -> bool {
        self.trust_domain() == trust_domain.as_str()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpiffeId({})", self.text)
    }
}

impl std::str::FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<SpiffeId, SpiffeIdError> {
        SpiffeId::parse(text)
    }
}

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Percent {
    Refuse,
    Allow,
}

fn check_trust_domain(name: &str) -> Result<(), SpiffeIdError> {
    if name.is_empty() {
        return Err(SpiffeIdError::EmptyTrustDomain);
    }
    if name.contains('@') {
        return Err(SpiffeIdError::UserInfo);
    }
    if name.contains('%') {
        return Err(SpiffeIdError::TrustDomainPercentEncoding);
    }
    if name.contains(':') && !name.contains(['[', ']']) {
        return Err(SpiffeIdError::Port);
    }
    let good =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    if !name.bytes().all(good) {
        return Err(SpiffeIdError::TrustDomainChars);
    }
    if name.len() > MAX_TRUST_DOMAIN {
        return Err(SpiffeIdError::TrustDomainTooLong);
    }
    Ok(())
}

fn check_path(path: &str, percent: Percent) -> Result<(), SpiffeIdError> {
    let Some(segments) = path.strip_prefix('/') else {
        return Ok(());
    };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() {
            return Err(match segments.peek() {
                None => SpiffeIdError::TrailingSlash,
                Some(_) => SpiffeIdError::EmptySegment,
            });
        }
        check_segment(segment, percent)?;
    }
    Ok(())
}

fn check_segment(segment: &str, percent: Percent) -> Result<(), SpiffeIdError> {
    let bytes = segment.as_bytes();
    let mut at = 0;
    let mut dots = 0;
    let mut others = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == b'%' {
            let hex = bytes
                .get(at..at + 2)
                .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
            let Some(hex) = hex.filter(|_| percent == Percent::Allow) else {
                return Err(SpiffeIdError::PathPercentEncoding);
            };
            at += 2;
            if hex.eq_ignore_ascii_case(b"2e") {
                dots += 1;
            } else {
                others += 1;
            }
        } else if byte == b'.' {
            dots += 1;
        } else if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            others += 1;
        } else {
            return Err(SpiffeIdError::PathChars);
        }
    }
    if others == 0 && dots <= 2 {
        return Err(SpiffeIdError::RelativeSegment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_broken_rule_has_its_own_kind() {
        let long = format!("spiffe://{}/x", "a".repeat(256));
        for (text, kind) in [
            ("", "scheme"),
            ("spiffe:/td/x", "scheme"),
            ("SPIFFE://td/x", "scheme"),
            ("spiffe://", "empty_trust_domain"),
            ("spiffe:///x", "empty_trust_domain"),
            ("spiffe://a@td/x", "userinfo"),
            ("spiffe://td:1/x", "port"),
            ("spiffe://td:/x", "port"),
            ("spiffe://TD/x", "trust_domain_chars"),
            ("spiffe://[::1]/x", "trust_domain_chars"),
            ("spiffe://t%64/x", "trust_domain_percent_encoding"),
            (long.as_str(), "trust_domain_too_long"),
            ("spiffe://td/a%20b", "path_percent_encoding"),
            ("spiffe://td/a b", "path_chars"),
            ("spiffe://td/é", "path_chars"),
            ("spiffe://td//x", "empty_segment"),
            ("spiffe://td/a/../b", "relative_segment"),
            ("spiffe://td/.", "relative_segment"),
            ("spiffe://td/", "trailing_slash"),
            ("spiffe://td/x/", "trailing_slash"),
            ("spiffe://td/x?q", "query"),
            ("spiffe://td?q", "query"),
            ("spiffe://td/x#f", "fragment"),
        ] {
            assert_eq!(
                SpiffeId::parse(text).map_err(SpiffeIdError::as_str),
                Err(kind),
                "{text}"
            );
        }
    }

    #[test]
    fn three_dots_are_an_ordinary_segment() {
        assert!(SpiffeId::parse("spiffe://td/...").is_ok());
    }

    #[test]
    fn a_uri_of_2048_bytes_is_read_and_a_longer_one_is_not() {
        let text = format!("spiffe://td/{}", "a".repeat(2048 - 12));
        assert_eq!(text.len(), 2048);
        assert!(SpiffeId::parse(&text).is_ok());
        assert_eq!(SpiffeId::parse(&(text + "a")), Err(SpiffeIdError::TooLong));
    }

    #[test]
    fn parts_are_cut_where_the_path_begins() {
        let id = SpiffeId::parse("spiffe://td.consul/ns/default/dc/dc1/svc/web").unwrap();
        assert_eq!(id.trust_domain(), "td.consul");
        assert_eq!(id.path(), "/ns/default/dc/dc1/svc/web");
        let td = TrustDomain::new("td.consul").unwrap();
        assert_eq!(SpiffeId::service(&td, "dc1", "web"), id);
        assert_eq!(SpiffeId::signing(&td).path(), "");
        assert!(id.is_in(&td));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(text in "(spiffe://)?[a-z0-9.@:%/?#_ -]{0,40}") {
            if let Ok(id) = SpiffeId::parse(&text) {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            }
        }

        #[test]
        fn the_relaxed_reading_accepts_all_that_the_strict_one_does(text in "spiffe://[a-z.]{1,5}[A-Za-z0-9.%/]{0,20}") {
            if let Ok(id) = SpiffeId::parse(&text) {
                prop_assert_eq!(SpiffeId::parse_relaxed(&text), Ok(id));
            }
        }
    }
}
