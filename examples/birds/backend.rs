//! The backend: shows one bird after the other, and fails or dawdles when it is asked to.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /bird` | 200 and the next bird in order |
//! | `GET /bird?delay=1.5` | the same after 1.5 seconds |
//! | `GET /bird?error-rate=50` | 503 for about half of the requests |
//! | `GET /healthz` | 200 `{"status":"healthy"}` |
//!
//! - A successful answer is `{"metadata":{…},"response":{…}}`, a failed one `{"metadata":{…},"error":"…"}`;
//!   the metadata names the host and the version that answered.
//! - The delay comes before the draw for an error, so a failure takes as long as a success.
//! - `error-rate` is a whole number `rate` from 0 to 100. A request fails if `rate >= draw` where
//!   `draw` is one of the 101 numbers from 0 to 100: 1 means 2/101 (1.98 %), 50 means 51/101 (50.5 %)
//!   and 100 means always. 0 is taken for "not given" and never fails.
//! - A caller that gives up takes the delay with it: the handler is dropped, and no work is done
//!   for an answer that nobody awaits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::flock::{Bird, CANARIES, WORLD};
use crate::query::{self, Pairs};
use crate::random::Dice;

/// The longest delay that may be asked for, in seconds.
const LONGEST_DELAY: f64 = 3600.0;

/// Which birds a backend shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Birds of all kinds.
    V1,
    /// Canaries.
    V2,
}

impl Version {
    /// The version as it stands in answers and in the registration's `version` meta key.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    fn birds(self) -> &'static [Bird] {
        match self {
            Self::V1 => WORLD,
            Self::V2 => CANARIES,
        }
    }
}

impl std::str::FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(format!("VERSION must be v1 or v2, not {text:?}")),
        }
    }
}

/// What makes one backend differ from another.
#[derive(Debug, Clone)]
pub(crate) struct BackendConfig {
    /// Which birds it shows.
    pub(crate) version: Version,
    /// The name under which it answers.
    pub(crate) hostname: String,
    /// Decides which requests fail.
    pub(crate) dice: Dice,
}

impl BackendConfig {
    /// A backend whose failures nobody can foresee.
    pub(crate) fn new(version: Version, hostname: impl Into<String>) -> Self {
        Self {
            version,
            hostname: hostname.into(),
            dice: Dice::from_entropy(),
        }
    }
}

/// The answer of `GET /bird`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Who answered.
    pub(crate) metadata: Metadata,
    /// The bird, if all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Sighting>,
    /// The reason, if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Who answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Metadata {
    /// The host's name.
    pub(crate) hostname: String,
    /// `v1` or `v2`.
    pub(crate) version: String,
}

/// A bird as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sighting {
    /// Its name.
    pub(crate) name: String,
    /// The path of its picture at the frontend.
    #[serde(rename = "imageURL")]
    pub(crate) image_url: String,
    /// Something worth knowing about it.
    pub(crate) extract: String,
}

impl From<&Bird> for Sighting {
    fn from(bird: &Bird) -> Self {
        Self {
            name: bird.name.to_owned(),
            image_url: format!("/static/birds/{}.svg", bird.slug),
            extract: bird.extract.to_owned(),
        }
    }
}

#[derive(Debug)]
struct Backend {
    config: BackendConfig,
    next: AtomicUsize,
}

/// The whole backend as a service.
pub(crate) fn app(config: BackendConfig) -> Router {
    let backend = Arc::new(Backend {
        config,
        next: AtomicUsize::new(0),
    });
    Router::new()
        .route("/bird", get(bird))
        .route("/healthz", get(healthz))
        .with_state(backend)
}

/// The answer of `GET /healthz`, the same for every service.
pub(crate) async fn healthz() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "healthy" }))
}

async fn bird(State(backend): State<Arc<Backend>>, Query(query): Query<Pairs>) -> Response {
    let wish = match Wish::read(&query) {
        Ok(wish) => wish,
        Err(reason) => return backend.failure(StatusCode::BAD_REQUEST, reason),
    };
    if !wish.delay.is_zero() {
        tokio::time::sleep(wish.delay).await;
    }
    if wish.error_rate > 0 && wish.error_rate >= backend.config.dice.percent() {
        return backend.failure(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the bird flew away (error-rate={})", wish.error_rate),
        );
    }
    backend.success()
}

impl Backend {
    fn success(&self) -> Response {
        let birds = self.config.version.birds();
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % birds.len();
        let bird = birds.get(turn).map(Sighting::from);
        self.answer(StatusCode::OK, bird, None)
    }

    fn failure(&self, status: StatusCode, reason: String) -> Response {
        self.answer(status, None, Some(reason))
    }

    fn answer(
        &self,
        status: StatusCode,
        response: Option<Sighting>,
        error: Option<String>,
    ) -> Response {
        let metadata = Metadata {
            hostname: self.config.hostname.clone(),
            version: self.config.version.as_str().to_owned(),
        };
        let answer = Answer {
            metadata,
            response,
            error,
        };
        (status, Json(answer)).into_response()
    }
}

