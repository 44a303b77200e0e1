//! Whole connections over real sockets: protocols, draining, trust that ends, limits.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{Ca, Notes, destination, id, intentions, intentions_of_connections};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_core::clock::WallClock;
use mesh_core::context::{ConnectionInfo, Inbound};
use mesh_core::intention::Decision;
use mesh_core::live::Live;
use mesh_core::net::{Connect, Destination, Listen, Tcp};
use mesh_core::policy::Protocol;
use mesh_core::testing::network::{MemoryListener, Network};
use mesh_tls::authorize::AuthorizeLayer;
use mesh_tls::connect::TlsConnector;
use mesh_tls::credentials::Identity;
use mesh_tls::normalize::NormalizeLayer;
use mesh_tls::serve::{Admit, Serve, ServeOptions, serve, serve_plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tower::{ServiceBuilder, service_fn};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Answers with who called.
async fn whoami(request: Request<Incoming>) -> Answer {
    let inbound = request.extensions().get::<Inbound>().unwrap();
    let caller = inbound.peer().map_or_else(
        || "nobody".to_owned(),
        |peer| peer.service_name().unwrap().to_owned(),
    );
    let connection = inbound.connection().unwrap();
    assert!(connection.remote.is_some() && connection.local.is_some());
    Ok(Response::new(Full::from(caller)))
}

/// Lets every task that was woken run: the tests have one thread.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that runs until the test says so.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
    notes: Notes,
}

impl Running {
    async fn start<F, Fut>(identity: Identity, f: F, edit: Edit) -> Self
    where
        F: FnMut(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        let (listener, address) = listen().await;
        let (stop, stopped) = oneshot::channel();
        let notes = Notes::default();
        let server = serve(listener, identity, service_fn(f))
            .until(async { drop(stopped.await) })
            .options(edit.options)
            .events(notes.clone());
        let server = if edit.deny {
            server.admit(|_: &ConnectionInfo| false)
        } else {
            server
        };
        Self {
            address,
            stop,
            task: tokio::spawn(server.into_future()),
            notes,
        }
    }

    async fn stop(self) {
        drop(self.stop);
        let ended = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        ended.unwrap().unwrap().unwrap();
    }
}

#[derive(Default)]
struct Edit {
    options: ServeOptions,
    deny: bool,
}

async fn dial_h2(ca: &Ca, address: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let mut to = destination(address, "backend");
    to.protocol = Protocol::Http2;
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let io = connector.connect(&to).await.unwrap().io;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn dial_h1(ca: &Ca, address: SocketAddr) -> http1::SendRequest<Full<Bytes>> {
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let to = destination(address, "backend");
    let io = connector.connect(&to).await.unwrap().io;
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri)
        .header("host", "backend")
        .body(Full::default())
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_served_and_the_caller_is_known() {
    let ca = Ca::new();
    let server = Running::start(ca.identity("backend"), whoami, Edit::default()).await;
    let mut h1 = dial_h1(&ca, server.address).await;
    for _ in 0..2 {
        let response = h1.send_request(get("/")).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(text(response).await, "frontend");
        h1.ready().await.unwrap();
    }
    let mut h2 = dial_h2(&ca, server.address).await;
    let response = h2.send_request(get("http://backend/")).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(text(response).await, "frontend");
    drop((h1, h2));
    let notes = server.notes.clone();
    server.stop().await;
    let accepted = format!("accepted {}", id("frontend"));
    assert_eq!(notes.all().iter().filter(|n| **n == accepted).count(), 2);
}

#[tokio::test]
async fn without_alpn_the_version_is_read_from_the_first_bytes() {
    let ca = Ca::new();
    let server = Running::start(ca.identity("backend"), whoami, Edit::default()).await;
    let mut to = destination(server.address, "backend");
    to.protocol = Protocol::Tcp;
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let io = connector.connect(&to).await.unwrap().io;
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "frontend");
}

#[tokio::test]
async fn a_plain_listener_knows_nobody() {
    let (listener, address) = listen().await;
    let task = tokio::spawn(serve_plain(listener, service_fn(whoami)).into_future());
    let io = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "nobody");
    task.abort();
}

