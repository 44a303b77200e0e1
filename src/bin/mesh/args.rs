//! Arguments of a command: flags anywhere, everything else in order.

use super::Misuse;

/// A flag that a command knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// With its dashes.
    pub(crate) name: &'static str,
    /// What stands for it in short, empty for nothing.
    pub(crate) short: &'static str,
    /// Whether a value follows.
    pub(crate) takes_value: bool,
}

/// A flag without a value.
pub(crate) const fn switch(name: &'static str, short: &'static str) -> Flag {
    Flag {
        name,
        short,
        takes_value: false,
    }
}

/// A flag with a value.
pub(crate) const fn option(name: &'static str, short: &'static str) -> Flag {
    Flag {
        name,
        short,
        takes_value: true,
    }
}

/// The arguments as given.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// What is no flag.
    pub(crate) words: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

impl Args {
    /// Reads arguments. `--name=value` and `--name value` are one; after `--` nothing is a flag.
    pub(crate) fn read(given: &[String], known: &[Flag]) -> Result<Self, Misuse> {
        let mut args = Self::default();
        let mut given = given.iter();
        while let Some(arg) = given.next() {
            if arg == "--" {
                args.words.extend(given.by_ref().cloned());
            } else if arg.len() < 2 || !arg.starts_with('-') {
                args.words.push(arg.clone());
            } else {
                let (name, value) = match arg.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (arg.as_str(), None),
                };
                let flag = find(name, known)?;
                let value = match (flag.takes_value, value) {
                    (true, Some(value)) => value.to_owned(),
                    (true, None) => given
                        .next()
                        .ok_or_else(|| format!("`{name}` needs a value"))?
                        .clone(),
                    (false, None) => String::new(),
                    (false, Some(_)) => return Err(format!("`{name}` takes no value").into()),
                };
                args.flags.push((flag.name, value));
            }
        }
        Ok(args)
    }

    /// Whether a flag was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(given, _)| *given == name)
    }

    /// The last value of a flag.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let given = self.flags.iter().rev().find(|(given, _)| *given == name);
        given.map(|(_, value)| value.as_str())
    }

    /// All values of a flag.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.flags.iter().filter(move |(given, _)| *given == name);
        given.map(|(_, value)| value.as_str())
    }
}

fn find(name: &str, known: &[Flag]) -> Result<Flag, Misuse> {
    let found = known
        .iter()
        .find(|flag| flag.name == name || (!flag.short.is_empty() && flag.short == name));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|flag| flag.name).collect();
        Misuse(format!(
            "unknown flag `{name}`; this command knows {}",
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Flag] = &[switch("--json", "-j"), option("--from", "")];

    fn read(given: &[&str]) -> Result<Args, String> {
        let given: Vec<String> = given.iter().map(|arg| (*arg).to_owned()).collect();
        Args::read(&given, KNOWN).map_err(|Misuse(message)| message)
    }

    #[test]
    fn flags_may_stand_anywhere_and_values_either_way() {
        let args = read(&[
            "dir",
            "--from",
            "a",
            "-j",
            "x",
            "--from=b=c",
            "--",
            "--json",
        ])
        .unwrap();
        assert_eq!(args.words, ["dir", "x", "--json"]);
        assert!(args.has("--json"));
        assert_eq!(args.values("--from").collect::<Vec<_>>(), ["a", "b=c"]);
        assert_eq!(args.value("--from"), Some("b=c"));
    }

    #[test]
    fn what_is_unknown_or_unfinished_is_said() {
        assert!(
            read(&["--jsn"])
                .unwrap_err()
                .contains("knows --json, --from")
        );
        assert!(read(&["--from"]).unwrap_err().contains("needs a value"));
        assert!(read(&["--json=1"]).unwrap_err().contains("takes no value"));
    }
}
