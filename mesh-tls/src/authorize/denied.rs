//! What a refused caller is told, and what outer layers find.

use std::fmt;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode};
use mesh_core::intention::Verdict;

use crate::respond::{Asker, GrpcCode, Refuse};

/// The header that names the rule that refused a request.
pub const DENIED_HEADER: HeaderName = HeaderName::from_static("x-mesh-denied");

const REFUSE: Refuse = Refuse {
    status: StatusCode::FORBIDDEN,
    text: "RBAC: access denied",
    grpc: GrpcCode::PermissionDenied,
};

/// The cause of a refusal; found in the response's extensions.
#[derive(Clone, Debug)]
pub struct Denied {
    /// The verdict; `None` when there was no verified peer to judge.
    pub verdict: Option<Verdict>,
}

impl Denied {
    pub(super) fn response(self, asker: Asker) -> Response<Bytes> {
        let mut response = asker.refuse(REFUSE);
        // A service name may hold what a header must not; the log names it all the same.
        let rule = HeaderValue::try_from(self.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("intention"));
        response.headers_mut().insert(DENIED_HEADER, rule);
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for Denied {
    /// The rule that decided, without the place where it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            None => f.write_str("no verified identity"),
            Some(verdict) => match verdict.rule() {
                Some(rule) => rule.fmt(f),
                None => f.write_str("default policy"),
            },
        }
    }
}