#[tokio::test]
async fn an_outsider_gets_an_alert_and_no_http() {
    let ca = Ca::new();
    let server = Running::start(ca.identity("backend"), whoami, Edit::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: backend\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&21));
    server.notes.wait_for("refused not_tls").await;
}

#[tokio::test]
async fn a_denied_connection_is_closed_without_a_byte_of_the_application() {
    let ca = Ca::new();
    let edit = Edit {
        deny: true,
        ..Edit::default()
    };
    let called = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&called);
    let server = Running::start(
        ca.identity("backend"),
        move |request| {
            note.store(true, Ordering::SeqCst);
            whoami(request)
        },
        edit,
    )
    .await;
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let to = destination(server.address, "backend");
    let mut io = connector.connect(&to).await.unwrap().io;
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
    server.notes.wait_for("denied").await;
    assert!(!called.load(Ordering::SeqCst));
}

/// Answers when it is told to.
fn slow(
    arrived: &Arc<Notify>,
    go: &Arc<Semaphore>,
) -> impl Fn(Request<Incoming>) -> Pending + Clone + use<> {
    let (arrived, go) = (Arc::clone(arrived), Arc::clone(go));
    move |_| {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        Box::pin(async move {
            arrived.notify_one();
            go.acquire().await.unwrap().forget();
            Ok(Response::new(Full::from("done")))
        })
    }
}

type Pending = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

#[tokio::test]
async fn requests_in_flight_finish_while_the_server_drains() {
    let ca = Ca::new();
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let server = Running::start(ca.identity("backend"), slow(&arrived, &go), Edit::default()).await;
    let address = server.address;
    let mut h1 = dial_h1(&ca, address).await;
    let mut h2 = dial_h2(&ca, address).await;
    let first = tokio::spawn(async move { h1.send_request(get("/")).await.unwrap() });
    arrived.notified().await;
    let second =
        tokio::spawn(async move { h2.send_request(get("http://backend/")).await.unwrap() });
    arrived.notified().await;

    let Running { stop, task, .. } = server;
    drop(stop);
    // The listener is gone as soon as draining begins.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!task.is_finished());
    go.add_permits(2);
    let first = first.await.unwrap();
    assert_eq!(first.headers()["connection"], "close");
    assert_eq!(text(first).await, "done");
    assert_eq!(text(second.await.unwrap()).await, "done");
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_outlives_the_grace_period_is_cut() {
    let ca = Ca::new();
    let (arrived, never) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let edit = Edit {
        options: ServeOptions {
            grace: Duration::from_millis(50),
            ..ServeOptions::default()
        },
        ..Edit::default()
    };
    let server = Running::start(ca.identity("backend"), slow(&arrived, &never), edit).await;
    let mut h1 = dial_h1(&ca, server.address).await;
    let request = tokio::spawn(async move { h1.send_request(get("/")).await });
    arrived.notified().await;
    let notes = server.notes.clone();
    server.stop().await;
    assert!(request.await.unwrap().is_err());
    notes.wait_for("closed aborted").await;
}

#[tokio::test]
async fn a_connection_closes_gracefully_when_its_peers_root_is_withdrawn() {
    let ca = Ca::new();
    let live = ca.live_identity("backend");
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let handler = slow(&arrived, &go);
    let server = Running::start(live.identity.clone(), handler, Edit::default()).await;
    let mut h1 = dial_h1(&ca, server.address).await;
    let request = tokio::spawn(async move { h1.send_request(get("/")).await.unwrap() });
    arrived.notified().await;
    live.roots.publish(Ca::new().bundles());
    // What is in flight finishes, and says that it is the last.
    settle().await;
    go.add_permits(1);
    let response = request.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(text(response).await, "done");
    server.notes.wait_for("closed untrusted").await;
}

#[tokio::test]
async fn a_connection_survives_a_change_of_roots_that_keeps_its_own() {
    let ca = Ca::new();
    let live = ca.live_identity("backend");
    let server = Running::start(live.identity.clone(), whoami, Edit::default()).await;
    let mut h2 = dial_h2(&ca, server.address).await;
    let mut more = ca.bundles();
    let mut bundle = ca.bundle();
    bundle.roots.extend(Ca::new().bundle().roots);
    more.insert(bundle);
    live.roots.publish(more);
    settle().await;
    let response = h2.send_request(get("http://backend/")).await.unwrap();
    assert_eq!(text(response).await, "frontend");
}

#[tokio::test]
async fn a_connection_closes_when_its_peers_leaf_expires() {
    let ca = Ca::new();
    let end = Duration::from_secs(4_000_000_000);
    let leaf = ca.sign("frontend", |p| {
        p.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
    });
    let client = Identity::from_parts(
        Live::fixed(leaf.credentials()),
        Live::fixed(ca.bundles()),
        WallClock::system(),
    );
    // For the server it is a moment before that.
    let moment = Duration::from_millis(200);
    let identity = Identity::from_parts(
        Live::fixed(ca.leaf("backend").credentials()),
        Live::fixed(ca.bundles()),
        WallClock::starting_at(SystemTime::UNIX_EPOCH + end - moment),
    );
    let server = Running::start(identity, whoami, Edit::default()).await;
    let connector = TlsConnector::new(Tcp, client);
    let to = destination(server.address, "backend");
    let mut io = connector.connect(&to).await.unwrap().io;
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), io.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty());
    server.notes.wait_for("closed expired").await;
}

