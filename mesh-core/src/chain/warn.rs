//! What Consul accepts although it does not do what it seems to say.

use super::effective::{self, RetrySpec};
use super::matching::{HeaderKey, HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch};
use super::problem::warning;
use super::{CompiledChain, CompiledRoute, NodeKind, RouteKind, compile};
use crate::config::{Diagnostic, EntrySet, Kind};

/// All warnings about a compiled chain.
pub(super) fn warnings(entries: &EntrySet, chain: &CompiledChain) -> Vec<Diagnostic> {
    let mut found = hidden_protocols(entries, chain);
    found.extend(ignored_request_timeouts(chain));
    found.extend(unsupported_gateways(chain));
    for (index, route) in chain.routes.iter().enumerate() {
        found.extend(route_warnings(route, &chain.routes[..index]));
    }
    found
}

/// Service-defaults without a protocol mean `tcp`, whatever proxy-defaults say.
fn hidden_protocols(entries: &EntrySet, chain: &CompiledChain) -> Vec<Diagnostic> {
    let wanted = entries
        .proxy_defaults()
        .map(|proxy| compile::proxy_protocol(proxy))
        .unwrap_or_default();
    if wanted.is_empty() || wanted == "tcp" {
        return Vec::new();
    }
    let read = chain
        .reads
        .iter()
        .filter(|key| key.kind == Kind::ServiceDefaults);
    let silent = read
        .filter_map(|key| entries.service_defaults(&key.name))
        .filter(|defaults| defaults.protocol.is_empty());
    let warned = silent.map(|defaults| {
        let message = format!(
            "service-defaults {} set no `Protocol`, which means tcp and hides the {wanted} of proxy-defaults",
            defaults.name
        );
        warning(&defaults.origin, message, format!("set `Protocol = \"{wanted}\"`"))
    });
    warned.collect()
}

fn ignored_request_timeouts(chain: &CompiledChain) -> Vec<Diagnostic> {
    if chain.start == NodeKind::Resolver {
        return Vec::new();
    }
    let ignored = chain
        .resolvers
        .iter()
        .filter(|(_, node)| node.request_timeout.is_some());
    let warned = ignored.map(|(id, node)| {
        let message = format!(
            "`RequestTimeout` of the resolver of {id} is ignored behind a {}",
            chain.start
        );
        warning(
            &node.origin,
            message,
            "set `RequestTimeout` in the route's `Destination`",
        )
    });
    warned.collect()
}

/// Gateways that a target in another datacenter or at a peer would need.
fn unsupported_gateways(chain: &CompiledChain) -> Vec<Diagnostic> {
    let remote = chain
        .targets
        .iter()
        .filter(|target| target.datacenter != chain.datacenter);
    let needing = remote.filter(|target| !matches!(target.mesh_gateway.as_str(), "" | "none"));
    let warned = needing.map(|target| {
        let message = format!(
            "target {} asks for the mesh gateway mode {:?}, which is not supported",
            target.id, target.mesh_gateway
        );
        let legs = chain.routes.iter().flat_map(|route| &route.legs);
        let origin = legs
            .filter(|leg| chain.targets.get(leg.target) == Some(target))
            .map(|leg| leg.origin.clone())
            .next();
        warning(
            &origin.unwrap_or_default(),
            message,
            "its instances are dialed directly",
        )
    });
    warned.collect()
}

