//! A service on bare hyper, in the mesh: `cargo run --example hyper -- [DIRECTORY]` (default `examples/mesh.d`).
//!
//! The service is one function from request to response. `/lucky` shows one layer used alone: `RetryLayer` around an
//! ordinary tower service that fails two times out of three, without any mesh around it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use mesh::core::policy::{RetryOn, RetryPolicy};
use mesh::retry::retry::RetryLayer;
use mesh::{Body, Identity, Mesh, Peer};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mesh = Mesh::open(std::env::args().nth(1).unwrap_or("examples/mesh.d".into())).await?;
    let me = Identity::of(&mesh, "greeter-hyper").await?;

    let app = tower::service_fn(answer);

    let listener = me.listen().await?;
    println!("listening {}", listener.local_addr()?);
    mesh::serve(listener, &me, mesh::server(&me).layer(app))
        .until(stop())
        .await?;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = match request.uri().path() {
        "/hello" => {
            let peer = Peer::of(&request);
            format!(
                "hello {}",
                peer.as_ref()
                    .and_then(|peer| peer.service_name())
                    .unwrap_or("stranger")
            )
        }
        "/lucky" => lucky().await.unwrap_or_else(|error| error.to_string()),
        _ => "nothing here".to_owned(),
    };
    Ok(Response::new(text.into()))
}

/// Retries alone: a policy, a service, nothing else.
async fn lucky() -> Result<String, mesh::Error> {
    let policy = RetryPolicy {
        max: 2,
        on: RetryOn::GATEWAY_ERROR,
        ..RetryPolicy::default()
    };
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let flaky = tower::service_fn(move |_| {
        let status = match counter.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let patient = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .service(flaky);
    let response = patient.oneshot(Request::new(Body::empty())).await?;
    Ok(format!(
        "{} after {} tries",
        response.status().as_u16(),
        tries.load(Ordering::Relaxed)
    ))
}

async fn stop() {
    // Without a handler for the signal the process just ends.
    let _ = tokio::signal::ctrl_c().await;
}
