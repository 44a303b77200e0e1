//! How a server layer refuses: with a response, so that the inner service's error type stays.
//!
//! [`ResponseBody`] is the inner body or a short text; [`ResponseFuture`] is the inner future or an answer that is
//! ready. Refusals speak the caller's protocol: gRPC calls get HTTP 200 with `grpc-status` in the headers (gRPC over
//! HTTP/2, "Trailers-Only").

mod body;
mod future;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

pub use self::body::ResponseBody;
pub use self::future::ResponseFuture;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What a refusal says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refuse {
    pub(crate) status: StatusCode,
    /// Plain text; no body and no content type when it is empty.
    pub(crate) text: &'static str,
    /// Code for gRPC calls.
    pub(crate) grpc: GrpcCode,
}

/// The codes of gRPC that refusals use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcCode {
    PermissionDenied,
    Internal,
    Unauthenticated,
}

impl GrpcCode {
    fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::PermissionDenied => "7",
            Self::Internal => "13",
            Self::Unauthenticated => "16",
        })
    }
}

/// What of a request decides how it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    is_head: bool,
    is_grpc: bool,
}

impl Asker {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            is_head: request.method() == Method::HEAD,
            is_grpc: is_grpc(request.headers()),
        }
    }

    pub(crate) fn is_grpc(self) -> bool {
        self.is_grpc
    }

    pub(crate) fn refuse(self, refuse: Refuse) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        if self.is_grpc {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, refuse.grpc.value());
            if !refuse.text.is_empty() {
                headers.insert(GRPC_MESSAGE, HeaderValue::from_static(refuse.text));
            }
            return response;
        }
        *response.status_mut() = refuse.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(refuse.text.len()));
        if !refuse.text.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        if !self.is_head {
            *response.body_mut() = Bytes::from_static(refuse.text.as_bytes());
        }
        response
    }
}

/// `application/grpc`, alone or with `+` and an encoding. `application/grpc-web` is something else.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSE: Refuse = Refuse {
        status: StatusCode::FORBIDDEN,
        text: "no",
        grpc: GrpcCode::PermissionDenied,
    };

    fn asker(method: Method, content_type: &str) -> Asker {
        let request = Request::builder()
            .method(method)
            .header(CONTENT_TYPE, content_type)
            .body(())
            .unwrap();
        Asker::of(&request)
    }

    #[test]
    fn grpc_is_told_in_the_headers_of_a_good_response() {
        for content_type in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=y",
        ] {
            let response = asker(Method::POST, content_type).refuse(REFUSE);
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["grpc-status"], "7");
            assert_eq!(response.headers()["grpc-message"], "no");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
            assert!(response.body().is_empty());
        }
        let response = asker(Method::POST, "application/grpc-web").refuse(REFUSE);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn head_gets_the_headers_only() {
        let response = asker(Method::HEAD, "text/html").refuse(REFUSE);
        assert_eq!(response.headers()[CONTENT_LENGTH], "2");
        assert!(response.body().is_empty());
    }
}
