//! The HTTP client that batches are sent with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::config::ZipkinConfig;
use super::repair;
use super::resolve::Resolve;
use crate::metrics::Metrics;

/// Most bytes of an answer that are read; collectors answer 202 without a body.
const ANSWER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct BatchClient {
    client: Client<HttpConnector<Resolve>, Full<Bytes>>,
    // The processor's thread is none of tokio's, so requests are spawned rather than awaited there.
    runtime: Handle,
    config: Arc<ZipkinConfig>,
    metrics: Option<Metrics>,
    failing: AtomicBool,
}

impl BatchClient {
    pub(super) fn new(
        config: Arc<ZipkinConfig>,
        metrics: Option<Metrics>,
        runtime: Handle,
    ) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolve::new(config.ipv4_only));
        connector.set_connect_timeout(Some(config.connect_timeout));
        // No connection is kept: each batch resolves anew and takes the next address.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build(connector);
        Self {
            client,
            runtime,
            config,
            metrics,
            failing: AtomicBool::new(false),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request);
        let timeout = self.config.timeout;
        let sending = async move {
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let task = self
            .runtime
            .spawn(async move { tokio::time::timeout(timeout, sending).await });
        task.await??
    }

    fn note(&self, spans: u64, failure: Option<&str>) {
        if let Some(metrics) = &self.metrics {
            match failure {
                None => metrics.spans_exported(spans),
                Some(_) => {
                    metrics.export_failure();
                    metrics.spans_dropped(spans);
                }
            }
        }
        let was_failing = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        let endpoint = self.config.endpoint.as_str();
        match failure {
            Some(error) if !was_failing => {
                tracing::warn!(endpoint, error, "spans can not be exported");
            }
            None if was_failing => tracing::info!(endpoint, "spans are exported again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for BatchClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let (body, spans) = repair::batch(body, &self.config);
        let request = Request::from_parts(head, Full::new(body));
        let result = self.send(request).await;
        match &result {
            Ok(response) if response.status().is_success() => self.note(spans, None),
            Ok(response) => self.note(spans, Some(response.status().as_str())),
            Err(error) => self.note(spans, Some(&error.to_string())),
        }
        result
    }
}
