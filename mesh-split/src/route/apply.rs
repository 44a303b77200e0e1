//! What a route does to a request and to its response.

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use mesh_core::chain::{CompiledRoute, rewrite};
use mesh_core::context::Outbound;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::snapshot::Chain;

/// Carries the path as it was before `PrefixRewrite` (Envoy's header of the same name).
pub const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// The host that a request names, without port: of its target, else of its `Host` field; empty where neither is there.
pub(super) fn host_of<B>(request: &Request<B>) -> &str {
    if let Some(authority) = request.uri().authority() {
        return authority.host();
    }
    let field = request.headers().get(HOST);
    without_port(field.and_then(|host| host.to_str().ok()).unwrap_or(""))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // `]` after the last colon: an IPv6 literal without port.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// The leg's edits, then the route's: the outer level sees what the inner one did and wins.
pub(crate) fn edit_request(outbound: &Outbound, headers: &mut HeaderMap) {
    if let Some(leg) = outbound.leg() {
        leg.request_headers.apply(headers);
    }
    if let Some(route) = compiled_route(outbound) {
        route.request_headers.apply(headers);
    }
}

/// The response's edits, in the same order.
pub(super) fn edit_response(outbound: &Outbound, headers: &mut HeaderMap) {
    if let Some(leg) = outbound.leg() {
        leg.response_headers.apply(headers);
    }
    if let Some(route) = compiled_route(outbound) {
        route.response_headers.apply(headers);
    }
}

fn compiled_route(outbound: &Outbound) -> Option<&CompiledRoute> {
    let index = outbound.route()?.index;
    outbound.chain()?.compiled.routes.get(index)
}

/// Applies the route's `PrefixRewrite`, if it has one.
///
/// # Errors
/// The rewritten text is no path, which only a chain put together by hand can lead to.
pub(super) fn rewrite_path<B>(
    chain: &Chain,
    route: usize,
    request: &mut Request<B>,
) -> Result<(), Error> {
    let Some(compiled) = chain.compiled.routes.get(route) else {
        return Ok(());
    };
    let (Some(rewrite), Some(matched), Some(target)) = (
        compiled.settings.prefix_rewrite.as_deref(),
        compiled.matcher.matched_path(),
        request.uri().path_and_query(),
    ) else {
        return Ok(());
    };
    let rewritten = rewrite::rewrite_path(matched, rewrite, target.as_str());
    let original = HeaderValue::from_bytes(target.as_str().as_bytes());
    let replaced = PathAndQuery::try_from(rewritten)
        .map_err(|error| unusable(rewrite).with_source(error))
        .and_then(|path| with_path(request.uri(), path).ok_or_else(|| unusable(rewrite)))?;
    *request.uri_mut() = replaced;
    if let Ok(original) = original {
        request.headers_mut().insert(ORIGINAL_PATH, original);
    }
    Ok(())
}

fn with_path(uri: &Uri, path: PathAndQuery) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

fn unusable(rewrite: &str) -> Error {
    Error::new(ErrorKind::Other).with_subject(rewrite).unsent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_authoritys_without_port_and_else_the_host_fields() {
        let host = |uri: &str, field: Option<&str>| {
            let mut request = Request::builder().uri(uri);
            if let Some(field) = field {
                request = request.header(HOST, field);
            }
            host_of(&request.body(()).unwrap()).to_owned()
        };
        assert_eq!(host("http://backend:8080/x", None), "backend");
        assert_eq!(host("http://user@backend/x", Some("other")), "backend");
        assert_eq!(host("/x", Some("backend")), "backend");
        assert_eq!(host("/x", Some("backend:80")), "backend");
        assert_eq!(host("/x", Some("[::1]:80")), "[::1]");
        assert_eq!(host("/x", Some("[::1]")), "[::1]");
        assert_eq!(host("/x", None), "");
    }
}
