//! The wire without a mesh: plaintext HTTP on the loopback, and the backend by its port.
//!
//! Everything here is what the mesh replaces: [`serve`] by its listener, [`client`] by its client,
//! [`gateway`] by its gateway. Nothing else in this example knows how bytes travel.

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::http::uri::{Authority, Scheme};
use axum::http::{Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

use crate::ports::{Port, Ports};

type Wire = Client<HttpConnector, Body>;

fn wire() -> Wire {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Serves until `stop` is done.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await
}

/// A client that finds `http://backend` on the port of version 1, canaries on that of version 2.
pub(crate) fn client(
    ports: &Ports,
) -> impl Service<Request<Body>, Response = Response<Incoming>, Error = Error, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let (v1, v2) = (ports.of(Port::BackendV1), ports.of(Port::BackendV2));
    wire().map_request(move |mut request: Request<Body>| {
        if request.uri().authority().is_some_and(|it| it == "backend") {
            let query = request.uri().query().unwrap_or_default();
            let canary = query.split('&').any(|pair| pair == "canary=true");
            aim(&mut request, if canary { v2 } else { v1 });
        }
        request
    })
}

/// Hands every request for this machine's names on to the frontend.
pub(crate) fn gateway(ports: &Ports) -> Router {
    let frontend = ports.of(Port::Frontend);
    let wire = wire();
    Router::new().fallback(move |mut request: Request<Body>| {
        let wire = wire.clone();
        async move {
            if !is_known(&request) {
                return (StatusCode::NOT_FOUND, "no service answers to this host\n")
                    .into_response();
            }
            aim(&mut request, frontend);
            match wire.request(request).await {
                Ok(response) => response.map(Body::new),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no frontend\n").into_response(),
            }
        }
    })
}

fn is_known(request: &Request<Body>) -> bool {
    let host = request
        .headers()
        .get("host")
        .and_then(|it| it.to_str().ok());
    let authority: Option<Authority> = host.and_then(|host| host.parse().ok());
    authority.is_some_and(|it| matches!(it.host(), "localhost" | "127.0.0.1"))
}

/// Sends a request to a port of the loopback.
fn aim(request: &mut Request<Body>, port: u16) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = format!("127.0.0.1:{port}").parse().ok();
    parts
        .path_and_query
        .get_or_insert_with(|| "/".parse().expect("a path"));
    *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path are there");
}
