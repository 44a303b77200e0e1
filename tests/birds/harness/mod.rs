//! Starts the demo as its user does, in processes of its own on ports of its own, and looks at it from outside.

pub(crate) mod collector;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod tls;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use self::collector::Collector;
use self::http::{Answer, Http};
use self::ports::Ports;
use self::process::{Output, Process};

/// How long the demo may take to start. Generous: unoptimised, on a machine that does other things as well.
const START: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none in time; with what was expected and the last reason why not.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(why) if began.elapsed() > within => panic!("{what}: not within {within:?}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// `Ok` if it is so.
pub(crate) fn so(is: bool, else_say: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(else_say()) }
}

/// How a demo is to be started.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) ports: Ports,
    zipkin: Option<u16>,
    args: Vec<String>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ports: Ports::pick(),
            zipkin: None,
            args: Vec::new(),
        }
    }

    /// Puts a file into the mesh directory before the demo does.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    /// Sends traces to this port.
    pub(crate) fn zipkin(mut self, port: u16) -> Self {
        self.zipkin = Some(port);
        self
    }

    pub(crate) fn one_process(mut self) -> Self {
        self.args.push("--one-process".to_owned());
        self
    }

    /// The arguments with which any process of this demo agrees with the others.
    pub(crate) fn common_args(&self) -> Vec<String> {
        // Nobody listens on port 9 of a test machine; the default may be somebody's real collector.
        let zipkin = self.zipkin.unwrap_or(9);
        let mut args = vec![
            "--dir".to_owned(),
            self.dir.path().display().to_string(),
            "--zipkin".to_owned(),
            format!("http://127.0.0.1:{zipkin}"),
        ];
        for (option, port) in self.ports.options() {
            args.extend([option.to_owned(), port.to_string()]);
        }
        args
    }

    /// Starts it, and waits until birds come through the gateway, from both versions if the rules let them.
    pub(crate) async fn start(self) -> Demo {
        let demo = self.start_unready().await;
        for query in ["", "?canary=true"] {
            eventually("the first birds", START, async || {
                let answer = demo.shuffle(query).await?;
                so(answer["response"].is_object(), || answer.to_string())
            })
            .await;
        }
        demo
    }

    /// Starts it, and waits until it says that it is ready.
    pub(crate) async fn start_unready(self) -> Demo {
        let common = self.common_args();
        let mut args = common.clone();
        args.extend(self.args);
        let process = Process::demo(&args);
        let pid = eventually("the demo's start", START, async || {
            let text = process.output.text();
            let pid = text.split("the demo is process ").nth(1);
            let pid = pid.and_then(|rest| rest.lines().next()?.parse().ok());
            let pid = pid.ok_or("no process yet")?;
            let ready = text.contains("Ctrl-C stops everything");
            assert!(ready || process::is_alive(pid), "it ended: {text}");
            so(ready, || text)?;
            Ok(pid)
        })
        .await;
        Demo {
            ports: self.ports,
            dir: self.dir,
            args: common,
            pid,
            process,
        }
    }
}

/// A demo that runs. It ends with this value.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) ports: Ports,
    /// The supervisor's process.
    pub(crate) pid: u32,
    args: Vec<String>,
    process: Process,
    // Last, so that it is removed when nobody reads it any more.
    dir: TempDir,
}

impl Demo {
    /// A demo with a collector for all tests that change nothing.
    pub(crate) async fn shared() -> (&'static Self, &'static Collector) {
        static SHARED: OnceCell<(Demo, Collector)> = OnceCell::const_new();
        let start = async || {
            let collector = Collector::start();
            let demo = Setup::new().zipkin(collector.port).start().await;
            (demo, collector)
        };
        let (demo, collector) = SHARED.get_or_init(start).await;
        (demo, collector)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn output(&self) -> &Output {
        &self.process.output
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.gateway)
    }

