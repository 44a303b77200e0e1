//! hyper's errors, told apart.

use std::error::Error as StdError;

use mesh_core::error::{Error, ErrorKind};
use mesh_core::net::ConnectError;

/// The error of a request; `unsent` where hyper gave it back.
pub(super) fn of_request(error: hyper::Error, unsent: bool, endpoint: &str) -> Error {
    let kind = kind_of(&error);
    let error = Error::new(kind).with_subject(endpoint).with_source(error);
    if unsent { error.unsent() } else { error }
}

/// The error of a response body. The callee has seen the request by then.
pub(super) fn of_body(error: hyper::Error) -> Error {
    let kind = match kind_of(&error) {
        ErrorKind::RefusedStream | ErrorKind::RequestBody => ErrorKind::Reset,
        kind => kind,
    };
    Error::new(kind).with_source(error)
}

fn kind_of(error: &hyper::Error) -> ErrorKind {
    if let Some(error) = cause::<h2::Error>(error) {
        return kind_of_http2(error);
    }
    // With TLS 1.3 a server's refusal of our certificate arrives at the first read; the connector says so by putting
    // its own error into the I/O error, and nothing was processed.
    let inner = cause::<std::io::Error>(error).and_then(std::io::Error::get_ref);
    if inner.is_some_and(|inner| inner.is::<ConnectError>()) {
        return ErrorKind::Handshake;
    }
    if error.is_parse() {
        ErrorKind::Protocol
    } else if error.is_user() && !error.is_canceled() {
        ErrorKind::RequestBody
    } else {
        ErrorKind::Reset
    }
}

fn kind_of_http2(error: &h2::Error) -> ErrorKind {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    // Only streams beyond the last one that the server names end with its GOAWAY, and it has not processed those
    // (RFC 9113, section 6.8).
    let left_behind = error.is_go_away() && error.is_remote();
    if refused || left_behind {
        ErrorKind::RefusedStream
    } else if error.is_io() || error.is_remote() {
        ErrorKind::Reset
    } else if error.is_reset() && !error.is_library() {
        // Reset by this side: hyper does so when the request's body fails.
        ErrorKind::RequestBody
    } else {
        ErrorKind::Protocol
    }
}

fn cause<T: StdError + 'static>(error: &hyper::Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