#[tokio::test]
async fn a_silent_peer_is_closed_after_the_header_timeout() {
    let ca = Ca::new();
    for protocol in [Protocol::Http, Protocol::Tcp] {
        let edit = Edit {
            options: ServeOptions {
                header_timeout: Duration::from_millis(100),
                ..ServeOptions::default()
            },
            ..Edit::default()
        };
        let server = Running::start(ca.identity("backend"), whoami, edit).await;
        let mut to = destination(server.address, "backend");
        to.protocol = protocol;
        let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
        let mut io = connector.connect(&to).await.unwrap().io;
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), io.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{protocol:?}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let ca = Ca::new();
    let edit = Edit {
        options: ServeOptions {
            max_connections: 1,
            ..ServeOptions::default()
        },
        ..Edit::default()
    };
    let server = Running::start(ca.identity("backend"), whoami, edit).await;
    let first = dial_h1(&ca, server.address).await;
    let second = dial_h1(&ca, server.address);
    let mut second = std::pin::pin!(second);
    let waited = tokio::time::timeout(Duration::from_millis(100), second.as_mut()).await;
    assert!(waited.is_err());
    drop(first);
    let response = second.await.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "frontend");
}

/// Passes bytes on and keeps a copy of them.
async fn tap(to: SocketAddr) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let (listener, address) = listen().await;
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(to).await.unwrap();
        let (mut seen, mut up, mut down) = (Vec::new(), [0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => match read.unwrap_or(0) {
                    0 => return seen,
                    n => {
                        seen.extend_from_slice(&up[..n]);
                        server.write_all(&up[..n]).await.unwrap();
                    }
                },
                read = server.read(&mut down) => match read.unwrap_or(0) {
                    0 => return seen,
                    n => {
                        seen.extend_from_slice(&down[..n]);
                        client.write_all(&down[..n]).await.unwrap();
                    }
                },
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn nothing_of_http_is_readable_on_the_wire() {
    let ca = Ca::new();
    let server = Running::start(ca.identity("backend"), whoami, Edit::default()).await;
    let (address, seen) = tap(server.address).await;
    let mut h1 = dial_h1(&ca, address).await;
    let response = h1.send_request(get("/a-path-to-look-for")).await.unwrap();
    assert_eq!(text(response).await, "frontend");
    drop(h1);
    let seen = seen.await.unwrap();
    let has = |text: &str| seen.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(seen.len() > 1_000);
    assert!(!has("GET ") && !has("a-path-to-look-for") && !has("content-length"));
    // With TLS 1.3 not even the certificates are.
    assert!(!has("spiffe://"));
}

#[tokio::test]
async fn silent_peers_do_not_keep_others_from_their_handshake() {
    let ca = Ca::new();
    let edit = Edit {
        options: ServeOptions {
            max_handshakes: 1,
            ..ServeOptions::default()
        },
        ..Edit::default()
    };
    let server = Running::start(ca.identity("backend"), whoami, edit).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut h1 = dial_h1(&ca, server.address).await;
    let response = h1.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "frontend");
}

#[tokio::test]
async fn a_change_of_intention_acts_on_the_next_request_of_an_open_connection() {
    let ca = Ca::new();
    let allow = || intentions(Decision::Deny, &[("frontend", "allow")]);
    let (publisher, live) = Live::channel(allow());
    let service = ServiceBuilder::new()
        .layer(NormalizeLayer::default())
        .layer(AuthorizeLayer::new(live))
        .service(service_fn(whoami));
    let (listener, address) = listen().await;
    let notes = Notes::default();
    let server = serve(listener, ca.identity("backend"), service).events(notes.clone());
    let server = tokio::spawn(server.into_future());
    let mut h2 = dial_h2(&ca, address).await;
    for (table, status, body) in [
        (allow(), StatusCode::OK, "frontend"),
        (
            intentions(Decision::Deny, &[]),
            StatusCode::FORBIDDEN,
            "RBAC: access denied",
        ),
        (allow(), StatusCode::OK, "frontend"),
    ] {
        publisher.publish(table);
        let response = h2.send_request(get("http://backend/")).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, body);
    }
    let accepted = notes
        .all()
        .iter()
        .filter(|n| n.starts_with("accepted"))
        .count();
    assert_eq!(accepted, 1, "all of that went over one connection");
    server.abort();
}

