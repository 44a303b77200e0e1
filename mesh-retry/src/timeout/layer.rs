//! [`TimeoutLayer`] and what it takes.

use std::time::Duration;

use mesh_core::policy::TimeoutPolicy;
use tower_layer::Layer;

use super::Timeout;

/// What a [`TimeoutLayer`] is made of: a whole policy, or a limit on the request with the other defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutConfig(pub(super) TimeoutPolicy);

impl From<TimeoutPolicy> for TimeoutConfig {
    fn from(policy: TimeoutPolicy) -> Self {
        Self(policy)
    }
}

impl From<Duration> for TimeoutConfig {
    fn from(request: Duration) -> Self {
        Self(TimeoutPolicy {
            request: Some(request),
            ..TimeoutPolicy::default()
        })
    }
}

/// Makes [`Timeout`] services; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct TimeoutLayer {
    config: TimeoutConfig,
}

impl TimeoutLayer {
    /// Limits requests that are not routed: to a `Duration`, or by a whole
    /// [`TimeoutPolicy`]. The default is 15 s for the request and 5 min of silence, as in Envoy.
    pub fn new(config: impl Into<TimeoutConfig>) -> Self {
        Self {
            config: config.into(),
        }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout::new(inner, self.config.0)
    }
}
