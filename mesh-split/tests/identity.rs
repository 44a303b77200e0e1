//! A connection carries requests only for the identity that it was made for.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mesh_core::body::Body;
use mesh_core::endpoint::Endpoint;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::identity::{PeerIdentity, SpiffeId, TrustDomain, VerifiedLeaf, leaf_identity};
use mesh_core::net::{Connect, ConnectError, Connection, Destination, Listen};
use mesh_core::testing::fixtures;
use mesh_core::testing::network::{MemoryConnect, Network};
use mesh_split::client::{EndpointClient, Pools};
use tower::ServiceExt;

const BACKEND: &str = "spiffe://test.consul/ns/default/dc/dc1/svc/backend";
const OTHER: &str = "spiffe://test.consul/ns/default/dc/dc1/svc/other";

fn id(uri: &str) -> SpiffeId {
    SpiffeId::parse(uri).unwrap()
}

fn peer(uri: &str) -> PeerIdentity {
    PeerIdentity::assert_verified(VerifiedLeaf {
        identity: leaf_identity([uri.as_bytes()].into_iter()).unwrap(),
        trust_domain: TrustDomain::new("test.consul").unwrap(),
        sha256: [0; 32],
        not_after: u64::MAX,
        subject: String::new(),
        dns_names: Vec::new(),
    })
}

fn address() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

fn endpoint(expected: Option<&str>) -> Arc<Endpoint> {
    let mut endpoint = Endpoint::clone(&fixtures::endpoint("b-1", address()));
    endpoint.expected = expected.map(id);
    Arc::new(endpoint)
}

/// Serves every connection and counts connections and requests.
fn serve(network: &Network) -> (Arc<AtomicU32>, Arc<AtomicU32>) {
    let (connections, requests) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (accepted, served) = (Arc::clone(&connections), Arc::clone(&requests));
    let mut listener = network.listen(address());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, SeqCst);
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                let answer = service_fn(move |_| {
                    served.fetch_add(1, SeqCst);
                    async { Ok::<_, Infallible>(Response::new(Body::from("ok"))) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    (connections, requests)
}

async fn send<C: Connect>(pools: &Pools<C>, endpoint: &Arc<Endpoint>) -> Result<(), Error> {
    let request = Request::get("http://backend/").body(Body::empty()).unwrap();
    let client = EndpointClient::fixed(pools.clone(), Arc::clone(endpoint));
    let response = client.oneshot(request).await?;
    response.into_body().collect().await?;
    Ok(())
}

/// Asserts whatever identity is expected, as a server that can prove all of them.
struct Obliging(MemoryConnect);

impl Connect for Obliging {
    type Io = <MemoryConnect as Connect>::Io;

    async fn connect(&self, to: &Destination) -> Result<Connection<Self::Io>, ConnectError> {
        let mut connection = self.0.connect(to).await?;
        connection.peer = to.expected.as_ref().map(|id| peer(id.as_str()));
        Ok(connection)
    }
}

#[tokio::test]
async fn a_server_that_proves_another_identity_gets_no_request() {
    for proven in [Some(peer(OTHER)), None] {
        let network = Network::new();
        let (_, requests) = serve(&network);
        let pools = Pools::new("web", network.connector(proven, None));
        let error = send(&pools, &endpoint(Some(BACKEND))).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Handshake);
        assert!(error.is_unsent());
        assert_eq!(requests.load(SeqCst), 0);
        assert_eq!(pools.stats()[0].open, 0);
    }
}

#[tokio::test]
async fn a_server_that_proves_the_expected_identity_is_used_and_kept() {
    let network = Network::new();
    let (connections, requests) = serve(&network);
    let pools = Pools::new("web", network.connector(Some(peer(BACKEND)), None));
    for _ in 0..5 {
        send(&pools, &endpoint(Some(BACKEND))).await.unwrap();
    }
    assert_eq!((connections.load(SeqCst), requests.load(SeqCst)), (1, 5));
}

#[tokio::test]
async fn a_connection_is_not_shared_between_expected_identities() {
    let network = Network::new();
    let (connections, _) = serve(&network);
    let pools = Pools::new("web", Obliging(network.connector(None, None)));
    for expected in [
        Some(BACKEND),
        Some(OTHER),
        None,
        Some(BACKEND),
        Some(OTHER),
        None,
    ] {
        send(&pools, &endpoint(expected)).await.unwrap();
    }
    assert_eq!(connections.load(SeqCst), 3);
    let mut expected: Vec<_> = pools
        .stats()
        .into_iter()
        .map(|pool| pool.expected)
        .collect();
    expected.sort_by_key(|id| id.as_ref().map(ToString::to_string));
    assert_eq!(expected, [None, Some(id(BACKEND)), Some(id(OTHER))]);
}

#[tokio::test]
async fn two_local_identities_share_no_connection() {
    let network = Network::new();
    let (connections, _) = serve(&network);
    let web = Pools::new("web", Obliging(network.connector(None, None)));
    let gateway = Pools::new("gateway", Obliging(network.connector(None, None)));
    for pools in [&web, &gateway, &web, &gateway] {
        send(pools, &endpoint(Some(BACKEND))).await.unwrap();
    }
    assert_eq!(connections.load(SeqCst), 2);
}
