//! The endpoint client over real sockets and over the in-memory network.
#![allow(clippy::unwrap_used, missing_docs)]

mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::endpoint::Endpoint;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::net::{Connect, ConnectError, Connection, Destination, Tcp};
use mesh_core::policy::{Limits, Protocol};
use mesh_core::snapshot::{Target, TargetPolicy};
use mesh_core::testing::fixtures;
use mesh_split::client::{EndpointClient, PoolConfig, Pools, ResponseBody};
use server::{Server, Version};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt;

fn endpoint(server: &Server) -> Arc<Endpoint> {
    let mut endpoint = Endpoint::clone(&fixtures::endpoint("b-1", server.address));
    endpoint.protocol = match server.version {
        Version::Http1 => Protocol::Http,
        Version::Http2 => Protocol::Http2,
    };
    Arc::new(endpoint)
}

fn client(server: &Server) -> EndpointClient<Tcp> {
    EndpointClient::fixed(Pools::new("web", Tcp), endpoint(server))
}

fn get(path: &str) -> Request<Body> {
    let uri = format!("http://backend{path}");
    Request::get(uri).body(Body::empty()).unwrap()
}

fn post(body: Body) -> Request<Body> {
    Request::post("http://backend/echo").body(body).unwrap()
}

async fn send<C: Connect>(
    client: &EndpointClient<C>,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, Error> {
    client.clone().oneshot(request).await
}

async fn text(response: Response<ResponseBody>) -> String {
    let data = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(data.to_vec()).unwrap()
}

/// Lets the tasks of the connections run until the condition holds.
async fn until(mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waited)
        .await
        .expect("the condition never held");
}

/// A request in the context of a target, as `Balance` leaves it.
fn aimed(target: &Arc<Target>, path: &str) -> Request<Body> {
    let mut request = get(path);
    let outbound = Outbound::begin(request.extensions_mut());
    outbound.attempt().set_target(Arc::clone(target));
    let endpoint = Arc::clone(&target.endpoints().endpoints[0]);
    outbound.attempt().set_endpoint(endpoint);
    request
}

fn target_of(server: &Server, limits: Limits) -> Arc<Target> {
    let policy = TargetPolicy {
        limits,
        ..TargetPolicy::default()
    };
    fixtures::target("backend", policy, vec![endpoint(server)])
}

#[tokio::test]
async fn requests_in_a_row_share_one_connection() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        for _ in 0..20 {
            let response = send(&client, get("/hello")).await.unwrap();
            assert_eq!(text(response).await, "backend /hello");
        }
        assert_eq!(server.connections.load(SeqCst), 1, "{version:?}");
        let stats = client.pools().stats();
        assert_eq!((stats[0].open, stats[0].idle, stats[0].streams), (1, 1, 0));
    }
}

