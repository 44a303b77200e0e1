//! What the demo tells its user: where to look and what to try, in order.

use std::fmt::Write as _;

use crate::backend::Version;
use crate::cli::{Options, Role};
use crate::ports::Port;

/// The whole tour. `v1` is the process to kill, if version 1 has one of its own.
pub(crate) fn text(options: &Options, v1: Option<u32>) -> String {
    let gateway = options.ports.of(Port::Gateway);
    let page = format!("http://localhost:{gateway}/");
    let mut out = format!("\nOpen {page} and try, in this order:\n");
    let mut step = |title: &str, what: &str, commands: &[String]| {
        let _ = writeln!(out, "\n  {title:<8} {what}");
        for command in commands {
            let _ = writeln!(out, "           $ {command}");
        }
    };
    step(
        "shuffle",
        "Every bird comes from version 1.",
        &[format!("curl {page}shuffle")],
    );
    step(
        "canary",
        "A route sends you to version 2, which has no share yet.",
        &[format!("curl '{page}shuffle?canary=true'")],
    );
    step(
        "split",
        "Half of the calls each. Nothing is restarted.",
        &[split(options), count(&page)],
    );
    step(
        "deny",
        "The frontend may not call the backend, from the next request on.",
        &[deny(options), format!("curl {page}shuffle")],
    );
    let (what, commands) = match v1 {
        Some(pid) => (
            "Version 1 dies, and its half of the calls fails until it is started again (20 s).",
            vec![undo(options, INTENTIONS), format!("kill -9 {pid}")],
        ),
        None => (
            "Half of the answers fail, and all of them are slow.",
            vec![
                undo(options, INTENTIONS),
                format!("curl '{page}shuffle?error-rate=50&delay=1'"),
            ],
        ),
    };
    step("break", what, &commands);
    let mut commands = vec![undo(options, SPLITTER)];
    if v1.is_some() {
        commands.push(revive(options));
    }
    step("heal", "All as it was.", &commands);
    let _ = writeln!(
        out,
        "\nThe rules are in {}/; every file explains itself. Ctrl-C stops everything.\n",
        options.dir.display()
    );
    out
}

const SPLITTER: &str = "backend-splitter.hcl";
const INTENTIONS: &str = "backend-intentions.hcl";

fn path(options: &Options, file: &str) -> String {
    quoted(&options.dir.join(file).display().to_string())
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn split(options: &Options) -> String {
    let file = path(options, SPLITTER);
    format!("sed -i.bak 's/= 100$/= 50/; s/= 0$/= 50/' {file}")
}

fn deny(options: &Options) -> String {
    let file = path(options, INTENTIONS);
    format!("sed -i.bak 's/= \"allow\"/= \"deny\"/' {file}")
}

fn undo(options: &Options, file: &str) -> String {
    let backup = path(options, &format!("{file}.bak"));
    format!("mv {backup} {}", path(options, file))
}

fn count(page: &str) -> String {
    format!(
        "for i in $(seq 20); do curl -s {page}shuffle; done | grep -o '\"v[12]\"' | sort | uniq -c"
    )
}

fn revive(options: &Options) -> String {
    let mut command = "cargo run --example birds --".to_owned();
    for arg in options.repeated() {
        let _ = write!(command, " {}", quoted(&arg));
    }
    let v1 = Role::Backend(Version::V1).name();
    let _ = write!(command, " --role {v1}   # if you cannot wait");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};
    use crate::mesh_dir;

    fn options(args: &[&str]) -> Options {
        match cli::parse(args.iter().map(|arg| (*arg).to_owned()), |_| None) {
            Ok(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_steps_come_in_order_with_the_ports_and_the_process() {
        let text = text(&options(&["--gateway-port", "8090"]), Some(4242));
        let mut rest = text.as_str();
        for step in [
            "http://localhost:8090/",
            "shuffle",
            "canary",
            "split",
            "deny",
            "break",
            "kill -9 4242",
            "heal",
            "--gateway-port 8090 --role backend-v1",
        ] {
            let at = rest.find(step);
            rest = &rest[at.unwrap_or_else(|| panic!("{step} is missing"))..];
        }
    }

    #[test]
    fn in_one_process_there_is_nothing_to_kill() {
        let text = text(&options(&["--one-process"]), None);
        assert!(!text.contains("kill") && !text.contains("--role"));
    }

    #[cfg(unix)]
    #[test]
    fn the_commands_do_to_the_files_what_they_say() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("it's here");
        let options = options(&["--dir", &dir.display().to_string()]);
        mesh_dir::prepare(&options).unwrap();
        let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
        let shell = |command: String| {
            let status = std::process::Command::new("sh")
                .args(["-c", &command])
                .status();
            assert!(status.unwrap().success(), "{command}");
        };
        let (splitter, intentions) = (read(SPLITTER), read(INTENTIONS));

        shell(split(&options));
        assert_eq!(read(SPLITTER).matches("Weight        = 50\n").count(), 2);
        shell(deny(&options));
        assert!(read(INTENTIONS).contains("Action = \"deny\"\n"));

        shell(undo(&options, SPLITTER));
        shell(undo(&options, INTENTIONS));
        assert_eq!((read(SPLITTER), read(INTENTIONS)), (splitter, intentions));
    }
}
