//! A Zipkin collector that keeps what it is given.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::oneshot;

/// Listens on a thread of its own, so that it outlives the test that started it.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) port: u16,
    kept: Arc<Kept>,
    _stop: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Kept {
    spans: Mutex<Vec<Value>>,
    refused: Mutex<Vec<String>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let kept = Arc::new(Kept::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, port) = std::sync::mpsc::channel();
        let app = Router::new()
            .route("/api/v2/spans", post(spans))
            .with_state(Arc::clone(&kept));
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async move {
                let port = super::ports::free();
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
                started.send(port).unwrap();
                tokio::select! {
                    served = axum::serve(listener.unwrap(), app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            port: port.recv().unwrap(),
            kept,
            _stop: stop,
        }
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Value> {
        self.kept.spans.lock().unwrap().clone()
    }

    /// What was posted and is not Zipkin's version 2 in JSON.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.kept.refused.lock().unwrap().clone()
    }
}

async fn spans(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: String) -> StatusCode {
    let json = headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    match serde_json::from_str(&body) {
        Ok(Value::Array(spans)) if json => {
            kept.spans.lock().unwrap().extend(spans);
            StatusCode::ACCEPTED
        }
        _ => {
            kept.refused.lock().unwrap().push(body);
            StatusCode::BAD_REQUEST
        }
    }
}
