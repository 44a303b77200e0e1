//! Rows S: encryption, identity, intentions.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::http::{Http, raw};
use crate::harness::load::{Load, Sample, burst};
use crate::harness::metrics::scrape;
use crate::harness::recorder::Recorder;
use crate::harness::tls::{Caller, certificate, foreign_certificate};
use crate::harness::{Demo, Setup, eventually, process, so};

const INTENTIONS: &str = "backend-intentions.hcl";
const DENIED: &str = "received status code 403 from backend: RBAC: access denied";
/// How long an edit may take to act, from the write on.
const AT_ONCE: Duration = Duration::from_secs(1);

fn deny(demo: &Demo) -> Instant {
    demo.edit(INTENTIONS, "\"allow\"", "\"deny\"")
}

fn allow(demo: &Demo) -> Instant {
    demo.edit(INTENTIONS, "\"deny\"", "\"allow\"")
}

/// What no intention speaks about is denied from now on.
async fn deny_by_default(demo: &Demo) {
    let stranger = Caller::service(demo.dir(), "stranger");
    let (status, _) = stranger.get(demo.ports.v1, "/bird").await.unwrap();
    assert_eq!(status, 200);
    demo.edit("mesh.hcl", "\"allow\"", "\"deny\"");
    for port in [demo.ports.v1, demo.ports.v2, demo.ports.frontend] {
        eventually("a stranger is refused", AT_ONCE, async || {
            let (status, _) = stranger.get(port, "/bird").await?;
            so(status == 403, || status.to_string())
        })
        .await;
    }
}

/// The registration of an instance as the demo writes it, with other ports.
fn registration(template: &str, ports: &[(&str, u16)]) -> String {
    let mut text = template.to_owned();
    for (placeholder, port) in ports {
        text = text.replace(placeholder, &port.to_string());
    }
    text
}

#[tokio::test]
async fn s1_the_wire_between_the_services_carries_tls_records_and_nothing_else() {
    let setup = Setup::new();
    let backend = Recorder::in_front_of(setup.ports.v1).await;
    let frontend = Recorder::in_front_of(setup.ports.frontend).await;
    let v1 = registration(
        include_str!("../../examples/birds/mesh_dir/backend-v1.hcl"),
        &[
            ("@backend_v1_port@", backend.port),
            ("@metrics_backend_v1@", setup.ports.metrics_v1),
        ],
    );
    let page = registration(
        include_str!("../../examples/birds/mesh_dir/frontend.hcl"),
        &[
            ("@frontend_port@", frontend.port),
            ("@upstream_port@", setup.ports.upstream),
            ("@metrics_frontend@", setup.ports.metrics_frontend),
        ],
    );
    let setup = setup
        .file("backend-v1.hcl", &v1)
        .file("frontend.hcl", &page);
    let demo = setup.start().await;
    for sample in burst(&demo.url("/shuffle?marker=plumage"), 40, 4).await {
        assert!(sample.is_bird(), "{sample:?}");
    }
    for recorder in [&backend, &frontend] {
        let streams = recorder.streams();
        let bytes: usize = streams.iter().map(Vec::len).sum();
        assert!(bytes > 10_000, "too little passed the recorder: {bytes}");
        for stream in &streams {
            assert_only_tls_records(stream);
            let text = String::from_utf8_lossy(stream);
            for secret in [
                "HTTP/1.1", "HTTP/2", "GET ", "/bird", "/shuffle", "plumage", "metadata",
            ] {
                assert!(!text.contains(secret), "{secret} is readable");
            }
        }
    }
}

/// Walks over the headers of the TLS records (RFC 8446 section 5.1). The last record may be cut off.
fn assert_only_tls_records(mut stream: &[u8]) {
    while let [kind, 3, 0..=3, high, low, rest @ ..] = stream {
        assert!((20..=23).contains(kind), "a record of type {kind}");
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        assert!(length <= 16_384 + 256, "a record of {length} bytes");
        stream = rest.get(length..).unwrap_or_default();
    }
    assert!(stream.len() < 5, "no TLS record: {:?}", &stream[..5]);
}

#[tokio::test]
async fn s1_a_client_that_speaks_plain_http_gets_a_tls_alert() {
    let (demo, _) = Demo::shared().await;
    for port in [demo.ports.frontend, demo.ports.v1, demo.ports.v2] {
        let answer = raw(port, b"GET /bird HTTP/1.1\r\nhost: backend\r\n\r\n").await;
        let answer = answer.unwrap();
        // An alert is a record of type 21.
        assert_eq!(answer.first(), Some(&21), "{answer:?}");
        assert!(!answer.windows(4).any(|it| it == b"HTTP"));
    }
}

