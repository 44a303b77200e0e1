//! `service-intentions`: who may call a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::category::Category;
use super::check::{Checker, Rules, upper_case};

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
            to.say_at("Name", Category::BadName, PARTIAL);
        }
        check_jwt(to, self.jwt.as_ref());
        to.meta(&self.meta);
        if self.sources.is_empty() {
            to.error_at(
                "Sources",
                Category::BadSource,
                "At least one source is required",
            );
        }
        to.each("Sources", &self.sources, |to, source| {
            source.check(&self.name, to);
        });
        to.within("Sources", |to| {
            for (index, source) in self.sources.iter().enumerate() {
                let same = |other: &IntentionSource| {
                    other.name == source.name && other.peer == source.peer
                };
                if !self.sources[..index].iter().any(same) {
                    continue;
                }
                let peer = if source.peer.is_empty() {
                    String::new()
                } else {
                    format!("peer({:?}) ", source.peer)
                };
                let message = format!(" defines {peer}{:?} more than once", source.name);
                to.within(index, |to| {
                    to.say(Category::DuplicateSource, &message)
                        .hint("keep one of them; different cases of one source are `Permissions`");
                });
            }
        });
    }

    fn settle(&mut self) {
        self.sources
            .sort_by_key(|source| std::cmp::Reverse(source.precedence));
    }
}

const PARTIAL: &str = ": wildcard character '*' cannot be used with partial values";

fn is_partial_wildcard(name: &str) -> bool {
    name.contains('*') && name != "*"
}

fn check_jwt(to: &mut Checker, jwt: Option<&IntentionJwt>) {
    let Some(jwt) = jwt else { return };
    to.within("JWT", |to| {
        to.each("Providers", &jwt.providers, |to, provider| {
            if provider.name.is_empty() {
                to.error_at("Name", Category::BadJwt, "JWT provider name is required");
            }
        });
    });
}

fn check_action(to: &mut Checker, action: &str) {
    if Action::parse(action).is_none() {
        let problem = to.say_at(
            "Action",
            Category::BadAction,
            " must be set to 'allow' or 'deny'",
        );
        if !action.is_empty() {
            problem.hint(format!("{action:?} is neither"));
        }
    }
}

impl IntentionSource {
    fn check(&self, destination: &str, to: &mut Checker) {
        let bad = Category::BadSource;
        if self.name.is_empty() {
            to.say_at("Name", bad, " is required")
                .hint("`Name = \"*\"` stands for all sources");
        }
        if !self.sameness_group.is_empty() {
            let message = ": Sameness groups are a Consul Enterprise feature.";
            to.say_at("SamenessGroup", Category::EnterpriseOnly, message);
        }
        if is_partial_wildcard(&self.name) {
            to.say_at("Name", bad, PARTIAL);
        }
        if self.peer.contains('*') {
            to.say_at("Peer", bad, ": cannot use wildcard '*' in peer");
        }
        if self.description.len() > 512 {
            to.say_at("Description", bad, " exceeds maximum length 512");
        }
        if !self.legacy_meta.is_empty() {
            to.say_at("LegacyMeta", bad, " must be omitted");
        }
        if self.permissions.is_empty() {
            check_action(to, &self.action);
        } else if !self.action.is_empty() {
            let message = " must be omitted if Permissions are specified";
            to.say_at("Action", Category::BadAction, message)
                .hint("each permission has its own Action");
        }
        if !self.permissions.is_empty() && destination == "*" {
            let message = " cannot be specified on intentions with wildcarded destinations";
            to.say_at("Permissions", Category::BadPermission, message);
        }
        if self.kind != "consul" {
            to.say_at("Type", bad, " must be set to 'consul'");
        }
        to.each("Permissions", &self.permissions, |to, permission| {
            permission.check(to);
        });
    }
}

impl Permission {
    fn check(&self, to: &mut Checker) {
        check_action(to, &self.action);
        match &self.http {
            None => {
                to.say_at("HTTP", Category::BadPermission, " is required");
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
            to.say(Category::BadPermission, " should not be empty")
                .hint("`PathPrefix = \"/\"` matches every request");
        }
    }
}

impl IntentionHeader {
    fn check(&self, to: &mut Checker) {
        if self.name.is_empty() {
            to.say(Category::BadMatch, " missing required Name field");
        }
        let foldable = [&self.exact, &self.prefix, &self.suffix, &self.contains];
        let foldable = foldable.iter().filter(|text| !text.is_empty()).count();
        let set = foldable + usize::from(self.present) + usize::from(!self.regex.is_empty());
        if set != 1 {
            to.say(
                Category::BadMatch,
                " should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex",
            )
            .hint("exactly one must be set; `Present = false` and an empty text do not count");
        }
        if self.ignore_case && foldable == 0 {
            to.say(
                Category::BadMatch,
                " should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase",
            )
            .hint("a Regex ignores case with `(?i)`");
        }
        to.pattern("Regex", &self.regex);
    }
}
