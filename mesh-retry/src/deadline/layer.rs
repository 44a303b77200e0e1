//! [`DeadlineLayer`] and its configuration.

use std::time::Duration;

use http::HeaderName;
use mesh_core::live::Live;
use tower_layer::Layer;

use super::Deadline;
use crate::header;

/// How long a request may take here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineConfig {
    /// Header with the caller's remaining milliseconds. Default `x-mesh-deadline-ms`.
    pub header: HeaderName,
    /// The service's own limit, Consul's `LocalRequestTimeoutMs`. `None`: only callers limit. Default 15 s.
    pub limit: Option<Duration>,
    /// Longest limit that a caller is believed. Default one day.
    pub longest: Duration,
    /// Whether a request that is already late is refused rather than run. Default true.
    pub refuse_late: bool,
}

impl Default for DeadlineConfig {
    fn default() -> Self {
        Self {
            header: header::DEADLINE_MS,
            limit: Some(Duration::from_secs(15)),
            longest: Duration::from_secs(24 * 3600),
            refuse_late: true,
        }
    }
}

/// Makes [`Deadline`] services; see the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct DeadlineLayer {
    config: Live<DeadlineConfig>,
}

impl DeadlineLayer {
    /// Deadlines by a configuration, fixed or live.
    pub fn new(config: impl Into<Live<DeadlineConfig>>) -> Self {
        Self {
            config: config.into(),
        }
    }
}

impl Default for DeadlineLayer {
    fn default() -> Self {
        Self::new(DeadlineConfig::default())
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline::new(inner, self.config.clone())
    }
}
