//! Writes the mesh directory: the rules and the registrations, each file with its explanation.
//!
//! `mesh.hcl` is written last. Where it exists the directory belongs to the user, and nothing in it
//! is written again, not even a file that has been removed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::cli::Options;
use crate::ports::Port;

/// The file whose presence says that the directory is complete.
const LAST: &str = "mesh.hcl";

const FILES: [(&str, &str); 12] = [
    (
        "proxy-defaults.hcl",
        include_str!("mesh_dir/proxy-defaults.hcl"),
    ),
    (
        "backend-resolver.hcl",
        include_str!("mesh_dir/backend-resolver.hcl"),
    ),
    (
        "backend-splitter.hcl",
        include_str!("mesh_dir/backend-splitter.hcl"),
    ),
    (
        "backend-router.hcl",
        include_str!("mesh_dir/backend-router.hcl"),
    ),
    (
        "ingress-gateway.hcl",
        include_str!("mesh_dir/ingress-gateway.hcl"),
    ),
    (
        "frontend-intentions.hcl",
        include_str!("mesh_dir/frontend-intentions.hcl"),
    ),
    (
        "backend-intentions.hcl",
        include_str!("mesh_dir/backend-intentions.hcl"),
    ),
    (
        "ingress-gateway-service.hcl",
        include_str!("mesh_dir/ingress-gateway-service.hcl"),
    ),
    ("frontend.hcl", include_str!("mesh_dir/frontend.hcl")),
    ("backend-v1.hcl", include_str!("mesh_dir/backend-v1.hcl")),
    ("backend-v2.hcl", include_str!("mesh_dir/backend-v2.hcl")),
    (LAST, include_str!("mesh_dir/mesh.hcl")),
];

/// What was found and done.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// The files that were written.
    pub(crate) written: Vec<&'static str>,
    /// Where the files that were there disagree with the options.
    pub(crate) disagreements: Vec<String>,
}

/// Sees to it that the mesh directory is there.
///
/// # Errors
///
/// Fails if the directory or a file in it can be neither read nor written.
pub(crate) fn prepare(options: &Options) -> io::Result<Prepared> {
    let dir = &options.dir;
    let mut prepared = Prepared::default();
    fs::create_dir_all(dir)?;
    if dir.join(LAST).try_exists()? {
        for (name, template) in FILES {
            compare(options, name, template, &mut prepared)?;
        }
        return Ok(prepared);
    }
    for (name, template) in FILES {
        if write_new(&dir.join(name), &fill_in(template, options))? {
            prepared.written.push(name);
        } else {
            compare(options, name, template, &mut prepared)?;
        }
    }
    Ok(prepared)
}

fn fill_in(template: &str, options: &Options) -> String {
    let mut text = template
        .replace("@zipkin_host@", &options.zipkin.host)
        .replace("@zipkin_port@", &options.zipkin.port.to_string());
    for port in Port::ALL {
        text = text.replace(&port.placeholder(), &options.ports.of(port).to_string());
    }
    text
}

/// Writes a file unless it exists.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notes the ports that a file should name and does not.
fn compare(
    options: &Options,
    name: &str,
    template: &str,
    prepared: &mut Prepared,
) -> io::Result<()> {
    let path = options.dir.join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let ports = Port::ALL
        .into_iter()
        .map(|port| (port.placeholder(), options.ports.of(port), port.flag()));
    let collector = ("@zipkin_port@".to_owned(), options.zipkin.port, "--zipkin");
    for (placeholder, number, flag) in ports.chain([collector]) {
        if template.contains(&placeholder) && !names(&text, number) {
            prepared.disagreements.push(format!(
                "{} does not name port {number} ({flag}); edit it, or choose another directory \
                 with --dir",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Whether a number stands somewhere in a text.
fn names(text: &str, number: u16) -> bool {
    let number = number.to_string();
    text.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};

    fn options(dir: &Path, more: &[&str]) -> Options {
        let dir = dir.display().to_string();
        let args = ["--dir", &dir].into_iter().chain(more.iter().copied());
        match cli::parse(args.map(str::to_owned), |_| None) {
            Ok(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_directory_gets_every_file_with_its_ports() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("birds.d");
        let options = options(
            &dir,
            &["--frontend-port", "6161", "--zipkin", "http://127.0.0.1:99"],
        );
        let prepared = prepare(&options).unwrap();
        assert_eq!(prepared.written.len(), FILES.len());
        assert!(prepared.disagreements.is_empty());
        for (name, _) in FILES {
            let text = fs::read_to_string(dir.join(name)).unwrap();
            assert!(
                !text.contains('@') || name == "proxy-defaults.hcl",
                "{name}"
            );
            assert!(
                !text.contains("port@") && !text.contains("@metrics"),
                "{name}"
            );
            assert!(text.starts_with("# "), "{name} explains nothing");
            assert_eq!(
                text.matches('{').count(),
                text.matches('}').count(),
                "{name}"
            );
            assert_eq!(
                text.matches('[').count(),
                text.matches(']').count(),
                "{name}"
            );
        }
        let frontend = fs::read_to_string(dir.join("frontend.hcl")).unwrap();
        assert!(frontend.contains("port    = 6161") && frontend.contains("127.0.0.1:20200"));
        let defaults = fs::read_to_string(dir.join("proxy-defaults.hcl")).unwrap();
        assert!(defaults.contains("\"port_value\": 99,"));
    }

    #[test]
    fn what_the_user_edited_or_removed_stays_so() {
        let home = tempfile::tempdir().unwrap();
        let options = options(home.path(), &[]);
        prepare(&options).unwrap();
        fs::write(home.path().join("backend-splitter.hcl"), "edited").unwrap();
        fs::remove_file(home.path().join("backend-router.hcl")).unwrap();
        let prepared = prepare(&options).unwrap();
        assert!(prepared.written.is_empty());
        let splitter = fs::read_to_string(home.path().join("backend-splitter.hcl")).unwrap();
        assert_eq!(splitter, "edited");
        assert!(!home.path().join("backend-router.hcl").exists());
    }

    #[test]
    fn an_interrupted_writing_is_completed() {
        let home = tempfile::tempdir().unwrap();
        let options = options(home.path(), &[]);
        fs::write(home.path().join("backend-router.hcl"), "mine").unwrap();
        let prepared = prepare(&options).unwrap();
        assert_eq!(prepared.written.len(), FILES.len() - 1);
        assert_eq!(prepared.written.last(), Some(&LAST));
        let router = fs::read_to_string(home.path().join("backend-router.hcl")).unwrap();
        assert_eq!(router, "mine");
    }

    #[test]
    fn ports_that_the_files_do_not_know_are_told() {
        let home = tempfile::tempdir().unwrap();
        prepare(&options(home.path(), &[])).unwrap();
        let prepared = prepare(&options(home.path(), &["--backend-v1-port", "700"])).unwrap();
        let [told] = prepared.disagreements.as_slice() else {
            panic!("{:?}", prepared.disagreements);
        };
        assert!(told.contains("backend-v1.hcl") && told.contains("--backend-v1-port"));
    }
}
