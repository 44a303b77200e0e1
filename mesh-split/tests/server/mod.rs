//! A server whose connections a test can count and close.
#![allow(dead_code)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_core::body::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

pub(crate) struct Server {
    pub(crate) version: Version,
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicU32>,
    pub(crate) open: Arc<AtomicU32>,
    close: watch::Sender<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(version: Version) -> Self {
        Self::start_listening(version, 200).await
    }

    pub(crate) async fn start_with_streams(streams: u32) -> Self {
        Self::start_listening(Version::Http2, streams).await
    }

    async fn start_listening(version: Version, streams: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU32::new(0));
        let open = Arc::new(AtomicU32::new(0));
        let close = watch::Sender::new(());
        let (count, now_open, closing) = (connections.clone(), open.clone(), close.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                count.fetch_add(1, SeqCst);
                now_open.fetch_add(1, SeqCst);
                let (open, mut closing) = (now_open.clone(), closing.subscribe());
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    let serve = async {
                        // What a client does to its connection is no concern of the server's.
                        let _ = match version {
                            Version::Http1 => {
                                hyper::server::conn::http1::Builder::new()
                                    .serve_connection(io, service_fn(answer))
                                    .await
                            }
                            Version::Http2 => {
                                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                    .max_concurrent_streams(streams)
                                    .serve_connection(io, service_fn(answer))
                                    .await
                            }
                        };
                    };
                    tokio::select! {
                        () = serve => {}
                        _ = closing.changed() => {}
                    }
                    open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self {
            version,
            address,
            connections,
            open,
            close,
            accepting,
        }
    }

    pub(crate) fn close_connections(&self) {
        self.close.send_replace(());
    }

    pub(crate) async fn stop(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.close_connections();
    }

    /// An HTTP/2 server that refuses every stream.
    pub(crate) async fn start_refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                tokio::spawn(async move {
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        respond.send_reset(h2::Reason::REFUSED_STREAM);
                    }
                });
            }
        });
        address
    }
}

/// A server that does not speak HTTP.
pub(crate) async fn start_garbage() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = [0; 16];
        let _ = stream.read(&mut seen).await;
        let _ = stream.write_all(b"220 mail ready\r\n\r\n").await;
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => request.headers()["host"].to_str().unwrap().to_owned(),
    };
    let text = format!("{host} {path}");
    Ok(match &*path {
        "/echo" => Response::builder()
            .header("trailer", "x-sum")
            .body(Body::new(request.into_body()))
            .unwrap(),
        "/read" => {
            request
                .into_body()
                .collect()
                .await
                .map_err(std::io::Error::other)?;
            Response::new(Body::from(text))
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Response::new(Body::from(text))
        }
        "/never" => std::future::pending().await,
        "/abort" => return Err(std::io::Error::other("aborted")),
        "/empty" => Response::builder().status(204).body(Body::empty()).unwrap(),
        "/close" => Response::builder()
            .header("connection", "close")
            .body(Body::from(text))
            .unwrap(),
        "/cut" => {
            let half = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"half")))]);
            let cut = futures::stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut"))
            });
            let frames = half.chain(cut);
            Response::new(Body::new(StreamBody::new(frames)))
        }
        "/endless" => {
            let frames = futures::stream::repeat_with(|| {
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 16 * 1024])))
            });
            Response::new(Body::new(StreamBody::new(frames)))
        }
        _ => Response::new(Body::from(text)),
    })
}
