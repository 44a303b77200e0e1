//! Limits and times of a server.

use std::time::Duration;

/// Limits and times of a server. The defaults hold for a service behind a mesh of modest size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Handshakes at a time; 256. A handshake costs as much as several requests, so a storm of them has to queue.
    pub max_handshakes: usize,
    /// Connections at a time; 16 384.
    pub max_connections: usize,
    /// Time for the head of a request, which on HTTP/1.1 is the time a connection may be idle as well; 60 s.
    pub header_timeout: Duration,
    /// Requests at a time on one HTTP/2 connection; 256.
    pub max_streams: u32,
    /// Pause after which a silent HTTP/2 peer is asked whether it is there; 30 s. It has 20 s to answer.
    pub keep_alive: Duration,
    /// Size of a request's head in bytes; 60 KiB, as in Envoy. More is refused with 431.
    pub max_header_bytes: u32,
    /// Whether connections are closed when their peer's certificate expires or is not trusted any more; `true`.
    pub enforce_trust: bool,
    /// Time that requests in flight have to finish when the server drains; 30 s.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_handshakes: 256,
            max_connections: 16_384,
            header_timeout: Duration::from_secs(60),
            max_streams: 256,
            keep_alive: Duration::from_secs(30),
            max_header_bytes: 60 * 1024,
            enforce_trust: true,
            grace: Duration::from_secs(30),
        }
    }
}
