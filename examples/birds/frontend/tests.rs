use std::convert::Infallible;
use std::io;
use std::sync::Mutex;

use axum::http::HeaderMap;

use super::*;
use crate::backend::{self, BackendConfig, Version};
use crate::random::Dice;
use tower::service_fn;

fn config() -> FrontendConfig {
    FrontendConfig {
        backend_url: "http://backend".to_owned(),
        mesh_dir: "birds.d".to_owned(),
    }
}

async fn ask(app: Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

/// Shuffles with a backend that gives this answer after some time.
async fn shuffle_with(
    delay: Duration,
    answer: Result<(u16, &'static str), io::Error>,
) -> serde_json::Value {
    serde_json::from_str(&raw_shuffle(delay, answer).await).unwrap()
}

async fn raw_shuffle(delay: Duration, answer: Result<(u16, &'static str), io::Error>) -> String {
    let answer = Arc::new(Mutex::new(Some(answer)));
    let client = service_fn(move |_: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            tokio::time::sleep(delay).await;
            let (status, body) = answer.lock().unwrap().take().unwrap()?;
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, io::Error>(response)
        }
    });
    let (status, _, body) = ask(app(client, config()), "/shuffle").await;
    assert_eq!(status, 200);
    body
}

const MS_3: Duration = Duration::from_millis(3);

#[tokio::test(start_paused = true)]
async fn a_bird_is_handed_on_in_exactly_this_json() {
    let body = raw_shuffle(
        MS_3,
        Ok((
            200,
            r#"{"metadata":{"hostname":"h","version":"v1"},"response":{"name":"n","imageURL":"i","extract":"e"}}"#,
        )),
    )
    .await;
    assert_eq!(
        body,
        concat!(
            r#"{"metadata":{"backendDuration":"3ms","backendStatusCode":200,"backendHostname":"h","#,
            r#""backendVersion":"v1"},"response":{"name":"n","imageURL":"i","extract":"e"}}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_backend_is_handed_on_in_exactly_this_json() {
    let body = raw_shuffle(
        Duration::from_millis(1002),
        Ok((
            503,
            r#"{"metadata":{"hostname":"h","version":"v2"},"error":"gone"}"#,
        )),
    )
    .await;
    assert_eq!(
        body,
        concat!(
            r#"{"metadata":{"backendDuration":"1.002s","backendStatusCode":503,"backendHostname":"h","#,
            r#""backendVersion":"v2"},"error":"received status code 503 from backend: gone"}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_denial_by_the_mesh_is_text_and_leaves_only_the_duration() {
    let body = raw_shuffle(MS_3, Ok((403, "RBAC: access denied\n"))).await;
    assert_eq!(
        body,
        concat!(
            r#"{"metadata":{"backendDuration":"3ms"},"#,
            r#""error":"received status code 403 from backend: RBAC: access denied"}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_leaves_only_the_duration() {
    let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
    let body = raw_shuffle(MS_3, Err(refused)).await;
    assert_eq!(
        body,
        r#"{"metadata":{"backendDuration":"3ms"},"error":"connection refused"}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_leaves_only_the_duration() {
    let hangs =
        service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>());
    let client = tower::ServiceBuilder::new()
        .map_err(|_: tokio::time::error::Elapsed| BoxError::from("no answer within 1s"))
        .service(service_fn(move |request| {
            tokio::time::timeout(Duration::from_secs(1), hangs.oneshot(request))
        }))
        .map_response(|answer| answer.unwrap());
    let (status, _, body) = ask(app(client, config()), "/shuffle").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        r#"{"metadata":{"backendDuration":"1s"},"error":"no answer within 1s"}"#
    );
}

#[tokio::test(start_paused = true)]
async fn every_cause_of_a_transport_error_is_told() {
    let inner = io::Error::other("connection reset");
    let shuffled = shuffle_with(MS_3, Err(io::Error::other(Outer(inner)))).await;
    assert_eq!(shuffled["error"], "sending the request: connection reset");
}

#[derive(Debug)]
struct Outer(io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sending the request")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_not_read_to_its_end() {
    let client = service_fn(|_: Request<Body>| async {
        let endless =
            futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096])));
        Ok::<_, Infallible>(Response::new(Body::from_stream(endless)))
    });
    let (status, _, body) = ask(app(client, config()), "/shuffle").await;
    assert_eq!(status, 200);
    let shuffled: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shuffled["error"], "length limit exceeded");
    assert!(shuffled["metadata"]["backendStatusCode"].is_null());
}

#[tokio::test(start_paused = true)]
async fn only_the_beginning_of_a_long_text_is_shown() {
    let long: &'static str = Box::leak("é".repeat(5_000).into_boxed_str());
    let shuffled = shuffle_with(MS_3, Ok((502, long))).await;
    let error = shuffled["error"].as_str().unwrap();
    assert_eq!(error.matches('é').count(), LONGEST_TEXT);
}

#[tokio::test]
async fn parameters_reach_the_backend_once_each_and_nothing_else_does() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let client = service_fn(move |request: Request<Body>| {
        let (parts, _) = request.into_parts();
        log.lock().unwrap().push(parts);
        async { Ok::<_, Infallible>(Response::new(Body::from("?"))) }
    });
    let request = Request::get("/shuffle?canary=true&delay=0.5&canary=false&x=a%26b")
        .header("cookie", "secret")
        .body(Body::empty())
        .unwrap();
    app(client, config()).oneshot(request).await.unwrap();

    let seen = seen.lock().unwrap();
    let [call] = seen.as_slice() else {
        panic!("{} calls", seen.len())
    };
    assert_eq!(
        call.uri,
        "http://backend/bird?canary=true&delay=0.5&x=a%26b"
    );
    assert!(!call.headers.contains_key("cookie"));
}

