//! How a server layer refuses: a status, or `grpc-status` in the head with 200 for gRPC.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use mesh_core::error::ErrorKind;

use crate::header;

/// A response without its body yet, and the text of that body.
pub(crate) fn refuse(kind: ErrorKind, reason: &'static str, grpc: bool) -> (Response<()>, Bytes) {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    if grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            header::GRPC_STATUS,
            HeaderValue::from(u16::from(kind.grpc_code())),
        );
        headers.insert(header::GRPC_MESSAGE, HeaderValue::from_static(reason));
        return (response, Bytes::new());
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    *response.status_mut() = match kind.status() {
        status if status.is_server_error() => status,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (response, Bytes::from_static(reason.as_bytes()))
}
