//! The command line and the environment.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use axum::http::Uri;

use crate::backend::Version;
use crate::ports::{Port, Ports};

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Start something.
    Run(Options),
}

/// Everything that can be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The mesh directory.
    pub(crate) dir: PathBuf,
    /// What is started.
    pub(crate) mode: Mode,
    /// Who listens where.
    pub(crate) ports: Ports,
    /// Where traces go.
    pub(crate) zipkin: Collector,
    /// Whether to leave out the tour and the services' own output.
    pub(crate) quiet: bool,
    /// Whether a supervisor holds the other end of standard input.
    pub(crate) supervised: bool,
    /// Where a single role listens, if not on its port of the loopback address.
    pub(crate) bind: Option<SocketAddr>,
    /// Where the frontend finds the backend.
    pub(crate) backend_url: String,
}

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One process for each role, and this one to look after them.
    Supervise,
    /// All roles in this process.
    OneProcess,
    /// One role.
    Role(Role),
}

/// One of the four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The way in.
    Gateway,
    /// The page.
    Frontend,
    /// The backend in one of its versions.
    Backend(Version),
}

impl Role {
    /// All roles, in the order in which they start.
    pub(crate) const ALL: [Self; 4] = [
        Self::Backend(Version::V1),
        Self::Backend(Version::V2),
        Self::Frontend,
        Self::Gateway,
    ];

    /// The name on the command line and in front of output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Frontend => "frontend",
            Self::Backend(Version::V1) => "backend-v1",
            Self::Backend(Version::V2) => "backend-v2",
        }
    }

    /// The port on which it is called.
    pub(crate) const fn port(self) -> Port {
        match self {
            Self::Gateway => Port::Gateway,
            Self::Frontend => Port::Frontend,
            Self::Backend(Version::V1) => Port::BackendV1,
            Self::Backend(Version::V2) => Port::BackendV2,
        }
    }
}

/// A Zipkin collector on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collector {
    /// Its host, always one of the loopback's names.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 9411,
        }
    }
}

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no collector for this demo: {why}");
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let host = uri.host().unwrap_or_default().to_owned();
        if uri.scheme_str() != Some("http") {
            return Err(wrong("it must begin with http://"));
        }
        if !matches!(uri.path(), "" | "/" | "/api/v2/spans") {
            return Err(wrong("the path is always /api/v2/spans"));
        }
        let loopback = host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
        if !loopback && host != "localhost" {
            return Err(wrong("nothing is sent beyond this machine"));
        }
        let port = uri.port_u16().unwrap_or(9411);
        Ok(Self { host, port })
    }
}

impl Options {
    fn new() -> Self {
        Self {
            dir: PathBuf::from("birds.d"),
            mode: Mode::Supervise,
            ports: Ports::default(),
            zipkin: Collector::default(),
            quiet: false,
            supervised: false,
            bind: None,
            backend_url: "http://backend".to_owned(),
        }
    }

    /// Where a role listens.
    pub(crate) fn address(&self, role: Role) -> SocketAddr {
        let alone = self.mode == Mode::Role(role);
        self.bind
            .filter(|_| alone)
            .unwrap_or_else(|| (Ipv4Addr::LOCALHOST, self.ports.of(role.port())).into())
    }

    /// The options, without the mode, that make another process agree with this one.
    pub(crate) fn repeated(&self) -> Vec<String> {
        let mut args = Vec::new();
        if self.dir != *"birds.d" {
            args.extend(["--dir".to_owned(), self.dir.display().to_string()]);
        }
        if self.zipkin != Collector::default() {
            let Collector { host, port } = &self.zipkin;
            args.extend(["--zipkin".to_owned(), format!("http://{host}:{port}")]);
        }
        args.extend(self.ports.changed());
        args
    }
}

