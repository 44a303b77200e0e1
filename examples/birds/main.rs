//! The birds: a small application in a mesh, started with one command.
//!
//! A gateway, a frontend with a web page, and a backend in two versions run as processes of their
//! own; the rules between them lie in a directory and may be changed at any time.
//!
//! ```sh
//! cargo run --example birds              # then open http://localhost:8080
//! cargo run --example birds -- --help
//! ```

mod anatomy;
mod backend;
mod cli;
mod flock;
mod frontend;
mod mesh_dir;
mod pages;
mod picture;
mod ports;
mod query;
mod random;
mod scenery;
mod services;
mod supervisor;
mod tour;
mod voice;

use std::process::ExitCode;

use tower::BoxError;

use cli::{Command, Mode, Options};
use voice::Voice;

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let options = match cli::parse(args, |name| std::env::var(name).ok()) {
        Ok(Command::Help) => {
            Voice::new(false).print(&cli::help());
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(options)) => options,
        Err(reason) => return failed(&reason, 2),
    };
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&with_causes(error.as_ref()), 1),
    }
}

/// An error and what led to it, in one line.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        let why_text = why.to_string();
        if !text.contains(&why_text) {
            text = format!("{text}: {why_text}");
        }
        cause = why.source();
    }
    text
}

fn failed(reason: &str, code: u8) -> ExitCode {
    eprintln!("birds: {reason}");
    ExitCode::from(code)
}

fn start(options: Options) -> Result<(), BoxError> {
    if !matches!(options.mode, Mode::Role(_)) {
        options.ports.check_free()?;
    }
    prepare(&options)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(async {
        match options.mode {
            Mode::Supervise => supervisor::processes(options).await,
            Mode::OneProcess => supervisor::one_process(options).await,
            Mode::Role(role) => supervisor::one_role(role, options).await,
        }
    });
    runtime.shutdown_background();
    outcome
}

/// Writes the mesh directory if it is not there, and says what was done.
fn prepare(options: &Options) -> Result<(), BoxError> {
    let dir = options.dir.display();
    let prepared = mesh_dir::prepare(options)
        .map_err(|error| format!("the mesh directory {dir} cannot be prepared: {error}"))?;
    if options.supervised {
        return Ok(());
    }
    let voice = Voice::new(options.quiet);
    if !prepared.written.is_empty() {
        voice.guide(&format!("{dir}/: wrote {} files", prepared.written.len()));
    }
    for disagreement in prepared.disagreements {
        voice.print(&format!("warning: {disagreement}"));
    }
    Ok(())
}
