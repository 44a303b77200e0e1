//! What else belongs into a server's stack: panics become responses, secrets stay out of logs.

use std::any::Any;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use crate::metrics::Metrics;

/// Turns a panic of the handler into a response of status 500, so that the connection and the other requests on it
/// live on. Place it inside [`ObserveServerLayer`](super::ObserveServerLayer).
///
/// What the panic said is logged and not told to the caller.
#[must_use]
pub fn catch_panic(metrics: Option<Metrics>) -> CatchPanicLayer<PanicResponse> {
    CatchPanicLayer::custom(PanicResponse { metrics })
}

/// Marks the headers that hold credentials as sensitive: `authorization`, `proxy-authorization`, `cookie`. Their
/// values are then left out of debug output and of HPACK's tables.
#[must_use]
pub fn sensitive_headers() -> SetSensitiveRequestHeadersLayer {
    SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE])
}

/// The response of [`catch_panic`].
#[derive(Clone, Debug)]
pub struct PanicResponse {
    metrics: Option<Metrics>,
}

impl ResponseForPanic for PanicResponse {
    type ResponseBody = Full<Bytes>;

    fn response_for_panic(
        &mut self,
        panic: Box<dyn Any + Send + 'static>,
    ) -> Response<Full<Bytes>> {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("not a text");
        tracing::error!(message, "a handler panicked");
        if let Some(metrics) = &self.metrics {
            metrics.panic();
        }
        let mut response = Response::new(Full::from("internal error\n"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}
