//! The host examples, as processes, called over mutual TLS by a service that may and by one that may not.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/example.rs"]
mod example;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use mesh::{Body, Client, Identity, Mesh};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tower::ServiceExt;

/// A copy of `examples/mesh.d` in which the service listens on a free port.
fn directory(host: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mesh.d");
    for file in fs::read_dir(original).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "hcl") {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let own = copy.path().join(format!("greeter-{host}.hcl"));
    let text = fs::read_to_string(&own).unwrap();
    let port = text
        .lines()
        .find(|line| line.contains("port"))
        .unwrap()
        .to_owned();
    fs::write(&own, text.replace(&port, &format!("  port    = {free}"))).unwrap();
    copy
}

struct Host {
    directory: tempfile::TempDir,
    _child: Child,
}

impl Host {
    async fn start(name: &str) -> Self {
        let directory = directory(name);
        let mut child = Command::new(example::binary(name))
            .arg(directory.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
        assert!(
            first
                .unwrap()
                .unwrap()
                .unwrap()
                .starts_with("listening 127.0.0.1:")
        );
        Self {
            directory,
            _child: child,
        }
    }

    async fn client(&self, name: &str) -> (Identity, Client) {
        let mesh = Mesh::open(self.directory.path()).await.unwrap();
        let me = Identity::of(&mesh, name).await.unwrap();
        let client = mesh::client(&me);
        (me, client)
    }
}

async fn get(client: &Client, url: &str) -> (u16, String) {
    let request = http::Request::get(url).body(Body::empty()).unwrap();
    let response = client.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_axum_service_greets_by_verified_identity_and_refuses_others() {
    let host = Host::start("axum").await;
    let (_caller, client) = host.client("caller").await;
    assert_eq!(
        get(&client, "http://greeter-axum/hello").await,
        (200, "hello caller".into())
    );
    let (_other, client) = host.client("other").await;
    assert_eq!(
        get(&client, "http://greeter-axum/hello").await,
        (403, "RBAC: access denied".into())
    );
}

#[tokio::test]
async fn the_axum_services_single_layer_limits_its_route_alone() {
    let host = Host::start("axum").await;
    let (_caller, client) = host.client("caller").await;
    let slow = || get(&client, "http://greeter-axum/slow");
    let (first, second, third, hello) = tokio::join!(
        slow(),
        slow(),
        slow(),
        get(&client, "http://greeter-axum/hello")
    );
    let mut statuses = [first.0, second.0, third.0];
    statuses.sort_unstable();
    assert_eq!((statuses, hello.0), ([200, 200, 503], 200));
}

#[tokio::test]
async fn the_hyper_service_greets_and_retries_with_one_layer() {
    let host = Host::start("hyper").await;
    let (_caller, client) = host.client("caller").await;
    assert_eq!(
        get(&client, "http://greeter-hyper/hello").await,
        (200, "hello caller".into())
    );
    assert_eq!(
        get(&client, "http://greeter-hyper/lucky").await,
        (200, "200 after 3 tries".into())
    );
}

#[tokio::test]
async fn the_tonic_service_answers_and_refuses_in_grpc() {
    let host = Host::start("tonic").await;
    let (_caller, client) = host.client("caller").await;
    let (status, grpc, message) = greet(&client, b"good day").await;
    assert_eq!(
        (status, grpc.as_str(), message.as_str()),
        (200, "0", "good day, caller")
    );
    assert_eq!(greet(&client, b"").await.1, "3");
    let (_other, client) = host.client("other").await;
    let (status, grpc, _) = greet(&client, b"good day").await;
    assert_eq!((status, grpc.as_str()), (200, "7"));
}

/// One unary call, framed by hand: status, `grpc-status` from head or trailers, message.
async fn greet(client: &Client, text: &[u8]) -> (u16, String, String) {
    let mut frame = vec![0];
    frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(text);
    let request = http::Request::post("http://greeter-tonic/greeter.Greeter/Hello")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::from(frame))
        .unwrap();
    let response = client.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let mut grpc = response.headers().get("grpc-status").cloned();
    let body = response.into_body().collect().await.unwrap();
    grpc = grpc.or(body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status").cloned()));
    let data = body.to_bytes();
    let message = data
        .get(5..)
        .map(|data| String::from_utf8_lossy(data).into_owned())
        .unwrap_or_default();
    (
        status,
        grpc.map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        message,
    )
}
