//! The outcome of a judgement, with the rule that led to it.

use std::fmt;
use std::sync::Arc;

use crate::config::Origin;

/// Through or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Let through.
    Allow,
    /// Refuse.
    #[default]
    Deny,
}

impl Decision {
    /// `allow` or `deny`.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        }
    }
}

/// A source rule, as shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Name of the entry: the destination, or `*`.
    pub entry: Arc<str>,
    /// Name of the source, or `*`.
    pub source: Arc<str>,
    /// The peered cluster of the source.
    pub peer: Option<Arc<str>>,
    /// 9, 8, 6 or 5; see Consul's table of precedence.
    pub precedence: u8,
    /// Where the source is written.
    pub origin: Origin,
    /// `path:line` of that, empty for a rule made in memory.
    pub place: Box<str>,
    /// The same for each permission.
    pub permission_places: Box<[Box<str>]>,
}

/// What the permissions of the deciding rule had to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// The rule has none, but an action.
    Plain,
    /// The permission with this index, from 0, decided.
    By(usize),
    /// None matched; the default policy decided.
    NoneMatched,
    /// They were not looked at: a connection is judged, or a token was missing before.
    NotJudged,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The default policy: no rule matches the caller.
    Default,
    /// A rule.
    Rule {
        /// The rule.
        rule: Arc<RuleInfo>,
        /// Its permissions' part.
        permitted: Permitted,
        /// Whether a required token was missing or wrong. Then the decision is to deny.
        jwt_unsatisfied: bool,
    },
}

/// The outcome.
///
/// Displayed as one line, such as `denied by intention web => api (precedence 9) at intentions.hcl:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Through or not.
    pub decision: Decision,
    /// What decided.
    pub by: By,
}

impl Verdict {
    /// Whether the caller may pass.
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// The rule that decided, if it was not the default policy for want of one.
    pub fn rule(&self) -> Option<&RuleInfo> {
        match &self.by {
            By::Default => None,
            By::Rule { rule, .. } => Some(rule),
        }
    }

    /// `path:line` of what decided; empty where there is none.
    pub fn place(&self) -> &str {
        match &self.by {
            By::Default => "",
            By::Rule {
                rule, permitted, ..
            } => rule.place_of(*permitted),
        }
    }
}

impl RuleInfo {
    fn place_of(&self, permitted: Permitted) -> &str {
        let of_permission = match permitted {
            Permitted::By(index) => self
                .permission_places
                .get(index)
                .filter(|place| !place.is_empty()),
            Permitted::Plain | Permitted::NoneMatched | Permitted::NotJudged => None,
        };
        of_permission.unwrap_or(&self.place)
    }
}

impl fmt::Display for RuleInfo {
    /// `intention web => api (precedence 9)`; the source of a peer is written `peer/web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("intention ")?;
        if let Some(peer) = &self.peer {
            write!(f, "{peer}/")?;
        }
        write!(
            f,
            "{} => {} (precedence {})",
            self.source, self.entry, self.precedence
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.decision {
            Decision::Allow => "allowed by ",
            Decision::Deny => "denied by ",
        })?;
        let (rule, permitted, jwt) = match &self.by {
            By::Default => {
                return f.write_str("the default policy: no intention matches the caller");
            }
            By::Rule {
                rule,
                permitted,
                jwt_unsatisfied,
            } => (rule, *permitted, *jwt_unsatisfied),
        };
        let part = match permitted {
            Permitted::By(index) => {
                write!(f, "permission {index} of ")?;
                ""
            }
            Permitted::NoneMatched => "the default policy: no permission matches of ",
            Permitted::NotJudged if !jwt => "lack of HTTP, which the permissions need, in ",
            Permitted::Plain | Permitted::NotJudged => "",
        };
        f.write_str(part)?;
        write!(f, "{rule}")?;
        let place = rule.place_of(permitted);
        if !place.is_empty() {
            write!(f, " at {place}")?;
        }
        if jwt {
            f.write_str(": no token satisfies its JWT requirement")?;
        }
        Ok(())
    }
}
