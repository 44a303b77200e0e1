//! Processes of the demo: started, watched and stopped from the outside, as a user would.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Runs the demo and ends it when standard input closes: that is, also when the test process is killed.
const KEEPER: &str = r#"
"$@" & demo=$!
echo "the demo is process $demo"
cat >/dev/null
kill -TERM "$demo" 2>/dev/null
(sleep 5; kill -KILL "$demo") >/dev/null 2>&1 & guard=$!
wait "$demo"
kill "$guard"
"#;

/// The demo's binary.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| crate::example::binary("birds"))
}

/// What a process printed so far, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<String>>>);

impl Output {
    fn follow(&self, from: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.0);
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub(crate) fn contains(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|it| it.contains(part))
    }
}

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    pub(crate) output: Output,
}

impl Process {
    /// Starts the demo's supervisor, or all services in one process.
    pub(crate) fn demo(args: &[String]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(binary()).args(args);
        Self::spawn(&mut command)
    }

    /// Starts one service of its own, with these variables.
    pub(crate) fn role(args: &[String], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.arg("--supervised").args(args);
        command.envs(env.iter().copied());
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        for name in ["BIND_ADDR", "BACKEND_URL", "TRACING_URL", "VERSION"] {
            if !command.get_envs().any(|(key, _)| key == name) {
                command.env_remove(name);
            }
        }
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Output::default();
        output.follow(child.stdout.take().unwrap());
        output.follow(child.stderr.take().unwrap());
        Self {
            input: child.stdin.take(),
            child,
            output,
        }
    }

    /// The process started here, which for [`Process::demo`] is the keeper and not the demo.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Runs the demo until it ends by itself; `None` if it does not within `patience`.
pub(crate) async fn run(
    args: &[&str],
    env: &[(&str, &str)],
    patience: Duration,
) -> Option<(Option<i32>, String)> {
    let mut command = tokio::process::Command::new(binary());
    for name in ["BIND_ADDR", "BACKEND_URL", "TRACING_URL", "VERSION"] {
        command.env_remove(name);
    }
    command
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(patience, command.output())
        .await
        .ok()?;
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.code(), String::from_utf8(text).unwrap()))
}

/// Sends a signal, named as `kill` names it.
pub(crate) fn signal(pid: u32, name: &str) {
    let command = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success(), "{command}");
}

/// Whether a process runs; one that ended and was not yet waited for does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// A process's state and its parent.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before stands in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// The children of a process that still run, each with its arguments.
pub(crate) fn children(parent: u32) -> Vec<(u32, Vec<String>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        if is_alive(pid) && state(pid).is_some_and(|(_, of)| of == parent) {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let args = String::from_utf8_lossy(&line).into_owned();
            found.push((pid, args.split('\0').map(str::to_owned).collect()));
        }
    }
    found
}

/// The addresses on which a process listens for TCP, in the kernel's hexadecimal spelling resolved.
pub(crate) fn listening(pid: u32) -> Vec<std::net::SocketAddr> {
    let mut inodes = Vec::new();
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
    {
        if let Ok(target) = std::fs::read_link(fd.path()) {
            let target = target.to_string_lossy().into_owned();
            if let Some(inode) = target.strip_prefix("socket:[") {
                inodes.push(inode.trim_end_matches(']').to_owned());
            }
        }
    }
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/{pid}/net/{table}");
        for line in std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .skip(1)
        {
            let fields: Vec<_> = line.split_whitespace().collect();
            if fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9]) {
                found.push(address(fields[1]));
            }
        }
    }
    found
}

/// `0100007F:1F90` is 127.0.0.1:8080: the address in the host's byte order, the port not.
fn address(text: &str) -> std::net::SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let port = u16::from_str_radix(port, 16).unwrap();
    let words: Vec<u32> = (0..ip.len() / 8)
        .map(|at| u32::from_str_radix(&ip[at * 8..at * 8 + 8], 16).unwrap())
        .collect();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => (std::net::IpAddr::from(v4), port).into(),
        Err(_) => (
            std::net::IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).unwrap()),
            port,
        )
            .into(),
    }
}
