//! Rows P: one command, the services' own answers, the environment, the end.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::http::Http;
use crate::harness::metrics::scrape;
use crate::harness::process::{self, Process, binary, is_alive, signal};
use crate::harness::tls::Caller;
use crate::harness::{Demo, Setup, eventually, ports, so};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn p2_four_services_have_the_names_ports_and_meta_of_the_original() {
    let (demo, _) = Demo::shared().await;
    let listens = |role: &str| -> BTreeSet<u16> {
        let sockets = process::listening(demo.role(role));
        sockets.iter().map(std::net::SocketAddr::port).collect()
    };
    let ports = &demo.ports;
    for (role, expected) in [
        ("backend-v1", vec![ports.v1, ports.metrics_v1]),
        ("backend-v2", vec![ports.v2, ports.metrics_v2]),
        (
            "frontend",
            vec![ports.frontend, ports.upstream, ports.metrics_frontend],
        ),
        (
            "gateway",
            vec![ports.gateway, ports.gateway_mesh, ports.metrics_gateway],
        ),
    ] {
        assert_eq!(listens(role), expected.into_iter().collect(), "{role}");
    }
    for (file, parts) in [
        ("backend-v1.hcl", ["name    = \"backend\"", "\"v1\""]),
        ("backend-v2.hcl", ["name    = \"backend\"", "\"v2\""]),
        (
            "frontend.hcl",
            ["name    = \"frontend\"", "prometheus_port"],
        ),
        (
            "ingress-gateway-service.hcl",
            ["kind    = \"ingress-gateway\"", "prometheus_port"],
        ),
    ] {
        let text = demo.read(file);
        assert!(
            parts.iter().all(|part| text.contains(part)),
            "{file}: {text}"
        );
    }
    let (code, help) = process::run(&["--help"], &[], PATIENCE).await.unwrap();
    assert_eq!(code, Some(0));
    for port in [
        "8080", "20000", "6060", "6001", "7000", "7001", "20200", "20201", "20202", "20203",
    ] {
        assert!(
            help.contains(&format!("[{port}]")),
            "{port} is no default: {help}"
        );
    }
}

#[tokio::test]
async fn p5_the_environment_speaks_as_in_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().display().to_string();
    for (name, value, role) in [
        ("VERSION", "v3", "backend"),
        ("BIND_ADDR", "6060", "frontend"),
        ("BACKEND_URL", "backend", "frontend"),
        ("TRACING_URL", "http://example.com:9411", "frontend"),
    ] {
        let args = ["--dir", &dir, "--role", role];
        let (code, text) = process::run(&args, &[(name, value)], PATIENCE)
            .await
            .unwrap();
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn p5_a_backend_takes_its_address_and_its_version_from_the_environment() {
    let setup = Setup::new();
    let address = format!("127.0.0.1:{}", ports::free());
    let mut args = setup.common_args();
    args.extend(["--role".to_owned(), "backend".to_owned()]);
    let env = [("BIND_ADDR", address.as_str()), ("VERSION", "v2")];
    let process = Process::role(&args, &env);
    eventually("it is ready", PATIENCE, async || {
        so(process.output.contains(&format!("ready {address}")), || {
            process.output.text()
        })
    })
    .await;
    let frontend = Caller::service(setup.dir.path(), "frontend");
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let (status, body) = frontend.get(port, "/bird").await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["metadata"]["version"]), (200, &"v2".into()));
}

#[tokio::test]
async fn p6_birds_come_in_order_at_least_thirty_five_of_all_kinds_and_fourteen_canaries() {
    let demo = Setup::new().start().await;
    let frontend = Caller::service(demo.dir(), "frontend");
    for (port, version, least) in [(demo.ports.v1, "v1", 35), (demo.ports.v2, "v2", 14)] {
        let mut connection = frontend.http2(port).await.unwrap();
        let mut names = Vec::new();
        for _ in 0..3 * least {
            let answer = connection.get("/bird").await.unwrap();
            assert_eq!(answer.headers["content-type"], "application/json");
            let json = answer.json();
            let object = |value: &serde_json::Value| -> Vec<String> {
                value.as_object().unwrap().keys().cloned().collect()
            };
            assert_eq!(object(&json), ["metadata", "response"]);
            assert_eq!(object(&json["metadata"]), ["hostname", "version"]);
            assert_eq!(object(&json["response"]), ["extract", "imageURL", "name"]);
            assert_eq!(json["metadata"]["version"], version);
            names.push(json["response"]["name"].as_str().unwrap().to_owned());
        }
        // All are different until they begin again, and then the same come in the same order.
        let kinds = names.iter().collect::<BTreeSet<_>>().len();
        assert!(kinds >= least, "{names:?}");
        assert!(kinds < names.len(), "{names:?}");
        assert_eq!(names[kinds..], names[..names.len() - kinds]);
    }
    let failed = frontend
        .get(demo.ports.v1, "/bird?error-rate=100")
        .await
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&failed.1).unwrap();
    assert_eq!(failed.0, 503);
    assert!(
        json["error"].is_string() && json.get("response").is_none(),
        "{json}"
    );
}

