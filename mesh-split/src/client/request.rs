//! The request as it goes over the wire, and the response head as it leaves it.

use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use mesh_core::endpoint::Endpoint;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::net::HttpVersion;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// What a caller says about itself; the callee learns it from the handshake.
const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Removes what concerns this hop only (RFC 9110, section 7.6.1) and everything this process noted.
pub(super) fn strip<B>(request: &mut Request<B>) {
    *request.extensions_mut() = Extensions::new();
    let headers = request.headers_mut();
    strip_fields(headers);
    // gRPC asks for trailers with `te: trailers`; nothing else of it passes.
    if headers.get_all(TE).iter().any(|te| te != "trailers") {
        headers.remove(TE);
    }
}

/// Removes the header fields that concern this hop only, of a request or of a response.
pub(super) fn strip_fields(headers: &mut HeaderMap) {
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        FORWARDED_CLIENT_CERT,
    ] {
        headers.remove(name);
    }
}

/// Puts target and authority into the form of the version. The authority stays the service's name, never the
/// endpoint's address.
///
/// # Errors
/// The `Host` field is no authority.
pub(super) fn shape<B>(
    request: &mut Request<B>,
    version: HttpVersion,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    match version {
        HttpVersion::Http1 => {
            *request.version_mut() = Version::HTTP_11;
            if !request.headers().contains_key(HOST) {
                let host = host_value(request.uri(), endpoint)?;
                request.headers_mut().insert(HOST, host);
            }
            if request.uri().authority().is_some() {
                let path = request.uri().path_and_query().cloned();
                *request.uri_mut() = path.unwrap_or_else(root).into();
            }
        }
        HttpVersion::Http2 => {
            *request.version_mut() = Version::HTTP_2;
            let host = match request.headers_mut().remove(HOST) {
                Some(host) => Some(host),
                None if plain_authority(request.uri()) => None,
                None => Some(host_value(request.uri(), endpoint)?),
            };
            complete(request, host, endpoint)?;
        }
    }
    Ok(())
}

fn root() -> PathAndQuery {
    PathAndQuery::from_static("/")
}

fn plain_authority(uri: &Uri) -> bool {
    uri.authority()
        .is_some_and(|authority| !authority.as_str().contains('@'))
}

/// The authority without user information, else the service's name.
fn host_value(uri: &Uri, endpoint: &Endpoint) -> Result<HeaderValue, Error> {
    let host = match uri.authority() {
        Some(authority) => {
            let whole = authority.as_str();
            whole.rsplit_once('@').map_or(whole, |(_, host)| host)
        }
        None => &endpoint.instance.service,
    };
    HeaderValue::from_str(host).map_err(|_| no_authority())
}

/// HTTP/2 wants scheme, authority and path.
fn complete<B>(
    request: &mut Request<B>,
    host: Option<HeaderValue>,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    if host.is_none() && request.uri().scheme().is_some() {
        return Ok(());
    }
    let mut parts = request.uri().clone().into_parts();
    if let Some(host) = host {
        let authority = Authority::try_from(host.as_bytes()).map_err(|_| no_authority())?;
        parts.authority = Some(authority);
    }
    parts.scheme.get_or_insert(match endpoint.expected {
        Some(_) => Scheme::HTTPS,
        None => Scheme::HTTP,
    });
    parts.path_and_query.get_or_insert_with(root);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| no_authority())?;
    Ok(())
}

fn no_authority() -> Error {
    // The caller's doing: no endpoint is to blame for it, and sending it again changes nothing.
    Error::new(ErrorKind::RequestBody)
        .with_subject("the request names no valid authority")
        .unsent()
}

#[cfg(test)]
mod tests {
    use mesh_core::net::Address;
    use mesh_core::testing::fixtures;

    use super::*;

    fn shaped(version: HttpVersion, uri: &str, host: Option<&str>) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let mut request = request.body(()).unwrap();
        let endpoint = fixtures::endpoint("b-1", Address::new("10.0.0.1", 80));
        shape(&mut request, version, &endpoint).unwrap();
        request
    }

    #[test]
    fn http1_gets_the_origin_form_and_the_service_as_host() {
        let cases = [
            ("http://backend/x?y=1", None, "/x?y=1", "backend"),
            ("http://user@backend:81", None, "/", "backend:81"),
            ("/x", Some("shop"), "/x", "shop"),
            ("http://backend/x", Some("shop"), "/x", "shop"),
            ("/x", None, "/x", "backend"),
        ];
        for (uri, host, target, expected) in cases {
            let request = shaped(HttpVersion::Http1, uri, host);
            assert_eq!(request.uri().to_string(), target);
            assert_eq!(request.headers()[HOST], expected);
            assert_eq!(request.version(), Version::HTTP_11);
        }
    }

    #[test]
    fn http2_gets_the_service_as_authority_and_no_host_field() {
        let cases = [
            ("http://backend/x?y=1", None, "http://backend/x?y=1"),
            ("https://user@backend:81/", None, "https://backend:81/"),
            ("/x", Some("shop"), "http://shop/x"),
            ("http://backend/x", Some("shop"), "http://shop/x"),
            ("/x", None, "http://backend/x"),
        ];
        for (uri, host, target) in cases {
            let request = shaped(HttpVersion::Http2, uri, host);
            assert_eq!(request.uri().to_string(), target);
            assert!(!request.headers().contains_key(HOST));
        }
    }

    #[test]
    fn te_passes_only_as_trailers_and_a_callers_word_about_itself_never() {
        let mut request = Request::builder()
            .header("te", "trailers")
            .header("te", "gzip")
            .header("x-forwarded-client-cert", "URI=spiffe://td/admin")
            .body(())
            .unwrap();
        strip(&mut request);
        assert!(request.headers().is_empty(), "{:?}", request.headers());
    }

    #[test]
    fn a_host_that_is_no_authority_is_the_callers_fault() {
        let mut request = Request::builder()
            .uri("/x")
            .header(HOST, "a b")
            .body(())
            .unwrap();
        let endpoint = fixtures::endpoint("b-1", Address::new("10.0.0.1", 80));
        let error = shape(&mut request, HttpVersion::Http2, &endpoint).unwrap_err();
        assert_eq!(error.kind().blame(), mesh_core::error::Blame::Caller);
    }

    #[test]
    fn what_concerns_one_hop_and_every_extension_is_removed() {
        let mut request = Request::builder()
            .header("connection", "close")
            .header("te", "trailers")
            .header("upgrade", "h2c")
            .header("x-kept", "1")
            .extension(7_u8)
            .body(())
            .unwrap();
        strip(&mut request);
        let mut left: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "x-kept"]);
        assert!(request.extensions().is_empty());
    }
}
