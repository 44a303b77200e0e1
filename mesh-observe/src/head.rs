//! What of a response tells how a request ended.

use http::{HeaderMap, Response, header};

use crate::metrics::Outcome;

/// What the head of a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    status: u16,
    grpc: Option<u8>,
    is_grpc: bool,
}

/// How a response body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it was read.
    Done,
    /// All of it was read, and trailers followed; their `grpc-status`.
    Trailers(Option<u8>),
    /// It failed.
    Error,
    /// Whoever read it stopped.
    Dropped,
}

impl Head {
    pub(crate) fn of<B>(response: &Response<B>) -> Self {
        let is_grpc = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        Self {
            status: response.status().as_u16(),
            grpc: is_grpc.then(|| grpc_status(response.headers())).flatten(),
            is_grpc,
        }
    }

    pub(crate) fn status(self) -> u16 {
        self.status
    }

    pub(crate) fn grpc(self) -> Option<u8> {
        self.grpc
    }

    /// The outcome as far as the head tells.
    pub(crate) fn outcome(self) -> Outcome {
        match self.grpc {
            Some(code) if code != 0 && self.status == 200 => Outcome::Grpc(code),
            _ => Outcome::Status(self.status),
        }
    }

    /// The outcome of the whole response. A gRPC response without `grpc-status` counts as unknown.
    pub(crate) fn ended(self, end: End) -> Outcome {
        let late = match end {
            End::Error => return Outcome::Broken(self.status),
            End::Dropped if self.grpc.is_none_or(|code| code == 0) => {
                return Outcome::Cut(self.status);
            }
            End::Trailers(code) => code,
            End::Done | End::Dropped => None,
        };
        if self.status != 200 || !self.is_grpc {
            return Outcome::Status(self.status);
        }
        match self.grpc.or(late) {
            Some(0) => Outcome::Status(200),
            Some(code) => Outcome::Grpc(code),
            None => Outcome::Grpc(2),
        }
    }
}

/// `grpc-status` of a head or of trailers; what can not be read counts as unknown.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    let value = headers.get("grpc-status")?;
    Some(
        value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: &str, grpc: Option<&str>, status: u16) -> Head {
        let mut response = Response::builder()
            .status(status)
            .header("content-type", kind);
        if let Some(grpc) = grpc {
            response = response.header("grpc-status", grpc);
        }
        Head::of(&response.body(()).unwrap())
    }

    #[test]
    fn grpc_fails_in_trailers_in_the_head_or_by_saying_nothing() {
        let open = head("application/grpc+proto", None, 200);
        assert_eq!(open.ended(End::Trailers(Some(0))), Outcome::Status(200));
        assert_eq!(open.ended(End::Trailers(Some(14))), Outcome::Grpc(14));
        assert_eq!(open.ended(End::Trailers(None)), Outcome::Grpc(2));
        assert_eq!(open.ended(End::Done), Outcome::Grpc(2));
        let refused = head("application/grpc", Some("7"), 200);
        assert_eq!(refused.ended(End::Done), Outcome::Grpc(7));
        assert_eq!(refused.ended(End::Dropped), Outcome::Grpc(7));
        assert_eq!(
            head("application/grpc", Some("x"), 200).outcome(),
            Outcome::Grpc(2)
        );
        assert_eq!(
            head("application/grpc", None, 503).ended(End::Done),
            Outcome::Status(503)
        );
    }

    #[test]
    fn the_four_ends_are_told_apart() {
        let plain = head("text/plain", None, 200);
        assert_eq!(plain.ended(End::Done), Outcome::Status(200));
        assert_eq!(plain.ended(End::Trailers(Some(14))), Outcome::Status(200));
        assert_eq!(plain.ended(End::Error), Outcome::Broken(200));
        assert_eq!(plain.ended(End::Dropped), Outcome::Cut(200));
    }
}
