//! `service-intentions`: who may call a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{Checker, Rules, upper_case};
use super::diagnostic::Category;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let through.
    Allow,
    /// Refuse.
    Deny,
}

record! {
    /// The `service-intentions` entry (Consul service-intentions reference).
    pub struct ServiceIntentions {
        /// Name of the destination, or `*` for all.
        pub name: Arc<str> = "Name",
        /// Tokens required of every source.
        pub jwt: Option<IntentionJwt> = "JWT",
        /// Sources, sorted by falling precedence after loading.
        pub sources: Vec<IntentionSource> = "Sources",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// What holds for one source.
    pub struct IntentionSource {
        /// Name of the source, or `*` for all.
        pub name: Arc<str> = "Name",
        /// Peer it is in; empty for the own cluster.
        pub peer: Arc<str> = "Peer",
        /// Enterprise.
        pub sameness_group: String = "SamenessGroup" | "sameness_group",
        /// `allow`, `deny`, or empty with permissions; see [`IntentionSource::decision`].
        pub action: String = "Action",
        /// L7 rules in order.
        pub permissions: Vec<Permission> = "Permissions",
        /// Computed: whatever was sent is replaced.
        pub precedence: i64 = "Precedence",
        /// `consul`.
        pub kind: String = "Type",
        /// Free text.
        pub description: String = "Description",
        /// Blanked.
        pub legacy_id: String = "LegacyID" | "legacy_id",
        /// Must be empty.
        pub legacy_meta: BTreeMap<String, String> = "LegacyMeta" | "legacy_meta",
        /// Blanked.
        pub legacy_create_time: String = "LegacyCreateTime" | "legacy_create_time",
        /// Blanked.
        pub legacy_update_time: String = "LegacyUpdateTime" | "legacy_update_time",
    }

    /// One L7 rule.
    pub struct Permission {
        /// `allow` or `deny`; see [`Permission::decision`].
        pub action: String = "Action",
        /// Criteria; required.
        pub http: Option<IntentionHttp> = "HTTP",
        /// Tokens required where it applies.
        pub jwt: Option<IntentionJwt> = "JWT",
    }

    /// HTTP criteria of a rule; all must hold.
    pub struct IntentionHttp {
        /// The whole path; at most one of the three is set.
        pub path_exact: String = "PathExact" | "path_exact",
        /// Its beginning.
        pub path_prefix: String = "PathPrefix" | "path_prefix",
        /// RE2 pattern of the whole path.
        pub path_regex: String = "PathRegex" | "path_regex",
        /// Headers.
        pub header: Vec<IntentionHeader> = "Header",
        /// Upper-cased methods; empty means any.
        pub methods: Vec<String> = "Methods",
    }

    /// A criterion on a header: exactly one of `present`, `exact`, `prefix`, `suffix`, `contains`, `regex` is set.
    pub struct IntentionHeader {
        /// Name, in any case.
        pub name: String = "Name",
        /// There is such a field.
        pub present: bool = "Present",
        /// The whole value.
        pub exact: String = "Exact",
        /// Its beginning.
        pub prefix: String = "Prefix",
        /// Its end.
        pub suffix: String = "Suffix",
        /// Some part of it.
        pub contains: String = "Contains",
        /// RE2 pattern of the whole value.
        pub regex: String = "Regex",
        /// Negates the outcome.
        pub invert: bool = "Invert",
        /// Ignore ASCII case; with `exact`, `prefix`, `suffix`, `contains` only.
        pub ignore_case: bool = "IgnoreCase" | "ignore_case",
    }

    /// Tokens that are required.
    pub struct IntentionJwt {
        /// Any one of these suffices.
        pub providers: Vec<IntentionJwtProvider> = "Providers",
    }

    /// A token of one provider.
    pub struct IntentionJwtProvider {
        /// Name of the `jwt-provider` entry.
        pub name: Arc<str> = "Name",
        /// Claims that all must hold.
        pub verify_claims: Vec<IntentionJwtClaim> = "VerifyClaims" | "verify_claims",
    }