#[tokio::test]
async fn twenty_concurrent_http2_requests_share_one_connection() {
    let server = Server::start(Version::Http2).await;
    let client = client(&server);
    let answers =
        join_all((0..20).map(|_| async { text(send(&client, get("/slow")).await.unwrap()).await }));
    for answer in answers.await {
        assert_eq!(answer, "backend /slow");
    }
    assert_eq!(server.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn concurrent_http1_requests_have_a_connection_each_and_leave_them_for_the_next() {
    let server = Server::start(Version::Http1).await;
    let client = client(&server);
    for _ in 0..2 {
        let answers = join_all(
            (0..8).map(|_| async { text(send(&client, get("/slow")).await.unwrap()).await }),
        );
        answers.await;
        until(|| client.pools().stats()[0].idle == 8).await;
    }
    assert_eq!(server.connections.load(SeqCst), 8);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_between_requests_is_replaced_without_error() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        for round in 1..=5 {
            let answer = text(send(&client, get("/hello")).await.unwrap()).await;
            assert_eq!(answer, "backend /hello");
            assert_eq!(server.connections.load(SeqCst), round, "{version:?}");
            server.close_connections();
            until(|| server.open.load(SeqCst) == 0).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_closes_after_its_response_is_not_reused() {
    let server = Server::start(Version::Http1).await;
    let client = client(&server);
    for _ in 0..5 {
        let response = send(&client, get("/close")).await.unwrap();
        assert!(!response.headers().contains_key("connection"));
        assert_eq!(text(response).await, "backend /close");
    }
    assert_eq!(server.connections.load(SeqCst), 5);
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let frames = [
            Ok::<_, Error>(Frame::data(Bytes::from_static(b"data"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
        let mut request = post(body);
        request
            .headers_mut()
            .insert("trailer", "x-sum".parse().unwrap());
        request
            .headers_mut()
            .insert("te", "trailers".parse().unwrap());
        let response = send(&client, request).await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        assert_eq!(
            trailers.get("x-sum").map(|v| v.as_bytes()),
            Some(&b"7"[..]),
            "{version:?}"
        );
        assert_eq!(collected.to_bytes(), "data");
        let again = text(send(&client, get("/hello")).await.unwrap()).await;
        assert_eq!(again, "backend /hello");
        assert_eq!(server.connections.load(SeqCst), 1, "{version:?}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let body = futures::stream::unfold(receiver, |mut receiver| async {
            let data: Bytes = receiver.recv().await?;
            Some((Ok::<_, Error>(Frame::data(data)), receiver))
        });
        let response = send(&client, post(Body::new(StreamBody::new(body))));
        let mut body = response.await.unwrap().into_body();
        for word in ["one", "two", "three"] {
            sender.send(Bytes::from(word)).await.unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), word, "{version:?}");
        }
        drop(sender);
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        until(|| client.pools().stats()[0].idle == 1).await;
    }
}

#[tokio::test]
async fn a_cancelled_request_frees_its_counters() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let target = target_of(&server, Limits::default());
        let request = send(&client, aimed(&target, "/never"));
        let waited = tokio::time::timeout(Duration::from_millis(50), request).await;
        assert!(waited.is_err());
        let state = target.state();
        assert_eq!(state.pending.load(SeqCst), 0);
        let left = if version == Version::Http1 { 0 } else { 1 };
        until(|| client.pools().stats()[0].open == left).await;
        until(|| state.connections.load(SeqCst) == left).await;
        assert_eq!(client.pools().stats()[0].streams, 0);
        let response = send(&client, aimed(&target, "/hello")).await.unwrap();
        assert_eq!(text(response).await, "backend /hello");
    }
}

#[tokio::test]
async fn a_response_dropped_before_its_end_closes_only_http1() {
    for (version, connections) in [(Version::Http1, 2), (Version::Http2, 1)] {
        let server = Server::start(version).await;
        let client = client(&server);
        let mut body = send(&client, get("/endless")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        send(&client, get("/hello")).await.unwrap();
        assert_eq!(server.connections.load(SeqCst), connections, "{version:?}");
    }
}

#[tokio::test]
async fn at_the_connection_limit_requests_wait_and_beyond_pending_they_are_refused() {
    let server = Server::start(Version::Http1).await;
    let client = client(&server);
    let limits = Limits {
        max_connections: 1,
        max_pending_requests: 3,
        ..Limits::default()
    };
    let target = target_of(&server, limits);
    let answers = join_all((0..6).map(|_| async {
        let response = send(&client, aimed(&target, "/slow")).await?;
        Ok::<_, Error>(text(response).await)
    }));
    let answers = answers.await;
    let refused: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
    assert_eq!(refused.len(), 3);
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert_eq!(error.subject(), Some("max_pending_requests"));
        assert!(error.is_unsent());
    }
    assert_eq!(server.connections.load(SeqCst), 1);
    assert_eq!(target.state().pending.load(SeqCst), 0);
    assert_eq!(target.state().connections.load(SeqCst), 1);
}

#[tokio::test]
async fn an_idle_connection_elsewhere_makes_room_at_the_targets_limit() {
    let (a, b) = (
        Server::start(Version::Http1).await,
        Server::start(Version::Http1).await,
    );
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let policy = TargetPolicy {
        limits,
        ..TargetPolicy::default()
    };
    let endpoints = vec![
        fixtures::endpoint("a", a.address),
        fixtures::endpoint("b", b.address),
    ];
    let target = fixtures::target("backend", policy, endpoints);
    let client = EndpointClient::new(Pools::new("web", Tcp));
    for nth in 0..4 {
        let mut request = get("/hello");
        let outbound = Outbound::begin(request.extensions_mut());
        outbound.attempt().set_target(Arc::clone(&target));
        let endpoint = Arc::clone(&target.endpoints().endpoints[nth % 2]);
        outbound.attempt().set_endpoint(endpoint);
        let answer = tokio::time::timeout(Duration::from_secs(2), send(&client, request));
        text(answer.await.unwrap().unwrap()).await;
    }
    assert_eq!(target.state().connections.load(SeqCst), 1);
}

#[tokio::test]
async fn a_limit_of_no_connections_refuses_at_once() {
    let server = Server::start(Version::Http1).await;
    let limits = Limits {
        max_connections: 0,
        ..Limits::default()
    };
    let target = target_of(&server, limits);
    let error = send(&client(&server), aimed(&target, "/"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
}

#[tokio::test]
async fn the_servers_stream_limit_opens_another_connection() {
    let server = Server::start_with_streams(2).await;
    let client = client(&server);
    text(send(&client, get("/hello")).await.unwrap()).await;
    text(send(&client, get("/hello")).await.unwrap()).await;
    let answers =
        join_all((0..6).map(|_| async { text(send(&client, get("/slow")).await.unwrap()).await }));
    for answer in answers.await {
        assert_eq!(answer, "backend /slow");
    }
    let connections = server.connections.load(SeqCst);
    assert!((2..=4).contains(&connections), "{connections}");
}

/// Lets connections expire, and says when each was made.
struct Expiring(Duration);

impl Connect for Expiring {
    type Io = TcpStream;

    async fn connect(&self, to: &Destination) -> Result<Connection<TcpStream>, ConnectError> {
        let mut connection = Tcp.connect(to).await?;
        connection.expires = Some(Instant::now() + self.0);
        Ok(connection)
    }
}

#[tokio::test]
async fn an_expired_connection_is_not_reused() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let life = Duration::from_secs(5);
        let fresh = EndpointClient::fixed(
            Pools::with_config(
                "web",
                Expiring(life),
                PoolConfig {
                    expiry_margin: Duration::ZERO,
                    ..PoolConfig::default()
                },
            ),
            endpoint(&server),
        );
        let within_margin =
            EndpointClient::fixed(Pools::new("web", Expiring(life)), endpoint(&server));
        for _ in 0..3 {
            text(send(&fresh, get("/hello")).await.unwrap()).await;
        }
        assert_eq!(server.connections.load(SeqCst), 1, "{version:?}");
        for _ in 0..3 {
            text(send(&within_margin, get("/hello")).await.unwrap()).await;
        }
        assert_eq!(server.connections.load(SeqCst), 4, "{version:?}");
    }
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let config = PoolConfig {
            idle: Duration::from_millis(200),
            ..PoolConfig::default()
        };
        let pools = Pools::with_config("web", Tcp, config);
        let client = EndpointClient::fixed(pools, endpoint(&server));
        text(send(&client, get("/hello")).await.unwrap()).await;
        assert_eq!(client.pools().stats()[0].open, 1);
        until(|| server.open.load(SeqCst) == 0).await;
        assert_eq!(client.pools().stats()[0].open, 0);
        text(send(&client, get("/hello")).await.unwrap()).await;
    }
}

#[tokio::test]
async fn dropping_the_pools_closes_their_connections() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        text(send(&client, get("/hello")).await.unwrap()).await;
        drop(client);
        until(|| server.open.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn retired_connections_get_no_further_request() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        text(send(&client, get("/hello")).await.unwrap()).await;
        let running = send(&client, get("/slow")).await.unwrap();
        client.pools().retire();
        assert_eq!(text(running).await, "backend /slow");
        text(send(&client, get("/hello")).await.unwrap()).await;
        assert_eq!(server.connections.load(SeqCst), 2, "{version:?}");
        until(|| server.open.load(SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn a_refused_connection_is_unsent_and_named() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let target = target_of(&server, Limits::default());
        server.stop().await;
        let error = send(&client, aimed(&target, "/")).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.is_unsent());
        assert_eq!(target.state().connections.load(SeqCst), 0);
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let error = send(&client, get("/abort")).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Reset, "{version:?}");
        assert!(!error.is_unsent());

        let frames = [
            Ok(Frame::data(Bytes::from_static(b"x"))),
            Err(std::io::Error::other("disk")),
        ];
        let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
        let mut request = post(body);
        *request.uri_mut() = "http://backend/read".parse().unwrap();
        let error = send(&client, request).await.err().unwrap();
        assert_eq!(
            error.kind(),
            ErrorKind::RequestBody,
            "{version:?}: {error:?}"
        );

        let response = send(&client, get("/cut")).await.unwrap();
        let error = response.into_body().collect().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Reset, "{version:?}");
    }
}

