//! [`PoolConfig`].

use std::time::Duration;

/// How connections are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How long an unused connection is kept. Default 90 s: below the silence after which firewalls usually forget
    /// a connection, so that a request does not meet one that is dead without anybody knowing.
    pub idle: Duration,
    /// Most idle HTTP/1.1 connections kept per endpoint; rounded up to a multiple of 64. Default 256.
    pub max_idle: usize,
    /// A connection gets no new request this long before it expires with its certificates. Default 10 s.
    pub expiry_margin: Duration,
    /// Interval of HTTP/2 pings while requests are in flight; `None` sends none. Default 30 s.
    pub ping_interval: Option<Duration>,
    /// Time for the answer to a ping; then the connection is closed. Default 10 s.
    pub ping_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(90),
            max_idle: 256,
            expiry_margin: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(10),
        }
    }
}
