//! `service-intentions`: who may call a service.

use std::collections::BTreeMap;
use std::sync::Arc;

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
