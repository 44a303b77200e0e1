//! A service on axum, in the mesh: `cargo run --example axum -- [DIRECTORY]` (default `examples/mesh.d`).
//!
//! `/hello` greets its caller by the identity that its certificate proved. `/slow` shows one layer used alone, on one
//! route: at most two of these at a time, whatever the rest of the mesh allows.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use mesh::retry::limit::InboundLimitLayer;
use mesh::{Identity, Mesh, Peer};
use tower::{BoxError, Layer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mesh = Mesh::open(std::env::args().nth(1).unwrap_or("examples/mesh.d".into())).await?;
    let me = Identity::of(&mesh, "greeter-axum").await?;

    let app = Router::new()
        .route("/hello", get(hello))
        .route("/slow", get(slow).layer(InboundLimitLayer::new(2)));

    let listener = me.listen().await?;
    println!("listening {}", listener.local_addr()?);
    mesh::serve(listener, &me, mesh::server(&me).layer(app))
        .until(stop())
        .await?;
    Ok(())
}

async fn hello(peer: Peer) -> String {
    format!("hello {}", peer.service_name().unwrap_or("stranger"))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "done"
}

async fn stop() {
    // Without a handler for the signal the process just ends.
    let _ = tokio::signal::ctrl_c().await;
}