#[tokio::test]
async fn s2_no_certificate_a_foreign_and_an_expired_one_fail_in_three_named_ways() {
    let demo = Setup::new().start().await;
    let (dir, port) = (demo.dir(), demo.ports.v1);
    let two_hours = Duration::from_secs(7_200);
    let cases = [
        (Caller::anonymous(), "CertificateRequired", "no_certificate"),
        (
            Caller::with(&foreign_certificate(dir, "frontend")),
            "UnknownCA",
            "unknown_authority",
        ),
        (
            Caller::with(&certificate(dir, "frontend", two_hours)),
            "CertificateExpired",
            "expired",
        ),
    ];
    for (caller, alert, _) in &cases {
        let told = caller.get(port, "/bird").await.unwrap_err();
        assert_eq!(told, *alert);
    }
    let (status, _) = Caller::service(dir, "frontend")
        .get(port, "/bird")
        .await
        .unwrap();
    assert_eq!(status, 200);
    let metrics = scrape(demo.ports.metrics_v1).await.unwrap();
    for (_, _, reason) in cases {
        let labels = [("side", "server"), ("result", reason)];
        let counted = metrics.sum("mesh_tls_handshakes_total", &labels);
        assert!((counted - 1.0).abs() < f64::EPSILON, "{reason}: {counted}");
    }
}

