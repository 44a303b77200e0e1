//! A gRPC service on tonic, in the mesh: `cargo run --example tonic -- [DIRECTORY]` (default `examples/mesh.d`).
//!
//! The messages are plain bytes, so that the example needs no code generator. `ObserveServerLayer` is the layer used
//! alone: it counts the calls of one tonic service, with metrics of its own.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use futures::future::BoxFuture;
use mesh::observe::{Metrics, ObserveServerLayer};
use mesh::{Identity, Mesh, Peer};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tower::{BoxError, Layer, Service};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mesh = Mesh::open(std::env::args().nth(1).unwrap_or("examples/mesh.d".into())).await?;
    let me = Identity::of(&mesh, "greeter-tonic").await?;

    let alone = ObserveServerLayer::new(Metrics::new("greeter-alone"));
    let app = tonic::service::Routes::new(Greeter)
        .prepare()
        .into_axum_router()
        .layer(alone);

    let listener = me.listen().await?;
    println!("listening {}", listener.local_addr()?);
    mesh::serve(listener, &me, mesh::server(&me).layer(app))
        .until(stop())
        .await?;
    Ok(())
}

/// What `service Greeter { rpc Hello(bytes) returns (bytes); }` would generate.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path() {
                "/greeter.Greeter/Hello" => Ok(Grpc::new(BytesCodec).unary(Hello, request).await),
                _ => Ok(Status::unimplemented("no such method").into_http()),
            }
        })
    }
}

struct Hello;

impl UnaryService<Vec<u8>> for Hello {
    type Response = Vec<u8>;
    type Future = std::future::Ready<Result<Response<Vec<u8>>, Status>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let peer = Peer::of_extensions(request.extensions());
        let caller = peer
            .as_ref()
            .and_then(|peer| peer.service_name())
            .unwrap_or("stranger")
            .to_owned();
        let greeting = String::from_utf8_lossy(request.get_ref()).into_owned();
        std::future::ready(match greeting.as_str() {
            "" => Err(Status::invalid_argument("say something")),
            _ => Ok(Response::new(format!("{greeting}, {caller}").into_bytes())),
        })
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

async fn stop() {
    // Without a handler for the signal the process just ends.
    let _ = tokio::signal::ctrl_c().await;
}