#[tokio::test]
async fn a_stream_that_the_server_refused_is_unsent() {
    let server = Server::start_refusing().await;
    let mut endpoint = Endpoint::clone(&fixtures::endpoint("b-1", server));
    endpoint.protocol = Protocol::Grpc;
    let client = EndpointClient::fixed(Pools::new("web", Tcp), Arc::new(endpoint));
    let error = send(&client, get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::RefusedStream, "{error:?}");
    assert!(error.is_unsent());
}

#[tokio::test]
async fn garbage_is_a_protocol_error() {
    let address = server::start_garbage().await;
    let pools = Pools::new("web", Tcp);
    let client = EndpointClient::fixed(pools, fixtures::endpoint("b-1", address));
    let error = send(&client, get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

#[tokio::test]
async fn without_an_endpoint_the_answer_is_an_error() {
    let client = EndpointClient::new(Pools::new("web", Tcp));
    let error = send(&client, get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoHealthyEndpoint);
}

#[tokio::test]
async fn statuses_and_heads_without_a_body_keep_the_connection() {
    let server = Server::start(Version::Http1).await;
    let client = client(&server);
    for _ in 0..3 {
        let response = send(&client, get("/empty")).await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        until(|| client.pools().stats()[0].idle == 1).await;
        let head = Request::head("http://backend/hello");
        let response = send(&client, head.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        until(|| client.pools().stats()[0].idle == 1).await;
    }
    assert_eq!(server.connections.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_on_many_threads_share_what_is_pooled() {
    for version in [Version::Http1, Version::Http2] {
        let server = Server::start(version).await;
        let client = client(&server);
        let workers = (0..8).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    let response = send(&client, get("/hello")).await.unwrap();
                    assert_eq!(text(response).await, "backend /hello");
                }
            })
        });
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        let most = if version == Version::Http1 { 16 } else { 1 };
        let connections = server.connections.load(SeqCst);
        assert!(connections <= most, "{version:?}: {connections}");
        until(|| client.pools().stats()[0].idle == connections).await;
    }
}