/// What the caller wants to happen.
#[derive(Debug, PartialEq)]
struct Wish {
    delay: Duration,
    error_rate: u8,
}

impl Wish {
    fn read(query: &Pairs) -> Result<Self, String> {
        Ok(Self {
            delay: delay(query::first(query, "delay"))?,
            error_rate: error_rate(query::first(query, "error-rate"))?,
        })
    }
}

fn delay(text: Option<&str>) -> Result<Duration, String> {
    let Some(text) = text else {
        return Ok(Duration::ZERO);
    };
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=LONGEST_DELAY).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| {
            format!("delay must be a number of seconds from 0 to {LONGEST_DELAY}, not {text:?}")
        })
}

fn error_rate(text: Option<&str>) -> Result<u8, String> {
    let Some(text) = text else {
        return Ok(0);
    };
    text.parse()
        .ok()
        .filter(|rate| *rate <= 100)
        .ok_or_else(|| format!("error-rate must be a whole number from 0 to 100, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tokio::time::Instant;
    use tower::ServiceExt;

    fn seeded(version: Version) -> Router {
        app(BackendConfig {
            version,
            hostname: "h".to_owned(),
            dice: Dice::seeded(1),
        })
    }

    async fn ask(app: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_bird_is_told_in_exactly_this_json() {
        let (status, body) = ask(&seeded(Version::V1), "/bird").await;
        assert_eq!(status, 200);
        assert_eq!(
            body,
            concat!(
                r#"{"metadata":{"hostname":"h","version":"v1"},"response":{"name":"European robin","#,
                r#""imageURL":"/static/birds/european-robin.svg","extract":"Robins hold territories "#,
                r#"all winter, and both sexes sing to defend them. Near street lamps they may sing "#,
                r#"through the night."}}"#
            )
        );
    }

    #[tokio::test]
    async fn a_failure_is_told_in_exactly_this_json() {
        let (status, body) = ask(&seeded(Version::V2), "/bird?error-rate=100").await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            r#"{"metadata":{"hostname":"h","version":"v2"},"error":"the bird flew away (error-rate=100)"}"#
        );
    }

    #[tokio::test]
    async fn birds_come_in_order_and_begin_again() {
        let app = seeded(Version::V2);
        for bird in CANARIES.iter().chain(CANARIES.first()) {
            let (_, body) = ask(&app, "/bird").await;
            let answer: Answer = serde_json::from_str(&body).unwrap();
            assert_eq!(answer.response, Some(Sighting::from(bird)));
        }
    }

    #[tokio::test]
    async fn a_value_that_makes_no_sense_is_refused_with_the_reason() {
        let app = seeded(Version::V1);
        for query in [
            "delay=soon",
            "delay=-1",
            "delay=NaN",
            "delay=inf",
            "delay=3601",
            "error-rate=101",
            "error-rate=-1",
            "error-rate=1.5",
            "error-rate=half",
            "error-rate=300",
        ] {
            let (status, body) = ask(&app, &format!("/bird?{query}")).await;
            assert_eq!(status, 400, "{query}");
            let answer: Answer = serde_json::from_str(&body).unwrap();
            let (name, value) = query.split_once('=').unwrap();
            let error = answer.error.unwrap();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_comes_before_the_failure() {
        let started = Instant::now();
        let (status, _) = ask(&seeded(Version::V1), "/bird?delay=2.5&error-rate=100").await;
        assert_eq!(status, 503);
        assert_eq!(started.elapsed().as_millis(), 2500);
    }

    #[tokio::test]
    async fn failures_are_as_frequent_as_the_draw_says() {
        for (rate, expected) in [(0, 0.0), (1, 2.0 / 101.0), (50, 51.0 / 101.0), (100, 1.0)] {
            let app = seeded(Version::V1);
            let mut failed = 0_u32;
            let trials = 4_000_u32;
            for _ in 0..trials {
                let (status, _) = ask(&app, &format!("/bird?error-rate={rate}")).await;
                failed += u32::from(status == 503);
            }
            let expected: f64 = expected;
            let seen = f64::from(failed) / f64::from(trials);
            let deviation = (expected * (1.0 - expected) / f64::from(trials)).sqrt();
            assert!((seen - expected).abs() <= 4.0 * deviation, "{rate}: {seen}");
        }
    }

    #[tokio::test]
    async fn health_is_one_word() {
        let (status, body) = ask(&seeded(Version::V1), "/healthz").await;
        assert_eq!((status, body.as_str()), (200, r#"{"status":"healthy"}"#));
    }

    #[test]
    fn there_is_no_third_version() {
        assert_eq!("v1".parse(), Ok(Version::V1));
        assert_eq!("v2".parse(), Ok(Version::V2));
        for other in ["v3", "V1", "", "1"] {
            assert!(other.parse::<Version>().unwrap_err().contains("v1 or v2"));
        }
    }
}