#[tokio::test]
async fn intentions_of_a_service_without_http_act_on_connections() {
    let info = |service: Option<&str>| ConnectionInfo {
        remote: None,
        local: None,
        peer: service.map(common::peer),
    };
    let (publisher, live) = Live::channel(intentions_of_connections(&[("frontend", "allow")]));
    assert!(live.admit(&info(Some("frontend"))));
    assert!(!live.admit(&info(Some("bees"))) && !live.admit(&info(None)));
    publisher.publish(intentions_of_connections(&[("frontend", "deny")]));
    assert!(!live.admit(&info(Some("frontend"))));
    publisher.publish(intentions(Decision::Deny, &[]));
    assert!(live.admit(&info(Some("frontend"))), "judged per request");
}

/// A listener that fails as often as it is told to.
struct Failing {
    inner: MemoryListener,
    errors: Vec<ErrorKind>,
}

impl Listen for Failing {
    type Io = tokio::io::DuplexStream;

    async fn accept(&mut self) -> std::io::Result<(Self::Io, SocketAddr)> {
        match self.errors.pop() {
            Some(kind) => Err(kind.into()),
            None => self.inner.accept().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_again_after_a_pause() {
    let network = Network::new();
    let address: SocketAddr = "10.0.0.1:80".parse().unwrap();
    let mut errors = vec![ErrorKind::Other; 12];
    errors.extend([ErrorKind::ConnectionAborted; 3]);
    let listener = Failing {
        inner: network.listen(address),
        errors,
    };
    let notes = Notes::default();
    let server = serve_plain(listener, service_fn(whoami)).events(notes.clone());
    let task = tokio::spawn(server.into_future());
    let started = tokio::time::Instant::now();
    let connector = network.connector(None, None);
    let connection = connector.connect(&Destination::plain(address)).await;
    let io = TokioIo::new(connection.unwrap().io);
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(io).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "nobody");
    // 5 ms doubling up to a second: 1.275 s for eight of them, and then four times one.
    assert_eq!(started.elapsed().as_secs(), 5);
    let failures = notes.all().iter().filter(|n| *n == "accept failed").count();
    assert_eq!(failures, 12);
    task.abort();
}

#[tokio::test]
async fn a_server_can_be_named_and_sent() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let (listener, _) = listen().await;
    let server: Serve<_, _> = sendable(serve_plain(listener, service_fn(whoami)));
    let ended = server.until(async {}).grace(Duration::ZERO).await;
    assert!(ended.is_ok());
}