fn route_warnings(route: &CompiledRoute, earlier: &[CompiledRoute]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let spec = effective::retry(route);
    if spec.is_some_and(
        |RetrySpec {
             conditions,
             status_codes,
             ..
         }| conditions.is_empty() && status_codes.is_empty(),
    ) {
        let hint = "add `RetryOn`, `RetryOnStatusCodes` or `RetryOnConnectFailure`";
        found.push(warning(
            &route.origin,
            "`NumRetries` without a condition never retries",
            hint,
        ));
    }
    for header in route
        .matcher
        .headers
        .iter()
        .filter(|header| header.key == HeaderKey::Never)
    {
        let message = format!("no request can have the header that is asked for: {header}");
        found.push(warning(
            &route.origin,
            message,
            "header names are letters, digits and hyphens",
        ));
    }
    let covering = earlier
        .iter()
        .find(|earlier| covers(&earlier.matcher, &route.matcher));
    if let Some(covering) = covering.filter(|_| route.kind != RouteKind::CatchAll) {
        let message = format!(
            "this route never matches: route {} before it takes all of its requests",
            covering.index
        );
        found.push(warning(
            &route.origin,
            message,
            format!(
                "move it before route {} ({})",
                covering.index, covering.origin
            ),
        ));
    }
    found
}

/// Whether every request that meets `narrow` certainly meets `wide`. Only simple cases are seen; the answer `false` says nothing.
fn covers(wide: &RouteMatch, narrow: &RouteMatch) -> bool {
    let methods = wide.methods.is_empty()
        || (!narrow.methods.is_empty()
            && narrow
                .methods
                .iter()
                .all(|method| wide.methods.contains(method)));
    methods
        && wide
            .path
            .as_ref()
            .is_none_or(|wide| path_covers(wide, narrow.path.as_ref()))
        && wide.headers.iter().all(|wide| {
            narrow
                .headers
                .iter()
                .any(|narrow| same_header(wide, narrow))
        })
        && wide
            .query
            .iter()
            .all(|wide| narrow.query.iter().any(|narrow| same_query(wide, narrow)))
}

fn path_covers(wide: &PathMatch, narrow: Option<&PathMatch>) -> bool {
    match (wide, narrow) {
        // Every path begins with a slash, but for the `*` of OPTIONS.
        (PathMatch::Prefix { path, .. }, _) if **path == *"/" => true,
        (
            PathMatch::Prefix {
                path: wide,
                ignore_case,
            },
            Some(
                PathMatch::Prefix {
                    path,
                    ignore_case: narrow,
                }
                | PathMatch::Exact {
                    path,
                    ignore_case: narrow,
                },
            ),
        ) => begins(path, wide, *ignore_case) && (*ignore_case || !narrow),
        (
            PathMatch::Exact {
                path: wide,
                ignore_case,
            },
            Some(PathMatch::Exact {
                path,
                ignore_case: narrow,
            }),
        ) => {
            wide.len() == path.len()
                && begins(path, wide, *ignore_case)
                && (*ignore_case || !narrow)
        }
        (PathMatch::Regex(wide), Some(PathMatch::Regex(narrow))) => {
            wide.as_str() == narrow.as_str()
        }
        _ => false,
    }
}

fn begins(text: &str, prefix: &str, ignore_case: bool) -> bool {
    let start = text.as_bytes().get(..prefix.len());
    start.is_some_and(|start| {
        start == prefix.as_bytes() || (ignore_case && start.eq_ignore_ascii_case(prefix.as_bytes()))
    })
}

fn same_header(wide: &HeaderMatch, narrow: &HeaderMatch) -> bool {
    wide.key == narrow.key && wide.invert == narrow.invert && same_value(&wide.value, &narrow.value)
}

fn same_query(wide: &QueryMatch, narrow: &QueryMatch) -> bool {
    wide.name == narrow.name && same_value(&wide.value, &narrow.value)
}

fn same_value(wide: &ValueMatch, narrow: &ValueMatch) -> bool {
    match (wide, narrow) {
        (ValueMatch::Present, ValueMatch::Present) => true,
        (ValueMatch::Exact(wide), ValueMatch::Exact(narrow))
        | (ValueMatch::Prefix(wide), ValueMatch::Prefix(narrow))
        | (ValueMatch::Suffix(wide), ValueMatch::Suffix(narrow)) => wide == narrow,
        (ValueMatch::Regex(wide), ValueMatch::Regex(narrow)) => wide.as_str() == narrow.as_str(),
        _ => false,
    }
}