/// Connects after a while, or never.
struct Lazy {
    after: Option<Duration>,
    dials: Arc<std::sync::atomic::AtomicU32>,
}

impl Connect for Lazy {
    type Io = tokio::io::DuplexStream;

    async fn connect(&self, to: &Destination) -> Result<Connection<Self::Io>, ConnectError> {
        self.dials.fetch_add(1, SeqCst);
        match self.after {
            Some(after) => tokio::time::sleep(after).await,
            None => {
                tokio::time::sleep(to.timeout).await;
                return Err(ConnectError::timeout(to.address.clone(), to.timeout));
            }
        }
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_response(Response::new(()), true).unwrap();
            }
        });
        Ok(Connection::plain(near))
    }
}

fn lazy(after: Option<Duration>) -> (EndpointClient<Lazy>, Arc<std::sync::atomic::AtomicU32>) {
    let dials = Arc::default();
    let connect = Lazy {
        after,
        dials: Arc::clone(&dials),
    };
    let mut endpoint = Endpoint::clone(&fixtures::endpoint(
        "b-1",
        mesh_core::net::Address::new("10.0.0.1", 80),
    ));
    endpoint.protocol = Protocol::Grpc;
    let pools = Pools::new("web", connect);
    (EndpointClient::fixed(pools, Arc::new(endpoint)), dials)
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_one_dial_share_its_failure() {
    let (client, dials) = lazy(None);
    let began = Instant::now();
    for answer in join_all((0..20).map(|_| send(&client, get("/")))).await {
        let error = answer.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectTimeout);
        assert!(error.is_unsent());
    }
    assert_eq!(dials.load(SeqCst), 1);
    assert!(began.elapsed() < Duration::from_secs(6));
    // A failure is shared by those who waited for it, not remembered.
    let _ = send(&client, get("/")).await;
    assert_eq!(dials.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_dial_is_taken_over_by_who_waits() {
    let (client, dials) = lazy(Some(Duration::from_secs(1)));
    let first = tokio::time::timeout(Duration::from_millis(500), send(&client, get("/")));
    let others = join_all((0..5).map(|_| send(&client, get("/"))));
    let (first, others) = tokio::join!(first, others);
    assert!(first.is_err());
    for answer in others {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(dials.load(SeqCst), 2);
    assert_eq!(client.pools().stats()[0].open, 1);
}

#[tokio::test]
async fn connect_is_refused() {
    let server = Server::start(Version::Http1).await;
    let request = Request::connect("backend:80").body(Body::empty()).unwrap();
    let error = send(&client(&server), request).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.is_unsent());
}

/// What a connection looks like whose server refused our certificate after the handshake (TLS 1.3): writing works, and
/// the first read says so.
struct LateRefusal;

struct RefusedStream;

impl tokio::io::AsyncRead for RefusedStream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let mut refusal =
            ConnectError::timeout(mesh_core::net::Address::new("127.0.0.1", 1), Duration::ZERO);
        refusal.kind = mesh_core::net::ConnectErrorKind::Handshake;
        let error = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, refusal);
        std::task::Poll::Ready(Err(error))
    }
}

impl tokio::io::AsyncWrite for RefusedStream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl Connect for LateRefusal {
    type Io = RefusedStream;

    async fn connect(&self, _: &Destination) -> Result<Connection<RefusedStream>, ConnectError> {
        Ok(Connection::plain(RefusedStream))
    }
}

#[tokio::test]
async fn a_certificate_refused_after_the_handshake_is_a_failed_handshake_and_nothing_was_sent() {
    let server = Server::start(Version::Http1).await;
    let client = EndpointClient::fixed(Pools::new("web", LateRefusal), endpoint(&server));
    let error = send(&client, get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.is_unsent());
}