    /// A claim.
    pub struct IntentionJwtClaim {
        /// Keys from the top of the payload.
        pub path: Vec<String> = "Path",
        /// Its value.
        pub value: String = "Value",
    }
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "allow" => Some(Self::Allow),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

impl IntentionSource {
    /// The action, `None` when permissions decide.
    #[must_use]
    pub fn decision(&self) -> Option<Action> {
        Action::parse(&self.action)
    }
}

impl Permission {
    /// The action; always there in a validated entry.
    #[must_use]
    pub fn decision(&self) -> Option<Action> {
        Action::parse(&self.action)
    }
}

impl Rules for ServiceIntentions {
    fn normalize(&mut self) {
        let exact = &*self.name != "*";
        for source in &mut self.sources {
            if source.kind.is_empty() {
                source.kind = "consul".to_owned();
            }
            source.precedence = match (exact, &*source.name != "*") {
                (true, true) => 9,
                (true, false) => 8,
                (false, true) => 6,
                (false, false) => 5,
            };
            source.legacy_id.clear();
            source.legacy_create_time.clear();
            source.legacy_update_time.clear();
            for permission in &mut source.permissions {
                if let Some(http) = &mut permission.http {
                    upper_case(&mut http.methods);
                }
            }
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        if is_partial_wildcard(&self.name) {
            to.error_at("Name", Category::BadName, PARTIAL);
        }
        check_jwt(to, self.jwt.as_ref());
        to.meta(&self.meta);
        if self.sources.is_empty() {
            to.error_at(
                "Sources",
                Category::BadSource,
                "at least one source is required",
            );
        }
        to.each("Sources", &self.sources, |to, source| {
            source.check(&self.name, to)
        });
        to.within("Sources", |to| {
            for (index, source) in self.sources.iter().enumerate() {
                let same = |other: &IntentionSource| {
                    other.name == source.name && other.peer == source.peer
                };
                if !self.sources[..index].iter().any(same) {
                    continue;
                }
                let message = if source.peer.is_empty() {
                    format!("source {:?} is given more than once", source.name)
                } else {
                    format!(
                        "source {:?} of peer {:?} is given more than once",
                        source.name, source.peer
                    )
                };
                to.within(index, |to| {
                    to.error(Category::DuplicateSource, message);
                });
            }
        });
    }

    fn settle(&mut self) {
        self.sources
            .sort_by_key(|source| std::cmp::Reverse(source.precedence));
    }
}

const PARTIAL: &str = "the wildcard * stands for all names and cannot be a part of one";

fn is_partial_wildcard(name: &str) -> bool {
    name.contains('*') && name != "*"
}

fn check_jwt(to: &mut Checker, jwt: Option<&IntentionJwt>) {
    let Some(jwt) = jwt else { return };
    to.within("JWT", |to| {
        to.each("Providers", &jwt.providers, |to, provider| {
            if provider.name.is_empty() {
                to.error_at("Name", Category::BadJwt, "a JWT provider needs its Name");
            }
        });
    });
}

fn check_action(to: &mut Checker, action: &str) {
    if Action::parse(action).is_none() {
        let message = if action.is_empty() {
            "Action must be \"allow\" or \"deny\"".to_owned()
        } else {
            format!("Action must be \"allow\" or \"deny\", not {action:?}")
        };
        to.error_at("Action", Category::BadAction, message);
    }
}

impl IntentionSource {
    fn check(&self, destination: &str, to: &mut Checker) {
        let bad = Category::BadSource;
        if self.name.is_empty() {
            to.error_at("Name", bad, "a source needs its Name")
                .hint("`Name = \"*\"` stands for all sources");
        }
        to.enterprise("SamenessGroup", &self.sameness_group);
        if is_partial_wildcard(&self.name) {
            to.error_at("Name", bad, PARTIAL);
        }
        if self.peer.contains('*') {
            to.error_at("Peer", bad, "a peer cannot be given with the wildcard *");
        }
        if self.description.len() > 512 {
            to.error_at("Description", bad, "Description is longer than 512 bytes");
        }
        if !self.legacy_meta.is_empty() {
            to.error_at("LegacyMeta", bad, "LegacyMeta must be left out");
        }
        if self.permissions.is_empty() {
            check_action(to, &self.action);
        } else if !self.action.is_empty() {
            let message = "Action and Permissions exclude each other: each permission has its own";
            to.error_at("Action", Category::BadAction, message);
        }
        if !self.permissions.is_empty() && destination == "*" {
            let message = "Permissions cannot be given for all destinations (\"*\")";
            to.error_at("Permissions", Category::BadPermission, message);
        }
        if self.kind != "consul" {
            to.error_at(
                "Type",
                bad,
                format!("Type must be \"consul\", not {:?}", self.kind),
            );
        }
        to.each("Permissions", &self.permissions, |to, permission| {
            permission.check(to)
        });
    }
}

impl Permission {
    fn check(&self, to: &mut Checker) {
        check_action(to, &self.action);
        match &self.http {
            None => {
                to.error_at(
                    "HTTP",
                    Category::BadPermission,
                    "a permission needs HTTP criteria",
                );
            }
            Some(http) => to.within("HTTP", |to| http.check(to)),
        }
        check_jwt(to, self.jwt.as_ref());
    }
}

impl IntentionHttp {
    fn check(&self, to: &mut Checker) {
        to.paths(&self.path_exact, &self.path_prefix, &self.path_regex);
        to.each("Header", &self.header, |to, header| header.check(to));
        to.methods(&self.methods);
        let no_path =
            self.path_exact.is_empty() && self.path_prefix.is_empty() && self.path_regex.is_empty();
        if no_path && self.header.is_empty() && self.methods.is_empty() {
            to.error(
                Category::BadPermission,
                "at least one HTTP criterion is required",
            )
            .hint("`PathPrefix = \"/\"` matches every request");
        }
    }
}

impl IntentionHeader {
    fn check(&self, to: &mut Checker) {
        if self.name.is_empty() {
            to.error_at("Name", Category::BadMatch, "a header needs its Name");
        }
        let foldable = [&self.exact, &self.prefix, &self.suffix, &self.contains];
        let foldable = foldable.iter().filter(|text| !text.is_empty()).count();
        let set = foldable + usize::from(self.present) + usize::from(!self.regex.is_empty());
        if set != 1 {
            to.error(
                Category::BadMatch,
                "exactly one of Present, Exact, Prefix, Suffix, Contains, Regex must be set",
            )
            .hint("`Present = false` and an empty text do not count");
        }
        if self.ignore_case && foldable == 0 {
            to.error_at(
                "IgnoreCase",
                Category::BadMatch,
                "IgnoreCase needs Exact, Prefix, Suffix or Contains",
            )
            .hint("a Regex ignores case with `(?i)`");
        }
        to.pattern("Regex", &self.regex);
    }
}
