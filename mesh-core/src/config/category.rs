//! Kinds of problems, named for programs.

use std::fmt;

macro_rules! categories {
    ($( $(#[$meta:meta])* $variant:ident = $text:literal, )*) => {
        /// What kind of problem it is; the names are stable and meant for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Category {
            $( $(#[$meta])* $variant, )*
        }

        impl Category {
            /// All categories.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// Its name, such as `bad-match`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

categories! {
    /// The text is neither HCL nor JSON.
    Syntax = "syntax",
    /// `Kind` is missing or unknown.
    BadKind = "bad-kind",
    /// A key that no field has.
    UnknownKey = "unknown-key",
    /// Consul Enterprise only.
    EnterpriseOnly = "enterprise-only",
    /// A value of the wrong type.
    BadType = "bad-type",
    /// The entry has no name.
    MissingName = "missing-name",
    /// The name is not allowed.
    BadName = "bad-name",
    /// Too much `Meta`.
    BadMeta = "bad-meta",
    /// Unknown protocol.
    BadProtocol = "bad-protocol",
    /// Unknown way to balance connections.
    BadBalance = "bad-balance",
    /// A destination outside the mesh is wrong.
    BadDestination = "bad-destination",
    /// Parameters of an upstream are wrong.
    BadUpstream = "bad-upstream",
    /// A limit is wrong.
    BadLimit = "bad-limit",
    /// A passive health check is wrong.
    BadHealthCheck = "bad-health-check",
    /// Access logs are wrong.
    BadAccessLog = "bad-access-log",
    /// Criteria are wrong.
    BadMatch = "bad-match",
    /// A method is unknown or given twice.
    BadMethod = "bad-method",
    /// A rewrite without a path to rewrite.
    BadRewrite = "bad-rewrite",
    /// A condition or status of retries is wrong.
    BadRetry = "bad-retry",
    /// Weights are wrong.
    BadWeight = "bad-weight",
    /// A splitter without splits.
    NoSplits = "no-splits",
    /// Two splits with one destination.
    DuplicateSplit = "duplicate-split",
    /// A subset is wrong or not defined.
    BadSubset = "bad-subset",
    /// A filter that does not parse.
    BadFilter = "bad-filter",
    /// A redirect is wrong.
    BadRedirect = "bad-redirect",
    /// Fail-over is wrong.
    BadFailover = "bad-failover",
    /// A time limit is wrong.
    BadTimeout = "bad-timeout",
    /// Load balancing is wrong.
    BadLb = "bad-lb",
    /// A listener is wrong.
    BadListener = "bad-listener",
    /// A host is wrong.
    BadHost = "bad-host",
    /// Header modifiers where there are no headers.
    BadHeaders = "bad-headers",
    /// TLS parameters are wrong.
    BadTls = "bad-tls",
    /// Normalization of requests is wrong.
    BadNormalization = "bad-normalization",
    /// Entries refer to each other in a circle.
    Circular = "circular",
    /// Services of one chain speak different protocols.
    ProtocolMismatch = "protocol-mismatch",
    /// A router or splitter for a service that does not speak HTTP.
    ProtocolNotL7 = "protocol-not-l7",
    /// A subset that the service does not have.
    MissingSubset = "missing-subset",
    /// Something that does not go together with `ExternalSNI`.
    ExternalSni = "external-sni",
    /// A mode of mutual TLS is wrong or not allowed.
    BadMutualTls = "bad-mutual-tls",
    /// A source of an intention is wrong.
    BadSource = "bad-source",
    /// An action is missing, wrong, or one too many.
    BadAction = "bad-action",
    /// A permission is wrong.
    BadPermission = "bad-permission",
    /// A source is given twice.
    DuplicateSource = "duplicate-source",
    /// A provider of tokens, or a requirement of one, is wrong.
    BadJwt = "bad-jwt",
    /// A policy of ours is wrong.
    BadPolicy = "bad-policy",
    /// A setting of the process is wrong.
    BadSettings = "bad-settings",
    /// A service definition is wrong.
    BadService = "bad-service",
    /// A check of a service is wrong.
    BadCheck = "bad-check",
    /// Two entries with one kind and name, or two services with one identifier.
    DuplicateEntry = "duplicate-entry",
    /// A key given twice of which only the last counts.
    DuplicateKey = "duplicate-key",
    /// Refused because it cannot be done in process.
    NotSupported = "not-supported",
    /// Accepted, but nothing happens.
    NoEffect = "no-effect",
    /// Configuration of a Consul agent, which is not read here.
    AgentConfiguration = "agent-configuration",
}

impl Category {
    /// The category of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|category| category.as_str() == text)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
