//! [`Outcome`]: how a request ended, from a finite set.

use http::StatusCode;
use mesh_core::error::ErrorKind;

/// How a request or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A response, its body to the end.
    Status(u16),
    /// A response whose `grpc-status` says that the call failed. Holds that status.
    Grpc(u8),
    /// A response of that status whose body broke off with an error.
    Broken(u16),
    /// A response of that status whose body the receiver did not read to its end.
    Cut(u16),
    /// No response.
    Failed(ErrorKind),
    /// The caller went away before there was a response.
    Dropped,
    /// The handler panicked.
    Panicked,
}

/// Every code of the IANA registry of HTTP status codes, and 499, which proxies use.
const KNOWN: [u16; 63] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
    305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
    416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505,
    506, 507, 508, 510, 511, 418,
];

const GRPC: [&str; 17] = [
    "grpc_ok",
    "grpc_cancelled",
    "grpc_unknown",
    "grpc_invalid_argument",
    "grpc_deadline_exceeded",
    "grpc_not_found",
    "grpc_already_exists",
    "grpc_permission_denied",
    "grpc_resource_exhausted",
    "grpc_failed_precondition",
    "grpc_aborted",
    "grpc_out_of_range",
    "grpc_unimplemented",
    "grpc_internal",
    "grpc_unavailable",
    "grpc_data_loss",
    "grpc_unauthenticated",
];

impl Outcome {
    /// Whether the mesh counts it as an error: any status from 500, a gRPC failure, no response, a broken body. A
    /// caller that went away is no error of the callee.
    #[must_use]
    pub fn is_error(self) -> bool {
        match self {
            Self::Status(status) | Self::Cut(status) => status >= 500,
            Self::Grpc(code) => code != 0,
            Self::Broken(_) | Self::Failed(_) | Self::Panicked => true,
            Self::Dropped => false,
        }
    }

    /// The same, with statuses that are not registered folded into one and codes that gRPC does not know into
    /// `unknown`, so that the set is finite.
    #[must_use]
    pub(crate) fn folded(self) -> Self {
        let known = |status: u16| if KNOWN.contains(&status) { status } else { 0 };
        match self {
            Self::Status(200) => self,
            Self::Status(status) => Self::Status(known(status)),
            Self::Grpc(code) if usize::from(code) >= GRPC.len() => Self::Grpc(2),
            Self::Broken(status) => Self::Broken(known(status)),
            Self::Cut(status) => Self::Cut(known(status)),
            other => other,
        }
    }

    /// Label `code_class`.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Status(status) | Self::Broken(status) | Self::Cut(status) => match status / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                5 => "5xx",
                _ => "other",
            },
            Self::Grpc(_) => "2xx",
            Self::Failed(kind) => match kind.status().as_u16() / 100 {
                4 => "4xx",
                _ => "5xx",
            },
            Self::Dropped => "dropped",
            Self::Panicked => "5xx",
        }
    }

    /// Label `code`: the status, or the one that a gateway would answer with.
    pub(crate) fn code(self) -> String {
        match self {
            Self::Status(0) | Self::Broken(0) | Self::Cut(0) => "other".to_owned(),
            Self::Status(status) | Self::Broken(status) | Self::Cut(status) => status.to_string(),
            Self::Grpc(_) => "200".to_owned(),
            Self::Failed(kind) => kind.status().as_str().to_owned(),
            Self::Dropped => "none".to_owned(),
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR.as_str().to_owned(),
        }
    }

    /// Label `error_type`, as OpenTelemetry's `error.type`; empty where there is no error.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::Status(500) => "500",
            Self::Status(502) => "502",
            Self::Status(503) => "503",
            Self::Status(504) => "504",
            Self::Status(status) if status >= 500 => "5xx",
            Self::Status(_) => "",
            Self::Grpc(code) => GRPC.get(usize::from(code)).copied().unwrap_or(GRPC[2]),
            Self::Broken(_) => "body",
            Self::Failed(kind) => kind.as_str(),
            Self::Cut(_) | Self::Dropped => "cancelled",
            Self::Panicked => "panic",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_statuses_share_one_label() {
        for status in [299, 600, 999, 0] {
            assert_eq!(Outcome::Status(status).folded().code(), "other");
        }
        assert_eq!(Outcome::Status(204).folded().code(), "204");
        assert_eq!(Outcome::Grpc(99).folded(), Outcome::Grpc(2));
    }

    #[test]
    fn an_error_is_what_the_mesh_sees() {
        assert!(Outcome::Status(503).is_error());
        assert!(!Outcome::Status(404).is_error());
        assert!(Outcome::Grpc(14).is_error());
        assert!(Outcome::Failed(ErrorKind::Connect).is_error());
        assert!(!Outcome::Dropped.is_error());
        assert_eq!(Outcome::Failed(ErrorKind::Connect).class(), "5xx");
        assert_eq!(Outcome::Failed(ErrorKind::Connect).error_type(), "connect");
    }
}
