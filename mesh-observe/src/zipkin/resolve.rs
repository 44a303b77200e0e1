//! Names to addresses: anew for every connection, beginning with another address each time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

#[derive(Clone, Debug)]
pub(super) struct Resolve {
    ipv4_only: bool,
    turn: Arc<AtomicUsize>,
}

impl Resolve {
    pub(super) fn new(ipv4_only: bool) -> Self {
        Self {
            ipv4_only,
            turn: Arc::default(),
        }
    }
}

/// Leaves out what is not wanted and begins with the `turn`-th address.
fn arrange(
    addresses: impl Iterator<Item = SocketAddr>,
    ipv4_only: bool,
    turn: usize,
) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = addresses
        .filter(|address| !ipv4_only || address.is_ipv4())
        .collect();
    if !addresses.is_empty() {
        let turn = turn % addresses.len();
        addresses.rotate_left(turn);
    }
    addresses
}

impl Service<Name> for Resolve {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let ipv4_only = self.ipv4_only;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = arrange(found, ipv4_only, turn);
            if addresses.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the collector's name has no usable address",
                ));
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_and_ipv6_is_left_out() {
        let all: Vec<SocketAddr> = ["10.0.0.1:0", "[::1]:0", "10.0.0.2:0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let first = |turn| arrange(all.iter().copied(), true, turn);
        assert_eq!(first(0), [all[0], all[2]]);
        assert_eq!(first(1), [all[2], all[0]]);
        assert_eq!(first(2), [all[0], all[2]]);
        assert_eq!(arrange(all.iter().copied(), false, 1).len(), 3);
        assert!(arrange(std::iter::empty(), true, 5).is_empty());
    }
}
