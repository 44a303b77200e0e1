//! [`ZipkinConfig`]: where spans go and how many may wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

/// Where spans go. Plain data; every field but the name has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipkinConfig {
    /// Name of the service in its spans' local endpoint.
    pub service_name: Arc<str>,
    /// Address of the service in its spans' local endpoint. Default none.
    pub local: Option<SocketAddr>,
    /// The collector. `http` only. Default `http://127.0.0.1:9411/api/v2/spans`.
    pub endpoint: String,
    /// Time for a connection. Default 3 s.
    pub connect_timeout: Duration,
    /// Time for a batch, connection included. Default 10 s.
    pub timeout: Duration,
    /// Use only IPv4 addresses of the collector's name. Default true.
    pub ipv4_only: bool,
    /// Spans that may wait or be under way; what comes beyond is dropped and counted. Default 8192.
    pub queue: usize,
    /// Most spans in a batch. Default 512.
    pub batch: usize,
    /// Longest wait of a span for its batch. Default 1 s.
    pub delay: Duration,
}

impl ZipkinConfig {
    /// Defaults for a service of that name.
    #[must_use]
    pub fn new(service_name: impl Into<Arc<str>>) -> Self {
        Self {
            service_name: service_name.into(),
            local: None,
            endpoint: "http://127.0.0.1:9411/api/v2/spans".to_owned(),
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
            ipv4_only: true,
            queue: 8192,
            batch: 512,
            delay: Duration::from_secs(1),
        }
    }

    pub(super) fn check(&self) -> Result<(), ZipkinConfigError> {
        let endpoint: Uri = self
            .endpoint
            .parse()
            .map_err(|_| ZipkinConfigError::Endpoint)?;
        if endpoint.scheme_str() != Some("http") || endpoint.host().is_none() {
            return Err(ZipkinConfigError::Endpoint);
        }
        if self.queue == 0 || self.batch == 0 {
            return Err(ZipkinConfigError::Empty);
        }
        Ok(())
    }
}

/// Why a [`ZipkinConfig`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipkinConfigError {
    /// Not a `http://` URL with a host.
    #[error("endpoint: not a http URL")]
    Endpoint,
    /// Nothing could ever be sent.
    #[error("queue and batch have to be at least 1")]
    Empty,
    /// There is no tokio runtime here, in which batches are sent.
    #[error("the exporter has to be started inside a tokio runtime")]
    NoRuntime,
}