#[tokio::test]
async fn p7_the_draw_is_that_of_the_original_and_bad_values_are_refused() {
    let (demo, _) = Demo::shared().await;
    let frontend = Caller::service(demo.dir(), "frontend");
    let mut connection = frontend.http2(demo.ports.v2).await.unwrap();
    for (rate, share) in [(1, 2.0 / 101.0), (50, 51.0 / 101.0), (100, 1.0)] {
        let share: f64 = share;
        let trials = 1_500;
        let mut failed = 0;
        for _ in 0..trials {
            let answer = connection
                .get(&format!("/bird?error-rate={rate}"))
                .await
                .unwrap();
            assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
            failed += usize::from(answer.status == 503);
        }
        let seen = failed as f64 / f64::from(trials);
        let deviation = (share * (1.0 - share) / f64::from(trials)).sqrt();
        assert!((seen - share).abs() <= 5.0 * deviation, "{rate}: {seen}");
    }
    for query in ["delay=soon", "delay=-1", "error-rate=101", "error-rate=x"] {
        let answer = connection.get(&format!("/bird?{query}")).await.unwrap();
        assert_eq!(answer.status, 400, "{query}");
        let (name, _) = query.split_once('=').unwrap();
        assert!(answer.json()["error"].as_str().unwrap().contains(name));
    }
    // The delay comes before the draw.
    let began = Instant::now();
    let answer = connection
        .get("/bird?delay=0.3&error-rate=100")
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

/// Replaces what differs from run to run.
fn golden(body: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(body).unwrap();
    let metadata = json["metadata"].as_object_mut().unwrap();
    let duration = metadata["backendDuration"].as_str().unwrap();
    let unit = duration.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    assert!(matches!(unit, "µs" | "ms" | "s"), "{duration}");
    let order: Vec<_> = ["\"metadata\"", "\"response\"", "\"error\""]
        .iter()
        .filter_map(|key| body.find(key))
        .collect();
    assert!(order.is_sorted(), "{body}");
    metadata["backendDuration"] = "D".into();
    if let Some(host) = metadata.get_mut("backendHostname") {
        assert!(host.as_str().unwrap().starts_with("backend-v1-"), "{host}");
        *host = "H".into();
    }
    if let Some(bird) = json.get_mut("response") {
        assert_eq!(bird.as_object().unwrap().len(), 3, "{bird}");
        *bird = "B".into();
    }
    json.to_string()
}

#[tokio::test]
async fn p8_a_shuffle_is_200_and_says_in_json_what_became_of_the_call() {
    let slow = "Kind = \"service-router\"\nName = \"backend\"\nRoutes = [\n  {\n    Match = { HTTP = { PathPrefix = \"/\" } }\n    \
                Destination = { RequestTimeout = \"500ms\" }\n  }\n]\n";
    let demo = Setup::new().file("backend-router.hcl", slow).start().await;
    let shuffle = async |query: &str| {
        let answer = demo.get(&format!("/shuffle{query}")).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        golden(&answer.body)
    };
    let answered = |status: u16, rest: &str| {
        format!(
            r#"{{{rest}"metadata":{{"backendDuration":"D","backendHostname":"H","backendStatusCode":{status},"backendVersion":"v1"}}"#
        )
    };
    assert_eq!(shuffle("").await, answered(200, "") + r#","response":"B"}"#);
    assert_eq!(
        shuffle("?error-rate=100").await,
        answered(
            503,
            r#""error":"received status code 503 from backend: the bird flew away (error-rate=100)","#
        ) + "}"
    );
    // Nobody but the mesh had a part in the next three. The time limit ends the wait of the caller and the work of
    // the callee; either may be the first to say so.
    let foreign =
        |error: &str| format!(r#"{{"error":"{error}","metadata":{{"backendDuration":"D"}}}}"#);
    let late = shuffle("?delay=5").await;
    let told = [
        r#"{"error":"the request timed out"#,
        r#"{"error":"received status code 504 from backend: the deadline of the request has passed"#,
    ];
    assert!(told.iter().any(|it| late.starts_with(it)), "{late}");
    assert!(
        late.ends_with(r#","metadata":{"backendDuration":"D"}}"#),
        "{late}"
    );

    demo.edit("backend-intentions.hcl", "\"allow\"", "\"deny\"");
    let denied = foreign("received status code 403 from backend: RBAC: access denied");
    eventually("a denial", Duration::from_secs(1), async || {
        let answer = shuffle("").await;
        so(answer == denied, || answer)
    })
    .await;

    signal(demo.role("backend-v1"), "KILL");
    eventually("nobody answers", Duration::from_secs(5), async || {
        let answer = shuffle("").await;
        let error = answer.strip_suffix(r#","metadata":{"backendDuration":"D"}}"#);
        let told =
            error.is_some_and(|it| it.contains("no healthy endpoint") || it.contains("connection"));
        so(told, || answer)
    })
    .await;
}

#[tokio::test]
async fn p9_the_page_has_what_the_original_has() {
    let (demo, _) = Demo::shared().await;
    let page = demo.get("/?canary=true").await.unwrap().body;
    for id in ["shuffle", "auto", "error-rate", "delay", "version"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let script = demo.get("/static/app.js").await.unwrap();
    assert!(
        script.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/javascript")
    );
    for part in [
        "EVERY_MS = 2000",
        "localStorage",
        "URLSearchParams(location.search).get(\"canary\")",
        "\"x-client-trace-id\": \"1\"",
        "backendVersion",
    ] {
        assert!(script.body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn p10_both_services_say_that_they_are_healthy() {
    let (demo, _) = Demo::shared().await;
    let healthy = r#"{"status":"healthy"}"#;
    assert_eq!(demo.get("/healthz").await.unwrap().body, healthy);
    let frontend = Caller::service(demo.dir(), "frontend");
    for port in [demo.ports.v1, demo.ports.v2] {
        let answer = frontend.get(port, "/healthz").await.unwrap();
        assert_eq!((answer.0, answer.1.as_str()), (200, healthy));
    }
    assert_eq!(demo.get("/static/style.css").await.unwrap().status, 200);
    assert_eq!(demo.get("/static/none").await.unwrap().status, 404);
}

#[tokio::test]
async fn p12_one_command_brings_everything_up_and_writes_what_is_missing() {
    let began = Instant::now();
    let demo = Setup::new().start().await;
    println!("from the command to the first bird: {:?}", began.elapsed());
    let mut files: Vec<_> = std::fs::read_dir(demo.dir())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".hcl"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 12, "{files:?}");
    // The first request after the start finds every door open.
    let output = demo.output().text();
    for role in ["gateway", "frontend", "backend-v1", "backend-v2"] {
        assert!(
            output.contains(&format!("{role} | listens on 127.0.0.1:")),
            "{output}"
        );
    }
}

#[tokio::test]
async fn p14_in_one_process_the_same_rules_hold_and_nobody_borrows_an_identity() {
    let demo = Setup::new().one_process().start().await;
    assert_eq!(demo.version("").await.as_deref(), Ok("v1"));
    assert_eq!(demo.version("?canary=true").await.as_deref(), Ok("v2"));
    assert_eq!(demo.get("/admin").await.unwrap().status, 403);
    for port in [demo.ports.metrics_v1, demo.ports.metrics_v2] {
        let metrics = scrape(port).await.unwrap();
        let sources = metrics.values("mesh_server_requests_total", "source");
        assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["frontend"]);
    }
    let metrics = scrape(demo.ports.metrics_frontend).await.unwrap();
    let sources = metrics.values("mesh_server_requests_total", "source");
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["ingress-gateway"]);
    demo.edit("backend-intentions.hcl", "\"allow\"", "\"deny\"");
    eventually("a denial", Duration::from_secs(1), async || {
        let answer = demo.shuffle("").await?;
        let denied = "received status code 403 from backend: RBAC: access denied";
        so(answer["error"] == denied, || answer.to_string())
    })
    .await;
}

#[tokio::test]
async fn an_interrupt_stops_every_process_within_two_seconds() {
    for one_process in [false, true] {
        let setup = if one_process {
            Setup::new().one_process()
        } else {
            Setup::new()
        };
        let demo = setup.start().await;
        // A request that would take longer than that is under way.
        let url = demo.url("/shuffle?delay=30");
        let slow = tokio::spawn(async move { Http::new().get(&url).await });
        eventually(
            "the slow request is with the backend",
            PATIENCE,
            async || {
                let metrics = scrape(demo.ports.metrics_v1).await?;
                let active = metrics.sum("mesh_server_requests_active", &[]);
                so(active > 0.0, || active.to_string())
            },
        )
        .await;
        let mut all = process::children(demo.pid);
        assert_eq!(all.len(), if one_process { 0 } else { 4 });
        all.push((demo.pid, Vec::new()));
        signal(demo.pid, "INT");
        let asked = Instant::now();
        eventually("everything ends", Duration::from_secs(2), async || {
            let left: Vec<_> = all.iter().filter(|(pid, _)| is_alive(*pid)).collect();
            so(left.is_empty(), || format!("{left:?}"))
        })
        .await;
        println!("gone {:?} after the interrupt", asked.elapsed());
        slow.abort();
    }
}

#[tokio::test]
async fn an_interrupt_is_no_failure() {
    let setup = Setup::new();
    let mut command = tokio::process::Command::new(binary());
    command
        .args(setup.common_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let url = format!("http://127.0.0.1:{}/healthz", setup.ports.gateway);
    eventually("the front door", PATIENCE, async || {
        Http::new().get(&url).await
    })
    .await;
    signal(child.id().unwrap(), "INT");
    let status = tokio::time::timeout(Duration::from_secs(3), child.wait()).await;
    assert!(status.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_busy_port_is_named_and_nothing_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = taken.local_addr().unwrap().port().to_string();
    let setup = Setup::new();
    for (option, _) in setup.ports.options() {
        let mut args = setup.common_args();
        args.extend([option.to_owned(), number.clone()]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let (code, text) = process::run(&args, &[], PATIENCE).await.unwrap();
        assert_eq!(code, Some(1), "{option}: {text}");
        assert!(
            text.contains(&format!("port {number}")) && text.contains(option),
            "{text}"
        );
    }
    assert!(!setup.dir.path().join("mesh.hcl").exists());
}

#[tokio::test]
async fn a_role_whose_port_is_busy_says_so_and_ends() {
    for busy in ["--backend-v1-port", "--metrics-backend-v1"] {
        let setup = Setup::new();
        let mut ports = setup.ports.options().into_iter();
        let (_, port) = ports.find(|(option, _)| *option == busy).unwrap();
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut args = setup.common_args();
        args.extend(["--role".to_owned(), "backend-v1".to_owned()]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let ended = process::run(&args, &[], PATIENCE).await;
        let (code, text) = ended.expect("it ends");
        drop(taken);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        // And why.
        assert!(text.contains("in use"), "{text}");
    }
}

#[tokio::test]
async fn p3_an_ordinary_user_without_any_capability_runs_it() {
    use std::os::unix::fs::{MetadataExt, chown};

    const NOBODY: u32 = 65_534;
    let setup = Setup::new();
    let home = tempfile::tempdir().unwrap();
    let binary = home.path().join("birds");
    std::fs::copy(process::binary(), &binary).unwrap();
    let mut command = tokio::process::Command::new(&binary);
    command.args(setup.common_args()).kill_on_drop(true);
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        for path in [home.path(), setup.dir.path(), binary.as_path()] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut demo = command.current_dir(home.path()).spawn().unwrap();
    let url = format!("http://localhost:{}/shuffle", setup.ports.gateway);
    eventually("a bird", PATIENCE, async || {
        let answer = Http::new().get(&url).await?;
        so(
            answer.status == 200 && answer.json()["response"].is_object(),
            || format!("{answer:?}"),
        )
    })
    .await;
    let pid = demo.id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
    };
    assert_eq!(
        u64::from_str_radix(field("CapEff:"), 16).unwrap(),
        0,
        "{status}"
    );
    assert!(
        !field("Uid:").split_whitespace().any(|uid| uid == "0"),
        "{status}"
    );
    signal(pid, "INT");
    assert!(demo.wait().await.unwrap().success());
}
