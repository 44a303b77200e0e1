//! The hash of a request, by the hash policies of `LoadBalancer` ("Consul service-resolver reference").
//!
//! The function is our own and no contract; that the same key gives the same hash, in every process, is.

use std::net::IpAddr;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};
use mesh_core::chain::RequestHead;
use mesh_core::chain::matching::first_parameter;
use mesh_core::policy::{HashPolicy, HashSource};

/// The hash of a request, or `None` where no policy finds anything to hash.
///
/// Policies act in order; each result is rotated left by one bit before the next one is mixed in, and a `terminal`
/// policy ends the evaluation once there is a hash.
#[must_use]
pub fn of_request(
    policies: &[HashPolicy],
    head: &RequestHead<'_>,
    source: Option<IpAddr>,
) -> Option<u64> {
    let mut hash: Option<u64> = None;
    for policy in policies {
        if let Some(next) = part(&policy.source, head, source) {
            hash = Some(hash.map_or(next, |before| before.rotate_left(1) ^ next));
        }
        if policy.terminal && hash.is_some() {
            break;
        }
    }
    hash
}

fn part(from: &HashSource, head: &RequestHead<'_>, source: Option<IpAddr>) -> Option<u64> {
    match from {
        HashSource::Header(name) => header(head.headers, name),
        HashSource::Query(name) => {
            first_parameter(head.query, name).map(|value| bytes(value.as_bytes()))
        }
        HashSource::Cookie(name) => cookie(head.headers, name).map(bytes),
        HashSource::SourceAddress => source.map(|address| match address {
            IpAddr::V4(v4) => bytes(&v4.octets()),
            IpAddr::V6(v6) => bytes(&v6.octets()),
        }),
    }
}

/// All fields of the name, sorted, so that their order does not matter.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let Some(second) = values.next() else {
        return Some(bytes(first));
    };
    let mut all = vec![first, second.as_bytes()];
    all.extend(values.map(http::HeaderValue::as_bytes));
    all.sort_unstable();
    Some(
        all.iter()
            .fold(0, |hash, value| combine(hash, bytes(value))),
    )
}

/// The first cookie of the name; an empty one counts as absent.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&byte| byte == b';'))
        .find_map(|pair| {
            let value = pair
                .trim_ascii()
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")?;
            (!value.is_empty()).then_some(value)
        })
}

/// FNV-1a over the bytes, then a finalizer that spreads short keys over all 64 bits.
#[must_use]
pub fn bytes(data: &[u8]) -> u64 {
    finalize(data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// One hash of two.
#[must_use]
pub fn combine(a: u64, b: u64) -> u64 {
    finalize(a ^ b.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(32))
}

fn finalize(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(source: HashSource) -> HashPolicy {
        HashPolicy {
            source,
            terminal: false,
        }
    }

    fn by_header(name: &'static str) -> HashPolicy {
        policy(HashSource::Header(HeaderName::from_static(name)))
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn hash(policies: &[HashPolicy], target: &str, headers: &HeaderMap) -> Option<u64> {
        let head = RequestHead::new("GET", target, "backend", "http", headers);
        of_request(policies, &head, None)
    }

    #[test]
    fn the_order_of_a_headers_fields_does_not_matter() {
        let by = [by_header("x-user")];
        let one = headers(&[("x-user", "a"), ("x-user", "b"), ("x-user", "c")]);
        let other = headers(&[("x-user", "c"), ("x-user", "a"), ("x-user", "b")]);
        assert_eq!(hash(&by, "/", &one), hash(&by, "/", &other));
        assert_ne!(
            hash(&by, "/", &one),
            hash(&by, "/", &headers(&[("x-user", "a")]))
        );
        assert_eq!(hash(&by, "/", &HeaderMap::new()), None);
    }

    #[test]
    fn parts_are_rotated_and_mixed_in_order() {
        let map = headers(&[("x-a", "1"), ("x-b", "2")]);
        let (a, b) = (by_header("x-a"), by_header("x-b"));
        let alone = |policy: &HashPolicy| hash(std::slice::from_ref(policy), "/", &map).unwrap();
        let both = hash(&[a.clone(), b.clone()], "/", &map).unwrap();
        assert_eq!(both, alone(&a).rotate_left(1) ^ alone(&b));
        assert_ne!(hash(&[b, a], "/", &map), Some(both));
    }

    #[test]
    fn a_terminal_policy_ends_only_with_a_hash() {
        let terminal = |name| HashPolicy {
            terminal: true,
            ..by_header(name)
        };
        let map = headers(&[("x-b", "2")]);
        let fallback = hash(&[terminal("x-a"), by_header("x-b")], "/", &map);
        assert_eq!(fallback, hash(&[by_header("x-b")], "/", &map));
        let ended = hash(&[terminal("x-b"), by_header("x-b")], "/", &map);
        assert_eq!(ended, fallback);
    }

    #[test]
    fn the_first_query_value_and_the_cookie_are_found_raw() {
        let query = [policy(HashSource::Query("u".to_owned()))];
        let none = HeaderMap::new();
        assert_eq!(hash(&query, "/?u=1&u=2", &none), Some(bytes(b"1")));
        assert_eq!(hash(&query, "/?v=1", &none), None);
        let cookie = [policy(HashSource::Cookie("sid".to_owned()))];
        let map = headers(&[("cookie", "xsid=9; sid=7")]);
        assert_eq!(hash(&cookie, "/", &map), Some(bytes(b"7")));
        assert_eq!(hash(&cookie, "/", &headers(&[("cookie", "sid=")])), None);
    }

    #[test]
    fn the_source_address_is_hashed_without_port() {
        let by = [policy(HashSource::SourceAddress)];
        let map = HeaderMap::new();
        let head = RequestHead::new("GET", "/", "", "", &map);
        let from = |ip: &str| of_request(&by, &head, Some(ip.parse().unwrap()));
        assert_eq!(from("10.0.0.1"), from("10.0.0.1"));
        assert_ne!(from("10.0.0.1"), from("10.0.0.2"));
        assert_eq!(of_request(&by, &head, None), None);
    }
}
