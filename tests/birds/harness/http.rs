//! A plain HTTP client that hides nothing: no retries, no redirects, the path as it is written.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that any answer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Keeps its connections; belongs to the runtime of the test that made it.
#[derive(Debug, Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        Self(builder.retry_canceled_requests(false).build_http())
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Answer, String> {
        self.get_with(url, &[]).await
    }

    pub(crate) async fn get_with(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).unwrap();
        let exchange = async {
            let response = self.0.request(request).await.map_err(|it| it.to_string())?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|it| it.to_string())?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer from {url} within {PATIENCE:?}")),
        }
    }
}

/// Writes bytes to a port of the loopback and reads until the other side closes or is silent for a second.
pub(crate) async fn raw(port: u16, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(bytes).await?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer));
        match read.await {
            Ok(Ok(0)) | Err(_) => return Ok(received),
            Ok(Ok(count)) => received.extend_from_slice(&buffer[..count]),
            // A reset after the answer is a way to close.
            Ok(Err(_)) if !received.is_empty() => return Ok(received),
            Ok(Err(error)) => return Err(error),
        }
    }
}
