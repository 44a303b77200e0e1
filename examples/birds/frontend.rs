//! The frontend: the web page, and `/shuffle`, which asks the backend for a bird.
//!
//! `GET /shuffle` always answers 200. What became of the call to the backend stands in the JSON:
//!
//! - a bird: `{"metadata":{"backendDuration":"3ms","backendStatusCode":200,"backendHostname":"h","backendVersion":"v1"},"response":{…}}`;
//! - a failure that the backend itself reports: the same metadata, and
//!   `"error":"received status code 503 from backend: …"` instead of the response;
//! - an answer that does not come from the backend's own code, such as a denial by the mesh, or no
//!   answer at all: `error`, and of the metadata only `backendDuration`.
//!
//! So the front door shows no errors however the backend fares. That is on purpose: the edge between
//! the two services is where they are to be seen.
//!
//! Query parameters are copied on to the backend, the first value of each, so that a rule on
//! `canary` can bite where the frontend calls the backend and not only at the gateway.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Request, Response, StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

use crate::backend::{Answer, Sighting, healthz};
use crate::query::{self, Pairs};
use crate::{flock, pages, picture};

/// The most that is read of one answer of the backend, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;
/// The most that is shown of an answer that is not the backend's own, in characters.
const LONGEST_TEXT: usize = 300;

/// What the frontend is told when it starts.
#[derive(Debug, Clone)]
pub(crate) struct FrontendConfig {
    /// Where the backend is, without a path: `http://backend` names the service.
    pub(crate) backend_url: String,
    /// The mesh directory, for the commands that the page suggests.
    pub(crate) mesh_dir: String,
}

/// The answer of `GET /shuffle`.
#[derive(Debug, Serialize)]
struct Shuffled {
    metadata: CallMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Sighting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallMetadata {
    backend_duration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_version: Option<String>,
}

struct Frontend<C> {
    client: C,
    backend_url: String,
}

/// The whole frontend as a service. `client` carries its calls to the backend.
pub(crate) fn app<C, RB, E>(client: C, config: FrontendConfig) -> Router
where
    C: Service<Request<Body>, Response = Response<RB>, Error = E> + Clone + Send + Sync + 'static,
    C::Future: Send,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Into<BoxError> + 'static,
{
    let frontend = Arc::new(Frontend {
        client,
        backend_url: config.backend_url.trim_end_matches('/').to_owned(),
    });
    Router::new()
        .route("/shuffle", get(shuffle::<C, RB, E>))
        .with_state(frontend)
        .merge(pages::router(&config.mesh_dir))
        .route("/static/birds/{file}", get(bird_picture))
        .route("/healthz", get(healthz))
}

async fn bird_picture(Path(file): Path<String>) -> axum::response::Response {
    let bird = file.strip_suffix(".svg").and_then(flock::by_slug);
    match bird {
        Some(bird) => pages::asset("image/svg+xml", picture::svg(bird.name, &bird.look)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn shuffle<C, RB, E>(
    State(frontend): State<Arc<Frontend<C>>>,
    Query(query): Query<Pairs>,
) -> impl IntoResponse
where
    C: Service<Request<Body>, Response = Response<RB>, Error = E> + Clone + Send + Sync + 'static,
    C::Future: Send,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Into<BoxError> + 'static,
{
    let url = format!("{}/bird{}", frontend.backend_url, query::copy(&query));
    let started = Instant::now();
    let outcome = call_backend(frontend.client.clone(), url).await;
    let shuffled = digest(outcome, go_duration(started.elapsed()));
    ([(header::CACHE_CONTROL, "no-store")], Json(shuffled))
}

async fn call_backend<C, RB, E>(client: C, url: String) -> Result<(StatusCode, Bytes), BoxError>
where
    C: Service<Request<Body>, Response = Response<RB>, Error = E>,
    RB: http_body::Body<Data = Bytes>,
    RB::Error: Into<BoxError>,
    E: Into<BoxError>,
{
    // Trace and deadline of the request being served go along by themselves.
    let request = Request::get(url).body(Body::empty())?;
    let response = client.oneshot(request).await.map_err(Into::into)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER)
        .collect()
        .await?;
    Ok((status, body.to_bytes()))
}

fn digest(outcome: Result<(StatusCode, Bytes), BoxError>, duration: String) -> Shuffled {
    let (status, body) = match outcome {
        Ok(answered) => answered,
        Err(error) => return Shuffled::foreign(duration, with_causes(error.as_ref())),
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
        return Shuffled::foreign(duration, received(status, &excerpt(&body)));
    };
    let response = answer.response.filter(|_| status == StatusCode::OK);
    let error = response
        .is_none()
        .then(|| received(status, answer.error.as_deref().unwrap_or("no bird")));
    Shuffled {
        metadata: CallMetadata {
            backend_duration: duration,
            backend_status_code: Some(status.as_u16()),
            backend_hostname: Some(answer.metadata.hostname),
            backend_version: Some(answer.metadata.version),
        },
        response,
        error,
    }
}

impl Shuffled {
    /// The backend's own code had no part in this outcome.
    fn foreign(duration: String, error: String) -> Self {
        Self {
            metadata: CallMetadata {
                backend_duration: duration,
                backend_status_code: None,
                backend_hostname: None,
                backend_version: None,
            },
            response: None,
            error: Some(error),
        }
    }
}

fn received(status: StatusCode, text: &str) -> String {
    format!(
        "received status code {} from backend: {text}",
        status.as_u16()
    )
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().take(LONGEST_TEXT).collect()
}

fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Prints a duration as Go does, in milliseconds, or in microseconds below one of those:
/// `250µs`, `3ms`, `1.002s`, `2m0.5s`.
fn go_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 1_000 {
        return if micros == 0 {
            "0s".to_owned()
        } else {
            format!("{micros}µs")
        };
    }
    let millis = (micros + 500) / 1_000;
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let fraction = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    let seconds = fraction.trim_end_matches('0').trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests;
