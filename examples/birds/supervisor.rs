//! Runs the four roles: as processes that it looks after, as tasks of this process, or one alone.
//!
//! A child holds the reading end of a pipe to this process as its standard input. However the
//! supervisor ends, the pipe closes and the child stops. One that does not within [`GRACE`] is
//! killed, and so all are gone within two seconds.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::BoxError;

use crate::backend::Version;
use crate::cli::{Options, Role};
use crate::ports;
use crate::services::{self, Ready, Stop};
use crate::tour;
use crate::voice::Voice;

/// How long a service may take to stop.
const GRACE: Duration = Duration::from_millis(1_300);
/// How long a service may take to become ready.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a service that ended by itself stays away.
const REST: Duration = Duration::from_secs(20);
/// What a child prints, followed by its address, when it accepts requests.
const READY: &str = "ready ";

/// Runs one role in this process, until a signal or the supervisor says stop.
///
/// # Errors
///
/// Fails as the role does.
pub(crate) async fn one_role(role: Role, options: Options) -> Result<(), BoxError> {
    let (stopper, stop) = Stop::new();
    stop_on_signal(stopper.clone());
    if options.supervised {
        stop_on_end_of_input(stopper)?;
    }
    let ready: Ready = Box::new(|address| {
        let line = format!("{READY}{address}");
        Voice::new(false).print(&line);
    });
    // Of several processes one speaks about the rules, so that nothing is said four times.
    let mesh = services::open(&options, role == Role::Gateway || !options.supervised).await?;
    let service = services::run(role, mesh, Arc::new(options), ready, stop.clone());
    tokio::select! {
        ended = service => ended,
        () = async { stop.wait().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

/// Runs all roles as tasks of this process.
///
/// # Errors
///
/// Fails as soon as one of the roles does.
pub(crate) async fn one_process(options: Options) -> Result<(), BoxError> {
    let voice = Voice::new(options.quiet);
    let options = Arc::new(options);
    let (stopper, stop) = Stop::new();
    stop_on_signal(stopper.clone());
    let mesh = services::open(&options, true).await?;
    let mut roles = JoinSet::new();
    for role in Role::ALL {
        let (sender, started) = oneshot::channel();
        let ready: Ready = Box::new(move |address| {
            // If nobody waits any more, the demo is stopping.
            let _ = sender.send(address);
        });
        roles.spawn(services::run(
            role,
            mesh.clone(),
            Arc::clone(&options),
            ready,
            stop.clone(),
        ));
        tokio::select! {
            Ok(address) = started => voice.tell(role, &format!("listens on {address}")),
            Some(ended) = roles.join_next() => return ended?,
            () = stop.wait() => break,
        }
    }
    voice.guide(&tour::text(&options, None));
    let outcome = tokio::select! {
        Some(ended) = roles.join_next() => ended?,
        () = stop.wait() => Ok(()),
    };
    stopper.send_replace(true);
    // What is still answering after that is cut off with the set.
    let _ = timeout(GRACE, async { while roles.join_next().await.is_some() {} }).await;
    outcome
}

/// Runs every role in a process of its own.
///
/// # Errors
///
/// Fails if a process cannot be started or does not become ready.
pub(crate) async fn processes(options: Options) -> Result<(), BoxError> {
    let (stopper, stop) = Stop::new();
    stop_on_signal(stopper.clone());
    let mut flock = Flock::new(options, stop.clone());
    let outcome = tokio::select! {
        // Stop comes first, so that nobody is surprised by children that end because of it.
        biased;
        () = stop.wait() => Ok(()),
        outcome = flock.look_after() => outcome,
    };
    stopper.send_replace(true);
    flock.all_gone().await;
    outcome
}

/// What happens to a child.
#[derive(Debug)]
enum Event {
    Ready(Role, String),
    Gone(Role, String),
    Rested(Role),
}

/// The children, and what is known of them.
#[derive(Debug)]
struct Flock {
    options: Options,
    voice: Voice,
    stop: Stop,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    pids: HashMap<&'static str, u32>,
    keepers: JoinSet<()>,
    resting: JoinSet<()>,
}

impl Flock {
    fn new(options: Options, stop: Stop) -> Self {
        Self {
            voice: Voice::new(options.quiet),
            options,
            stop,
            events: mpsc::unbounded_channel(),
            pids: HashMap::new(),
            keepers: JoinSet::new(),
            resting: JoinSet::new(),
        }
    }

    async fn look_after(&mut self) -> Result<(), BoxError> {
        let began = Instant::now();
        // One after the other, so that a caller's first check finds those that it calls.
        for (done, role) in (1..).zip(Role::ALL) {
            self.start(role)?;
            let event = timeout(PATIENCE, self.events.1.recv()).await;
            match event.map_err(|_| "not every service became ready; see above")? {
                Some(Event::Ready(role, address)) => {
                    let (all, seconds) = (Role::ALL.len(), began.elapsed().as_secs_f32());
                    let line = format!("listens on {address}   [{done}/{all}, {seconds:.2} s]");
                    self.voice.tell(role, &line);
                }
                Some(Event::Gone(role, status)) => {
                    return Err(format!("{} ended at its start: {status}", role.name()).into());
                }
                Some(Event::Rested(_)) | None => {}
            }
        }
        let v1 = self.pids.get(Role::Backend(Version::V1).name()).copied();
        self.voice.guide(&tour::text(&self.options, v1));
        while let Some(event) = self.events.1.recv().await {
            self.handle(event)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), BoxError> {
        match event {
            Event::Ready(role, address) => {
                let pid = self.pids.get(role.name()).copied().unwrap_or_default();
                self.voice
                    .tell(role, &format!("is back on {address} as process {pid}"));
            }
            Event::Gone(role, status) => {
                let line = format!("is gone ({status}); it is started again in {REST:?}");
                self.voice.tell(role, &line);
                self.rest(role);
            }
            // Somebody may have started it by hand meanwhile; take over when that one ends.
            Event::Rested(role) if !ports::is_free(self.options.ports.of(role.port())) => {
                self.rest(role);
            }
            Event::Rested(role) => self.start(role)?,
        }
        Ok(())
    }

    fn rest(&mut self, role: Role) {
        let events = self.events.0.clone();
        self.resting.spawn(async move {
            tokio::time::sleep(REST).await;
            // Nobody listens once the demo is stopping.
            let _ = events.send(Event::Rested(role));
        });
    }

    fn start(&mut self, role: Role) -> Result<(), BoxError> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--supervised", "--role", role.name()])
            .args(self.options.repeated())
            .env_remove("BIND_ADDR")
            .env_remove("TRACING_URL")
            .env_remove("VERSION");
        if self.voice.has_colour() {
            // The child's own output is a pipe, but a person reads it in the end.
            command.env("CLICOLOR_FORCE", "1");
        }
        let mut child = spawn(&mut command)?;
        if let Some(pid) = child.id() {
            self.pids.insert(role.name(), pid);
        }
        let (voice, events) = (self.voice, self.events.0.clone());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        if let Some(stdout) = stdout {
            let events = events.clone();
            self.keepers.spawn(lines(stdout, move |line| {
                match line.strip_prefix(READY) {
                    // Nobody listens once the demo is stopping.
                    Some(address) => drop(events.send(Event::Ready(role, address.to_owned()))),
                    None => voice.relay(role, line),
                }
            }));
        }
        if let Some(stderr) = stderr {
            self.keepers
                .spawn(lines(stderr, move |line| voice.tell(role, line)));
        }
        let stop = self.stop.clone();
        self.keepers.spawn(async move {
            let status = keep(child, stop, GRACE).await;
            let status = status.map_or_else(|error| error.to_string(), |it| it.to_string());
            let _ = events.send(Event::Gone(role, status));
        });
        Ok(())
    }

    /// Waits until every child has ended, killed if need be.
    async fn all_gone(&mut self) {
        let all = async { while self.keepers.join_next().await.is_some() {} };
        // Children that outlive even that are killed as their handles are dropped.
        let _ = timeout(GRACE + Duration::from_millis(300), all).await;
    }
}

fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Ctrl-C in the terminal is for the supervisor, which then stops the children in its own way.
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

/// Waits for the end of a child, which it brings about when it is time to stop.
async fn keep(mut child: Child, stop: Stop, grace: Duration) -> std::io::Result<ExitStatus> {
    // Waiting would close standard input, which means "stop"; so it is held here.
    let input = child.stdin.take();
    tokio::select! {
        status = child.wait() => return status,
        () = stop.wait() => drop(input),
    }
    match timeout(grace, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

async fn lines(from: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut lines = BufReader::new(from).lines();
    // What is no text ends the relay and nothing else.
    while let Ok(Some(line)) = lines.next_line().await {
        each(&line);
    }
}

fn stop_on_signal(stopper: watch::Sender<bool>) {
    tokio::spawn(async move {
        signal().await;
        stopper.send_replace(true);
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    // Without a handler the system's own default ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A thread of its own, because a read of standard input cannot be cancelled.
fn stop_on_end_of_input(stopper: watch::Sender<bool>) -> std::io::Result<()> {
    let until_end = move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stopper.send_replace(true);
    };
    std::thread::Builder::new()
        .name("supervisor".to_owned())
        .spawn(until_end)
        .map(drop)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[tokio::test]
    async fn a_child_that_heeds_its_input_ends_by_itself() {
        let child = spawn(&mut Command::new("cat")).unwrap();
        let (stopper, stop) = Stop::new();
        stopper.send_replace(true);
        let status = keep(child, stop, Duration::from_secs(10)).await.unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn a_child_that_does_not_is_killed() {
        let child = spawn(Command::new("sleep").arg("60")).unwrap();
        let (stopper, stop) = Stop::new();
        drop(stopper);
        let status = keep(child, stop, Duration::from_millis(1)).await.unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[tokio::test]
    async fn the_end_of_a_child_is_noticed_without_a_stop() {
        let child = spawn(Command::new("sh").args(["-c", "exit 3"])).unwrap();
        let (_stopper, stop) = Stop::new();
        let status = keep(child, stop, GRACE).await.unwrap();
        assert_eq!(status.code(), Some(3));
    }
}
