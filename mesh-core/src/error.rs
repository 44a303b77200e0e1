//! The error of the client side: which part failed, who is to blame, and what a caller is told.
//!
//! Client layers return [`Error`]. It carries data, not sentences to be parsed: a [`ErrorKind`], the HTTP status and
//! gRPC code that a gateway answers with, and the letters that Envoy's access log uses for the same condition.

use std::fmt;

use http::StatusCode;

/// Any error, as tower's middleware passes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong. Grouped by who can do something about it: see [`ErrorKind::blame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The authority of the request names no service of the mesh.
    UnknownService,
    /// No valid configuration was ever seen for this destination.
    NotReady,
    /// The chosen target and its fail-over targets have no healthy endpoint.
    NoHealthyEndpoint,
    /// The connection could not be made.
    Connect,
    /// The connection was not made within the connect timeout.
    ConnectTimeout,
    /// The TLS handshake failed, or the peer is not who it should be.
    Handshake,
    /// The connection or stream ended before a response head.
    Reset,
    /// The server refused the stream before it processed anything.
    RefusedStream,
    /// The request's overall time limit or its caller's deadline passed.
    RequestTimeout,
    /// One attempt's time limit passed.
    PerTryTimeout,
    /// The stream was silent for longer than its idle limit.
    IdleTimeout,
    /// A limit on connections, waiting or concurrent requests is reached.
    Overloaded,
    /// The request's own body failed while it was sent.
    RequestBody,
    /// The peer broke the protocol.
    Protocol,
    /// An inner service failed in a way the mesh does not know.
    Other,
}

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The application that made the request.
    Caller,
    /// The mesh's configuration or this process.
    Mesh,
    /// The network or the callee's host.
    Network,
    /// The called service.
    Callee,
}

impl ErrorKind {
    /// Who can do something about it.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self {
            Self::RequestBody => Blame::Caller,
            Self::UnknownService | Self::NotReady | Self::Overloaded | Self::Other => Blame::Mesh,
            Self::Connect | Self::ConnectTimeout | Self::Handshake | Self::Reset => Blame::Network,
            _ => Blame::Callee,
        }
    }

    /// The status with which a gateway answers.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownService => StatusCode::NOT_FOUND,
            Self::RequestTimeout | Self::PerTryTimeout | Self::IdleTimeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::Protocol => StatusCode::BAD_GATEWAY,
            Self::Other => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `grpc-status` with which a gRPC call is answered.
    #[must_use]
    pub fn grpc_code(self) -> u8 {
        match self {
            Self::UnknownService => 12,
            Self::RequestTimeout | Self::PerTryTimeout | Self::IdleTimeout => 4,
            Self::Overloaded => 8,
            Self::RequestBody | Self::Protocol | Self::Other => 13,
            _ => 14,
        }
    }

    /// The response flag of Envoy's access log for the same condition.
    #[must_use]
    pub fn flags(self) -> &'static str {
        match self {
            Self::UnknownService => "NR",
            Self::NotReady => "NC",
            Self::NoHealthyEndpoint => "UH",
            Self::Connect | Self::ConnectTimeout | Self::Handshake => "UF",
            Self::Reset => "UC",
            Self::RefusedStream => "UR",
            Self::RequestTimeout => "UT",
            Self::PerTryTimeout => "UPT",
            Self::IdleTimeout => "SI",
            Self::Overloaded => "UO",
            Self::RequestBody => "DC",
            Self::Protocol => "UPE",
            Self::Other => "-",
        }
    }

    /// A stable name for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownService => "unknown_service",
            Self::NotReady => "not_ready",
            Self::NoHealthyEndpoint => "no_healthy_endpoint",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Handshake => "handshake",
            Self::Reset => "reset",
            Self::RefusedStream => "refused_stream",
            Self::RequestTimeout => "request_timeout",
            Self::PerTryTimeout => "per_try_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Overloaded => "overloaded",
            Self::RequestBody => "request_body",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }

    /// Whether the callee can not have seen the request: it may be sent again whatever its method is.
    #[must_use]
    pub fn is_unsent(self) -> bool {
        matches!(
            self,
            Self::UnknownService
                | Self::NotReady
                | Self::NoHealthyEndpoint
                | Self::Connect
                | Self::ConnectTimeout
                | Self::Handshake
                | Self::RefusedStream
                | Self::Overloaded
        )
    }

    fn describe(self) -> &'static str {
        match self {
            Self::UnknownService => "the destination is no service of the mesh",
            Self::NotReady => "no valid configuration for the destination yet",
            Self::NoHealthyEndpoint => "no healthy endpoint",
            Self::Connect => "the connection could not be made",
            Self::ConnectTimeout => "the connection was not made in time",
            Self::Handshake => "the TLS handshake failed",
            Self::Reset => "the connection ended before a response",
            Self::RefusedStream => "the server refused the stream",
            Self::RequestTimeout => "the request timed out",
            Self::PerTryTimeout => "the attempt timed out",
            Self::IdleTimeout => "the stream was idle for too long",
            Self::Overloaded => "a limit of the destination is reached",
            Self::RequestBody => "the request body failed",
            Self::Protocol => "the peer broke the protocol",
            Self::Other => "an inner service failed",
        }
    }
}

/// The error of every client layer.
///
/// `Display` names this level and, where known, the destination; the cause is in
/// [`source`](std::error::Error::source).
pub struct Error {
    kind: ErrorKind,
    subject: Option<Box<str>>,
    unsent: bool,
    source: Option<BoxError>,
}

impl Error {
    /// An error of that kind.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            subject: None,
            unsent: kind.is_unsent(),
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names what the error is about: a destination, a limit, a reason.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// States that the request never left this process, although the kind alone would not tell.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The destination, limit or reason, where one is known.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether the callee can not have seen the request.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// The status with which a gateway answers.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Takes an [`Error`] out of a boxed one, or wraps a foreign error as [`ErrorKind::Other`].
    #[must_use]
    pub fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(foreign) => Self::new(ErrorKind::Other).with_source(foreign),
        }
    }
}

impl From<BoxError> for Error {
    fn from(error: BoxError) -> Self {
        Self::from_boxed(error)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.describe())?;
        match &self.subject {
            Some(subject) => write!(f, ": {subject}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_boxed_own_error_is_unwrapped_and_a_foreign_one_kept_as_source() {
        let own: BoxError = Box::new(Error::new(ErrorKind::Reset));
        assert_eq!(Error::from_boxed(own).kind(), ErrorKind::Reset);
        let foreign = Error::from_boxed("disk full".into());
        assert_eq!(foreign.kind(), ErrorKind::Other);
        assert_eq!(
            foreign.source().map(ToString::to_string).as_deref(),
            Some("disk full")
        );
    }

    #[test]
    fn display_names_the_subject_and_not_the_source() {
        let error = Error::new(ErrorKind::NoHealthyEndpoint)
            .with_subject("v1.backend")
            .with_source("refused");
        assert_eq!(error.to_string(), "no healthy endpoint: v1.backend");
    }
}
