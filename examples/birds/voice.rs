//! Prints what the services say, each line with the name of who said it.

use std::io::{IsTerminal, Write};

use crate::backend::Version;
use crate::cli::Role;

/// How this process prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    colour: bool,
    quiet: bool,
}

impl Voice {
    /// Colours only for a terminal whose user has not refused them with `NO_COLOR`.
    pub(crate) fn new(quiet: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, quiet }
    }

    /// Whether what is said is coloured.
    pub(crate) const fn has_colour(self) -> bool {
        self.colour
    }

    /// A line of a service's own output; left out if quiet.
    pub(crate) fn relay(self, role: Role, line: &str) {
        if !self.quiet {
            self.tell(role, line);
        }
    }

    /// A line about a service.
    pub(crate) fn tell(self, role: Role, line: &str) {
        self.print(&self.prefixed(role, line));
    }

    /// A text of the demo itself; left out if quiet.
    pub(crate) fn guide(self, text: &str) {
        if !self.quiet {
            self.print(text.trim_end_matches('\n'));
        }
    }

    /// A text that is printed in any case.
    pub(crate) fn print(self, text: &str) {
        // A closed pipe is no reason to stop the birds.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    fn prefixed(self, role: Role, line: &str) -> String {
        let name = role.name();
        if self.colour {
            let colour = colour(role);
            format!("\u{1b}[{colour}m{name:>10} │\u{1b}[0m {line}")
        } else {
            format!("{name:>10} | {line}")
        }
    }
}

const fn colour(role: Role) -> u8 {
    match role {
        Role::Gateway => 35,
        Role::Frontend => 32,
        Role::Backend(Version::V1) => 36,
        Role::Backend(Version::V2) => 33,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_who_spoke_with_and_without_colour() {
        let plain = Voice {
            colour: false,
            quiet: false,
        };
        assert_eq!(
            plain.prefixed(Role::Frontend, "hello"),
            "  frontend | hello"
        );
        let bright = Voice {
            colour: true,
            quiet: false,
        };
        let line = bright.prefixed(Role::Backend(Version::V2), "hello");
        assert_eq!(line, "\u{1b}[33mbackend-v2 │\u{1b}[0m hello");
    }
}