    /// `GET` through the gateway.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, String> {
        Http::new().get(&self.url(path)).await
    }

    /// `GET /shuffle` with this query, which answers 200 in any case but its own denial.
    pub(crate) async fn shuffle(&self, query: &str) -> Result<serde_json::Value, String> {
        let answer = self.get(&format!("/shuffle{query}")).await?;
        so(answer.status == 200, || format!("{answer:?}"))?;
        Ok(answer.json())
    }

    /// Who answered a `/shuffle` with this query: `v1` or `v2`.
    pub(crate) async fn version(&self, query: &str) -> Result<String, String> {
        let answer = self.shuffle(query).await?;
        let version = answer["metadata"]["backendVersion"].as_str();
        version.map(str::to_owned).ok_or_else(|| answer.to_string())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    /// Replaces a file of the mesh directory as editors do, at once; gives the moment.
    pub(crate) fn write(&self, file: &str, text: &str) -> Instant {
        let draft = self.path(&format!(".{file}.draft"));
        std::fs::write(&draft, text).unwrap();
        let moment = Instant::now();
        std::fs::rename(draft, self.path(file)).unwrap();
        moment
    }

    /// Replaces a part of a file, which must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) -> Instant {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from:?}: {text}");
        self.write(file, &text.replace(from, to))
    }

    pub(crate) fn remove(&self, file: &str) -> Instant {
        let moment = Instant::now();
        std::fs::remove_file(self.path(file)).unwrap();
        moment
    }

    /// The process of a role.
    pub(crate) fn role(&self, name: &str) -> u32 {
        let roles = process::children(self.pid);
        let found = roles.iter().find(|(_, args)| {
            let role = args.iter().position(|arg| arg == "--role");
            role.is_some_and(|at| args.get(at + 1).is_some_and(|it| it == name))
        });
        found.unwrap_or_else(|| panic!("no {name} in {roles:?}")).0
    }

    /// Registers a further instance of version 1, which is to be started.
    pub(crate) fn another_v1(&self) -> Instance {
        let instance = Instance {
            dir: tempfile::tempdir().unwrap(),
            port: ports::free(),
            metrics: ports::free(),
        };
        // The same authority, and a registration of its own: as on another machine.
        std::os::unix::fs::symlink(self.path("ca"), instance.dir.path().join("ca")).unwrap();
        self.write("backend-v1b.hcl", &instance.registration("backend-v1b"));
        instance
    }

    /// Starts the process of an instance and waits until it listens.
    pub(crate) async fn start_instance(&self, instance: &Instance) -> Process {
        let mut args = self.args.clone();
        args.extend([
            "--role".to_owned(),
            "backend-v1".to_owned(),
            "--dir".to_owned(),
            instance.dir.path().display().to_string(),
            "--backend-v1-port".to_owned(),
            instance.port.to_string(),
            "--metrics-backend-v1".to_owned(),
            instance.metrics.to_string(),
        ]);
        let process = Process::role(&args, &[]);
        eventually("the second instance", START, async || {
            so(process.output.contains("ready "), || process.output.text())
        })
        .await;
        process
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.output().lines();
            let mut text = String::from("the demo's last words:\n");
            for line in lines.iter().rev().take(40).rev() {
                let _ = writeln!(text, "  {line}");
            }
            eprint!("{text}");
        }
    }
}

/// A further instance of version 1 of the backend.
#[derive(Debug)]
pub(crate) struct Instance {
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) metrics: u16,
}

impl Instance {
    fn registration(&self, id: &str) -> String {
        let Self { port, metrics, .. } = self;
        format!(
            r#"service {{
  name    = "backend"
  id      = "{id}"
  address = "127.0.0.1"
  port    = {port}
  meta {{
    version         = "v1"
    prometheus_port = "{metrics}"
  }}
  checks = [
    {{
      name     = "{id}-check"
      tcp      = "127.0.0.1:{port}"
      interval = "1s"
    }}
  ]
  connect {{
    sidecar_service {{
      port = {port}
      proxy {{
        config {{
          envoy_prometheus_bind_addr = "127.0.0.1:{metrics}"
        }}
      }}
    }}
  }}
}}
"#
        )
    }
}
