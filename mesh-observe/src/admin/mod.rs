//! The service behind a metrics port: `GET /metrics`, `/healthz`, `/ready`, and 404 for everything else.
//!
//! It serves no sockets itself; hand it to whatever accepts connections on the address that
//! `envoy_prometheus_bind_addr` names.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_service::Service;

use crate::metrics::Metrics;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the paths of a metrics port. A clone is cheap.
#[derive(Clone)]
pub struct MetricsService {
    metrics: Metrics,
    is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl MetricsService {
    /// Serves `metrics`; `/ready` always answers 200.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            is_ready: Arc::new(|| true),
        }
    }

    /// Makes `/ready` answer 503 while `is_ready` says false.
    #[must_use]
    pub fn with_readiness(mut self, is_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_ready = Arc::new(is_ready);
        self
    }

    /// The answer to a request for `path`.
    #[must_use]
    pub fn respond(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        if !matches!(path, "/metrics" | "/healthz" | "/ready") {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        match path {
            "/metrics" => self.exposition(headers),
            "/ready" if !(self.is_ready)() => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ => text(StatusCode::OK, "ok\n"),
        }
    }

    fn exposition(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let wants_openmetrics = headers.get_all(ACCEPT).iter().any(|accept| {
            accept
                .to_str()
                .is_ok_and(|accept| accept.contains("application/openmetrics-text"))
        });
        let (kind, body) = if wants_openmetrics {
            (OPENMETRICS, self.metrics.render_openmetrics())
        } else {
            (TEXT, self.metrics.render())
        };
        let mut response = Response::new(Full::from(body));
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl<B> Service<Request<B>> for MetricsService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(
            request.method(),
            request.uri().path(),
            request.headers(),
        )))
    }
}

impl std::fmt::Debug for MetricsService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsService")
            .field("service", self.metrics.service())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(service: &MetricsService, method: Method, path: &str) -> u16 {
        service
            .respond(&method, path, &HeaderMap::new())
            .status()
            .as_u16()
    }

    #[test]
    fn only_its_own_paths_are_answered() {
        let service = MetricsService::new(Metrics::new("web"));
        assert_eq!(status(&service, Method::GET, "/metrics"), 200);
        assert_eq!(status(&service, Method::HEAD, "/healthz"), 200);
        assert_eq!(status(&service, Method::POST, "/metrics"), 405);
        assert_eq!(status(&service, Method::GET, "/metrics/"), 404);
        assert_eq!(status(&service, Method::GET, "/"), 404);
    }

    #[test]
    fn readiness_follows_its_source() {
        let service = MetricsService::new(Metrics::new("web")).with_readiness(|| false);
        assert_eq!(status(&service, Method::GET, "/ready"), 503);
        assert_eq!(status(&service, Method::GET, "/healthz"), 200);
    }

    #[test]
    fn openmetrics_is_served_to_those_who_accept_it() {
        let service = MetricsService::new(Metrics::new("web"));
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
        );
        let response = service.respond(&Method::GET, "/metrics", &headers);
        assert_eq!(response.headers()[CONTENT_TYPE], OPENMETRICS);
    }
}
