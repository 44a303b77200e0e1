//! `mesh`: looks at a directory of config entries and tells what is wrong with it, what it compiles to, and where a
//! request would go. It reads files and nothing else: no network, no running mesh, nothing is written.

mod args;
mod check;
mod explain;
mod fields;
mod show;
mod status;
mod tree;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use args::Args;

const HELP: &str = "\
mesh: look at a directory of config entries before it comes into force

usage:
  mesh check DIR                    what is wrong with it, and what is in it
  mesh show DIR [SERVICE]           what a call to SERVICE (or to each) goes through
  mesh explain DIR --from A --to B [METHOD] PATH
                                    where one request would go, and which line decides
  mesh check --fields               what each field of each kind does here

Begin with `mesh check DIR` and mend what it says. Then ask `mesh show DIR` whether it
compiled to what you meant, and `mesh explain` why a request goes where it goes:

  mesh explain mesh.d --from frontend --to backend GET '/bird?canary=true' -H 'x-user: ada'

`mesh COMMAND --help` tells more. The exit status is 0 when all is well, 1 when the
directory has errors, 2 when the command itself is wrong.
";

/// What a command has to say, and whether all is well.
struct Answer {
    text: String,
    good: bool,
}

impl Answer {
    fn new(text: impl Into<String>, good: bool) -> Self {
        let text = text.into();
        Self { text, good }
    }
}

/// A command that cannot be carried out as it was given.
struct Misuse(String);

impl<T: Into<String>> From<T> for Misuse {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match run(&given) {
        Ok(answer) => {
            // Whoever reads may have seen enough; that is no failure.
            let _ = io::stdout().lock().write_all(answer.text.as_bytes());
            ExitCode::from(u8::from(!answer.good))
        }
        Err(Misuse(message)) => {
            eprintln!("mesh: {message}\n\nTry `mesh --help`.");
            ExitCode::from(2)
        }
    }
}

fn run(given: &[String]) -> Result<Answer, Misuse> {
    let Some((command, rest)) = given.split_first() else {
        return Ok(Answer::new(HELP, false));
    };
    match command.as_str() {
        "--help" | "-h" | "help" => Ok(Answer::new(HELP, true)),
        "--version" | "-V" => Ok(Answer::new(
            concat!("mesh ", env!("CARGO_PKG_VERSION"), "\n"),
            true,
        )),
        "check" => check::run(&Args::read(rest, check::FLAGS)?),
        "show" => show::run(&Args::read(rest, show::FLAGS)?),
        "explain" => explain::run(&Args::read(rest, explain::FLAGS)?),
        other => Err(Misuse(format!(
            "there is no command `{other}`; the commands are check, show and explain"
        ))),
    }
}

/// Whether to write in colours: as asked for, else when somebody looks at it.
fn colour(args: &Args) -> bool {
    let unwanted =
        args.has("--no-color") || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    args.has("--color") || (!unwanted && io::stdout().is_terminal())
}