#[tokio::test]
async fn s3_a_service_is_its_identity_and_not_its_address() {
    let demo = Setup::new().start().await;
    let port = demo.ports.v1;
    deny_by_default(&demo).await;
    for address in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 3, 2, 1]] {
        let frontend = Caller::service(demo.dir(), "frontend").from(address);
        let (status, _) = frontend.get(port, "/bird").await.unwrap();
        assert_eq!(status, 200, "{address:?}");
        // Another identity from the same address is somebody else.
        let stranger = Caller::service(demo.dir(), "stranger").from(address);
        let (status, body) = stranger.get(port, "/bird").await.unwrap();
        assert_eq!((status, body.as_str()), (403, "RBAC: access denied"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_frontend_to_backend_is_denied_and_allowed_again_under_load() {
    let demo = Setup::new().start().await;
    let load = Load::start(&demo.url("/shuffle"), 4, Duration::from_millis(25));
    let since = async |moment: Instant, what: &str, fits: fn(&Sample) -> bool| {
        eventually(what, AT_ONCE, async || {
            let samples = load.since(moment);
            so(samples.iter().filter(|it| fits(it)).count() >= 4, || {
                format!("{:?}", samples.last())
            })
        })
        .await;
    };
    let began = Instant::now();
    since(began, "birds before the edit", Sample::is_bird).await;
    let denied = deny(&demo);
    since(denied, "denials", Sample::is_denied).await;
    let settled = Instant::now();
    since(settled, "denials that go on", Sample::is_denied).await;
    let allowed = allow(&demo);
    since(allowed, "birds again", Sample::is_bird).await;
    let ended = Instant::now();
    since(ended, "birds that go on", Sample::is_bird).await;

    let mut turned_off = None;
    for sample in load.finish().await {
        let one_of_two = sample.is_bird() || sample.is_denied();
        assert!(one_of_two, "neither a bird nor a denial: {sample:?}");
        if sample.is_denied() {
            turned_off.get_or_insert(sample.began + sample.took - denied);
        }
        // A request that overlaps an edit may be judged by either rule, no other.
        let between =
            |from: Instant, to: Instant| sample.began > from && sample.began + sample.took < to;
        assert!(!between(began, denied) || sample.is_bird(), "{sample:?}");
        assert!(
            !between(settled, allowed) || sample.is_denied(),
            "{sample:?}"
        );
        assert!(sample.began <= ended || sample.is_bird(), "{sample:?}");
    }
    println!("first denial {:?} after the write", turned_off.unwrap());
}

#[tokio::test]
async fn s5_the_policy_by_default_is_one_setting_that_has_to_be_there() {
    let setup = Setup::new().file("mesh.hcl", "# nothing\n");
    let args = setup.common_args();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let ended = process::run(&args, &[], Duration::from_secs(30)).await;
    let (code, text) = ended.expect("it does not start");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("default_intention_policy"), "{text}");

    // With "deny" whoever is not named stays outside; the demo's own calls are named.
    let demo = Setup::new().start().await;
    deny_by_default(&demo).await;
    assert_eq!(demo.version("").await.unwrap(), "v1");
    demo.remove(INTENTIONS);
    eventually("nobody is named", AT_ONCE * 3, async || {
        let answer = demo.shuffle("").await?;
        so(answer["error"] == DENIED, || answer.to_string())
    })
    .await;
}

#[tokio::test]
async fn s6_a_flipped_intention_acts_on_a_connection_that_is_open() {
    let demo = Setup::new().start().await;
    let caller = Caller::service(demo.dir(), "frontend");
    let mut connection = caller.http2(demo.ports.v1).await.unwrap();
    assert_eq!(connection.get("/bird").await.unwrap().status, 200);

    let flipped = deny(&demo);
    let denial = eventually("a denial on the open connection", AT_ONCE, async || {
        let answer = connection.get("/bird").await?;
        so(answer.status == 403, || format!("{answer:?}"))?;
        Ok(answer)
    })
    .await;
    println!("write to first denial: {:?}", flipped.elapsed());
    assert_eq!(denial.body, "RBAC: access denied");
    assert_eq!(denial.headers["content-type"], "text/plain");
    assert_eq!(denial.headers["content-length"], "19");

    allow(&demo);
    eventually("birds on the same connection", AT_ONCE, async || {
        let answer = connection.get("/bird").await?;
        so(answer.status == 200, || format!("{answer:?}"))
    })
    .await;
}

#[tokio::test]
async fn s7_the_page_shows_the_reason_of_a_denial() {
    let demo = Setup::new().start().await;
    deny(&demo);
    let answer = eventually("a denial", AT_ONCE, async || {
        let answer = demo.shuffle("").await?;
        so(answer["error"].is_string(), || answer.to_string())?;
        Ok(answer)
    })
    .await;
    // Not JSON, so the mesh and not the backend answered: nothing but the duration is known.
    assert_eq!(answer["error"], DENIED);
    let metadata = answer["metadata"].as_object().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["backendDuration"]);
    assert!(answer.get("response").is_none());
    // What the page makes of it: it looks for the status in the text.
    let script = demo.get("/static/app.js").await.unwrap().body;
    assert!(script.contains("/status code 403/.test(answer.error)"));
}

#[tokio::test]
async fn s9_the_private_nest_stays_closed_however_it_is_spelled() {
    let (demo, _) = Demo::shared().await;
    let nest = "Private";
    for path in [
        "/admin",
        "/admin/",
        "/admin?x=1",
        "/admin/x",
        "/administration",
        "/%61dmin",
        "/%61%64%6D%69%6e",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/%2e/admin",
        "/shuffle/../admin",
        "/shuffle\\..\\admin",
    ] {
        let answer = demo.get(path).await.unwrap();
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert_eq!(answer.body, "RBAC: access denied", "{path}");
    }
    // Other paths than /admin to the rule and to the application alike, as in Consul unless it is told otherwise.
    for path in [
        "//admin",
        "/%2Fadmin",
        "/x/..%2fadmin",
        "/x/%2e%2e%2fadmin",
        "/ADMIN",
        "/%2561dmin",
        "/;/admin",
    ] {
        let answer = demo.get(path).await.unwrap();
        assert_ne!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains(nest), "{path}: {answer:?}");
    }
    for path in ["/", "/shuffle", "/healthz", "/static/app.js"] {
        assert_eq!(demo.get(path).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn s9_the_nest_opens_when_its_permission_goes() {
    let demo = Setup::new().start().await;
    assert_eq!(demo.get("/admin").await.unwrap().status, 403);
    demo.edit("frontend-intentions.hcl", "\"deny\"", "\"allow\"");
    let page = eventually("the nest is open", AT_ONCE, async || {
        let answer = demo.get("/admin").await?;
        so(answer.status == 200, || format!("{answer:?}"))?;
        Ok(answer.body)
    })
    .await;
    assert!(page.contains("Private"), "{page}");
}

#[tokio::test]
async fn s10_a_direct_call_to_the_backend_fails_and_the_same_through_the_gateway_succeeds() {
    let (demo, _) = Demo::shared().await;
    for port in [demo.ports.v1, demo.ports.v2, demo.ports.frontend] {
        let url = format!("http://127.0.0.1:{port}/bird");
        assert!(Http::new().get(&url).await.is_err());
        assert!(Caller::anonymous().get(port, "/bird").await.is_err());
    }
    assert_eq!(demo.get("/shuffle").await.unwrap().status, 200);
}

#[tokio::test]
async fn s11_no_socket_speaks_plaintext_but_those_that_are_asked_for() {
    let (demo, _) = Demo::shared().await;
    let ports = &demo.ports;
    let mut plain = Vec::new();
    let mut processes = process::children(demo.pid);
    assert_eq!(processes.len(), 4, "{processes:?}");
    processes.push((demo.pid, Vec::new()));
    let mut known: Vec<_> = ports.options().map(|(_, port)| port).to_vec();
    known.sort_unstable();
    let mut bound = Vec::new();
    for (pid, _) in &processes {
        for address in process::listening(*pid) {
            assert!(
                address.ip().is_loopback(),
                "{address} is reachable from outside"
            );
            bound.push(address.port());
            let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            let answer = raw(address.port(), request).await.unwrap_or_default();
            if answer.starts_with(b"HTTP/") {
                plain.push(address.port());
            }
        }
    }
    bound.sort_unstable();
    assert_eq!(bound, known, "a socket that the mesh does not know of");
    let mut allowed = ports.metrics().to_vec();
    // The upstream's port is there because the frontend's registration asks for it with `local_bind_port`.
    allowed.extend([ports.gateway, ports.upstream]);
    allowed.sort_unstable();
    plain.sort_unstable();
    assert_eq!(plain, allowed);
}
