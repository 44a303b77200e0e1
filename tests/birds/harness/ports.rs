//! Free ports of the loopback address, below those that the kernel gives to outgoing connections.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// Each call another port that nobody listens on.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side begin at different places.
    let offset = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset.wrapping_add(turn) % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// The ports of one demo.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) gateway: u16,
    pub(crate) gateway_mesh: u16,
    pub(crate) frontend: u16,
    pub(crate) v1: u16,
    pub(crate) v2: u16,
    /// Plaintext on the loopback, for programs that cannot be changed: their calls are the frontend's.
    pub(crate) upstream: u16,
    pub(crate) metrics_gateway: u16,
    pub(crate) metrics_frontend: u16,
    pub(crate) metrics_v1: u16,
    pub(crate) metrics_v2: u16,
}

impl Ports {
    pub(crate) fn pick() -> Self {
        Self {
            gateway: free(),
            gateway_mesh: free(),
            frontend: free(),
            v1: free(),
            v2: free(),
            upstream: free(),
            metrics_gateway: free(),
            metrics_frontend: free(),
            metrics_v1: free(),
            metrics_v2: free(),
        }
    }

    /// Each with the option that sets it.
    pub(crate) fn options(&self) -> [(&'static str, u16); 10] {
        [
            ("--gateway-port", self.gateway),
            ("--gateway-mesh-port", self.gateway_mesh),
            ("--frontend-port", self.frontend),
            ("--backend-v1-port", self.v1),
            ("--backend-v2-port", self.v2),
            ("--upstream-port", self.upstream),
            ("--metrics-gateway", self.metrics_gateway),
            ("--metrics-frontend", self.metrics_frontend),
            ("--metrics-backend-v1", self.metrics_v1),
            ("--metrics-backend-v2", self.metrics_v2),
        ]
    }

    pub(crate) fn metrics(&self) -> [u16; 4] {
        [
            self.metrics_gateway,
            self.metrics_frontend,
            self.metrics_v1,
            self.metrics_v2,
        ]
    }
}
