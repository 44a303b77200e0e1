//! [`Normalize`].

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use mesh_core::normalize::{HeaderFate, Normalization, Normalized, Underscores, header, target};
use tower_service::Service;

use super::Settings;
use crate::respond::{Asker, GrpcCode, Refuse, ResponseBody, ResponseFuture};

/// Rewrites the URI of each request; see the [module](super).
#[derive(Clone)]
pub struct Normalize<S, N> {
    inner: S,
    settings: N,
}

impl<S, N> Normalize<S, N> {
    pub(super) fn new(inner: S, settings: N) -> Self {
        Self { inner, settings }
    }
}

impl<S: fmt::Debug, N> fmt::Debug for Normalize<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Normalize")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, N, ReqB, ResB> Service<Request<ReqB>> for Normalize<S, N>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    N: Settings,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        match normalize(&self.settings.normalization(), &mut request) {
            Ok(()) => ResponseFuture::inner(self.inner.call(request)),
            Err(refused) => ResponseFuture::refused(refused.response(Asker::of(&request))),
        }
    }
}

/// What the caller is answered instead.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Status(StatusCode),
    Redirect(HeaderValue),
}

const BAD: Refused = Refused::Status(StatusCode::BAD_REQUEST);

impl Refused {
    fn response(self, asker: Asker) -> Response<Bytes> {
        let (status, location) = match self {
            Self::Status(status) => (status, None),
            Self::Redirect(location) => (StatusCode::TEMPORARY_REDIRECT, Some(location)),
        };
        let mut response = asker.refuse(Refuse {
            status,
            text: "",
            grpc: GrpcCode::Internal,
        });
        if let Some(location) = location.filter(|_| !asker.is_grpc()) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

fn normalize<B>(settings: &Normalization, request: &mut Request<B>) -> Result<(), Refused> {
    if settings.underscores != Underscores::Allow {
        headers(settings, request)?;
    }
    host(request)?;
    // A URI without path and query is that of CONNECT, or an authority alone.
    let raw = request.uri().path_and_query().map_or("", |p| p.as_str());
    match target(settings, request.method(), raw) {
        Normalized::Unchanged => Ok(()),
        Normalized::Changed(path) => {
            let path = PathAndQuery::try_from(path).map_err(|_| BAD)?;
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(parts).map_err(|_| BAD)?;
            Ok(())
        }
        Normalized::Reject(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            Err(Refused::Status(status))
        }
        Normalized::Redirect(to) => {
            // `//host/…` would be another host's address (RFC 3986 section 4.2); `/.//host/…` is the same path here.
            let prefix = if to.starts_with("//") { "/." } else { "" };
            let location = HeaderValue::try_from(format!("{prefix}{to}"));
            Err(location.map_or(BAD, Refused::Redirect))
        }
    }
}

/// One host for judging and serving (RFC 9112 section 3.2.2): a target's authority wins over the field, and several
/// fields are refused.
fn host<B>(request: &mut Request<B>) -> Result<(), Refused> {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(BAD);
    }
    let Some(authority) = request.uri().authority() else {
        return Ok(());
    };
    let named = request.headers().get(HOST);
    if named.is_some_and(|host| host.as_bytes() != authority.as_str().as_bytes()) {
        let host = HeaderValue::try_from(authority.as_str()).map_err(|_| BAD)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

fn headers<B>(settings: &Normalization, request: &mut Request<B>) -> Result<(), Refused> {
    let mut dropped: Vec<HeaderName> = Vec::new();
    for name in request.headers().keys() {
        match header(settings, name.as_str()) {
            HeaderFate::Keep => {}
            HeaderFate::Drop => dropped.push(name.clone()),
            HeaderFate::Reject => return Err(BAD),
        }
    }
    for name in dropped {
        request.headers_mut().remove(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(uri: &str, hosts: &[&str]) -> Result<Vec<String>, Refused> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        normalize(&Normalization::default(), &mut request)?;
        let left = request.headers().get_all(HOST).iter();
        Ok(left.map(|host| host.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn one_host_is_judged_and_served() {
        let cases = [
            ("/x", &["a"][..], &["a"][..]),
            ("http://a/x", &["a"], &["a"]),
            ("http://a/x", &["admin"], &["a"]),
            ("http://a/x", &[], &[]),
        ];
        for (uri, given, expected) in cases {
            assert_eq!(hosts(uri, given).unwrap(), expected, "{uri} {given:?}");
        }
        assert_eq!(hosts("/x", &["a", "admin"]), Err(BAD));
    }
}