/// Reads the arguments (without the program's name) and the environment.
///
/// # Errors
///
/// Tells what is wrong, and what would be right.
pub(crate) fn parse(
    args: impl IntoIterator<Item = String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    let mut args = args.into_iter();
    let mut options = Options::new();
    let mut role = None;
    let tracing_url = env("TRACING_URL").filter(|url| !url.is_empty());
    if let Some(url) = &tracing_url {
        options.zipkin = url.parse().map_err(|why| format!("TRACING_URL: {why}"))?;
    }
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        if matches!(flag.as_str(), "-h" | "--help") {
            return Ok(Command::Help);
        }
        if switch(&mut options, &flag) {
            if inline.is_some() {
                return Err(format!("{flag} takes no value"));
            }
            continue;
        }
        let mut value = || {
            inline
                .clone()
                .or_else(|| args.next())
                .ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag.as_str() {
            "--dir" => options.dir = value()?.into(),
            "--zipkin" => options.zipkin = value()?.parse()?,
            "--role" => role = Some(value()?),
            _ => {
                let port = Port::ALL.into_iter().find(|port| port.flag() == flag);
                let port = port.ok_or_else(|| format!("{flag} is no option; see --help"))?;
                options.ports.set(port, port_number(&flag, &value()?)?);
            }
        }
    }
    if let Some(role) = role {
        if options.mode == Mode::OneProcess {
            return Err("--role and --one-process exclude each other".to_owned());
        }
        options.mode = Mode::Role(read_role(&role, env("VERSION"))?);
        options.bind = read_bind(env("BIND_ADDR"))?;
    }
    if let Some(url) = env("BACKEND_URL").filter(|url| !url.is_empty()) {
        options.backend_url = read_backend_url(url)?;
    }
    Ok(Command::Run(options))
}

fn switch(options: &mut Options, flag: &str) -> bool {
    match flag {
        "--one-process" => options.mode = Mode::OneProcess,
        "--quiet" => options.quiet = true,
        "--supervised" => options.supervised = true,
        _ => return false,
    }
    true
}

fn port_number(flag: &str, text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "{flag} must be a port from 1 to 65535, not {text:?}"
        )),
        Ok(port) => Ok(port),
    }
}

/// `backend` alone takes its version from the environment, as the original does.
fn read_role(text: &str, version: Option<String>) -> Result<Role, String> {
    let fixed = match text {
        "gateway" => return Ok(Role::Gateway),
        "frontend" => return Ok(Role::Frontend),
        "backend" => None,
        "backend-v1" => Some(Version::V1),
        "backend-v2" => Some(Version::V2),
        _ => {
            return Err(format!(
                "--role must be gateway, frontend, backend-v1 or backend-v2, not {text:?}"
            ));
        }
    };
    let asked = version.map(|text| text.parse::<Version>()).transpose()?;
    match (fixed, asked) {
        (Some(fixed), Some(asked)) if fixed != asked => Err(format!(
            "--role {text} and VERSION={} contradict each other",
            asked.as_str()
        )),
        _ => Ok(Role::Backend(fixed.or(asked).unwrap_or(Version::V1))),
    }
}

fn read_bind(text: Option<String>) -> Result<Option<SocketAddr>, String> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            text.parse()
                .map_err(|_| format!("BIND_ADDR must be ADDRESS:PORT, not {text:?}"))
        })
        .transpose()
}

fn read_backend_url(url: String) -> Result<String, String> {
    let uri: Option<Uri> = url.parse().ok();
    let fits = uri.is_some_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none()
    });
    if fits {
        Ok(url)
    } else {
        Err(format!(
            "BACKEND_URL must be like http://backend, not {url:?}"
        ))
    }
}

/// The help text.
pub(crate) fn help() -> String {
    let mut text = String::from(HELP);
    for port in Port::ALL {
        let _ = writeln!(
            text,
            "  {:<28} {} [{}]",
            format!("{} PORT", port.flag()),
            port.user(),
            port.default()
        );
    }
    text.push_str(HELP_END);
    text
}

const HELP: &str = "\
Birds: a small application in a service mesh that needs no sidecar.

  you ──▶ gateway ──▶ frontend ──▶ backend v1  (birds of all kinds)
                               └─▶ backend v2  (canaries)

Starts the four services as processes of their own on this machine, writes the
rules of their mesh into a directory, and tells you what to try. Change the
rules in an editor while it runs: the next request follows them.

USAGE
  cargo run --example birds -- [OPTIONS]