#[tokio::test]
async fn frontend_and_backend_understand_each_other() {
    let backend = backend::app(BackendConfig {
        version: Version::V2,
        hostname: "aviary".to_owned(),
        dice: Dice::seeded(3),
    });
    let frontend = app(backend, config());
    let (_, _, body) = ask(frontend.clone(), "/shuffle").await;
    let bird: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(bird["metadata"]["backendVersion"], "v2");
    assert_eq!(bird["metadata"]["backendHostname"], "aviary");

    let picture = bird["response"]["imageURL"].as_str().unwrap();
    let (status, headers, svg) = ask(frontend.clone(), picture).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "image/svg+xml");
    assert!(svg.starts_with("<svg"));

    let (_, _, body) = ask(frontend, "/shuffle?delay=soon").await;
    let failed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(failed["metadata"]["backendStatusCode"], 400);
}

#[tokio::test]
async fn pages_load_nothing_but_their_own_and_run_nothing_inline() {
    let frontend = app(backend::app(BackendConfig::new(Version::V1, "h")), config());
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/admin", "text/html; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/style.css", "text/css; charset=utf-8"),
    ] {
        let (status, headers, body) = ask(frontend.clone(), path).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers["content-type"], kind, "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert!(!body.contains("://") || path == "/static/app.js", "{path}");
        assert!(
            !body.contains("style=") && !body.contains("onclick"),
            "{path}"
        );
    }
    let (status, ..) = ask(frontend.clone(), "/static/birds/dodo.svg").await;
    assert_eq!(status, 404);
    let (_, _, admin) = ask(frontend.clone(), "/admin").await;
    assert!(admin.contains("Private Nest") && admin.contains("birdwatching prohibited"));
    let (_, _, health) = ask(frontend, "/healthz").await;
    assert_eq!(health, r#"{"status":"healthy"}"#);
}

#[test]
fn durations_read_like_go() {
    for (micros, text) in [
        (0, "0s"),
        (250, "250µs"),
        (1_000, "1ms"),
        (3_499, "3ms"),
        (999_499, "999ms"),
        (999_500, "1s"),
        (1_002_000, "1.002s"),
        (1_500_000, "1.5s"),
        (60_000_000, "1m0s"),
        (120_500_000, "2m0.5s"),
        (3_600_000_000, "1h0m0s"),
    ] {
        assert_eq!(go_duration(Duration::from_micros(micros)), text);
    }
}