OPTIONS
  --dir DIR                    the mesh directory; written if it is not there [birds.d]
  --one-process                run all four services in one process, under the same rules
  --role ROLE                  run one service only: gateway, frontend, backend-v1, backend-v2
  --zipkin URL                 send traces to this collector on this machine
                               [http://localhost:9411]
  --quiet                      print no tour and no output of the services
  -h, --help                   print this text

PORTS, all on 127.0.0.1
";

const HELP_END: &str = "
ENVIRONMENT
  BACKEND_URL                  where the frontend finds the backend [http://backend]
  TRACING_URL                  as --zipkin, which prevails
  BIND_ADDR                    with --role: listen on this ADDRESS:PORT
  VERSION                      with --role backend: v1 or v2 [v1]
  NO_COLOR                     print without colours

EXAMPLES
  cargo run --example birds
      and then open http://localhost:8080
  cargo run --example birds -- --gateway-port 8090 --dir /tmp/birds.d
      next to something that needs port 8080
  curl 'http://localhost:8080/shuffle?error-rate=50&delay=0.5'
      a bird without the page, half of the time
";

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let args = args.iter().map(|arg| (*arg).to_owned());
        let lookup = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match parse(args, lookup)? {
            Command::Run(options) => Ok(options),
            Command::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn without_arguments_everything_has_its_default() {
        let options = run(&[], &[]).unwrap();
        assert_eq!(options.mode, Mode::Supervise);
        assert_eq!(options.dir, PathBuf::from("birds.d"));
        assert_eq!(options.backend_url, "http://backend");
        assert_eq!(options.address(Role::Gateway).to_string(), "127.0.0.1:8080");
        assert!(options.repeated().is_empty());
    }

    #[test]
    fn another_process_can_be_made_to_agree() {
        let given = [
            "--dir=x.d",
            "--zipkin",
            "http://127.0.0.1:9999",
            "--frontend-port",
            "6161",
            "--metrics-gateway=4",
            "--quiet",
        ];
        let options = run(&given, &[]).unwrap();
        let again: Vec<_> = options.repeated();
        let again: Vec<_> = again.iter().map(String::as_str).collect();
        let copy = run(&again, &[]).unwrap();
        assert_eq!(copy.ports, options.ports);
        assert_eq!(copy.zipkin, options.zipkin);
        assert_eq!(copy.dir, options.dir);
        assert!(options.quiet && !copy.quiet);
    }

    #[test]
    fn mistakes_are_told() {
        for (args, part) in [
            (&["--frontend-port"][..], "needs a value"),
            (&["--frontend-port", "0"], "from 1 to 65535"),
            (&["--frontend-port", "65536"], "from 1 to 65535"),
            (&["--fronted-port", "1"], "--fronted-port is no option"),
            (&["birds.d"], "no option"),
            (&["--quiet=yes"], "takes no value"),
            (&["--role", "owl"], "not \"owl\""),
            (&["--role", "gateway", "--one-process"], "exclude"),
            (&["--zipkin", "http://10.0.0.1:9411"], "beyond this machine"),
            (&["--zipkin", "https://localhost"], "http://"),
            (&["--zipkin", "http://localhost/x"], "/api/v2/spans"),
        ] {
            let error = run(args, &[]).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }

    #[test]
    fn the_environment_speaks_as_in_the_original() {
        let env = [("VERSION", "v2"), ("BIND_ADDR", "127.0.0.1:7777")];
        let options = run(&["--role", "backend"], &env).unwrap();
        let role = Role::Backend(Version::V2);
        assert_eq!(options.mode, Mode::Role(role));
        assert_eq!(options.address(role).to_string(), "127.0.0.1:7777");

        let env = [
            ("TRACING_URL", "http://localhost:9412"),
            ("BACKEND_URL", "http://localhost:6001"),
        ];
        let options = run(&["--role", "frontend"], &env).unwrap();
        assert_eq!(options.zipkin.port, 9412);
        assert_eq!(options.backend_url, "http://localhost:6001");
    }

    #[test]
    fn a_version_that_does_not_exist_ends_the_backend() {
        for (role, version) in [("backend", "v3"), ("backend", ""), ("backend-v1", "v2")] {
            let error = run(&["--role", role], &[("VERSION", version)]).unwrap_err();
            assert!(error.contains("VERSION"), "{error}");
        }
    }

    #[test]
    fn bad_environment_is_told() {
        for (name, value) in [
            ("BIND_ADDR", "6060"),
            ("BACKEND_URL", "backend"),
            ("TRACING_URL", "http://example.com:9411"),
        ] {
            let error = run(&["--role", "frontend"], &[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn the_help_teaches_every_option() {
        assert_eq!(run(&["--quiet", "--help"], &[]).unwrap_err(), "help");
        let help = help();
        for port in Port::ALL {
            assert!(help.contains(port.flag()));
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100));
    }
}
