//! `jwt-provider`: whose tokens are believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;

record! {
    /// The `jwt-provider` entry (Consul jwt-provider reference).
    pub struct JwtProvider {
        /// Name of the provider.
        pub name: Arc<str> = "Name",
        /// Keys that sign; required.
        pub json_web_key_set: Option<JsonWebKeySet> = "JSONWebKeySet" | "json_web_key_set",
        /// What a token's `iss` must equal; empty means anything.
        pub issuer: String = "Issuer",
        /// At least one of which a token must name; empty means any.
        pub audiences: Vec<String> = "Audiences",
        /// Where a token is looked for; empty means `Authorization: Bearer` and the query parameter `access_token`.
        pub locations: Vec<JwtLocation> = "Locations",
        /// How the payload is passed on.
        pub forwarding: Option<JwtForwarding> = "Forwarding",
        /// Seconds by which clocks may differ; 30 is filled in for 0.
        pub clock_skew_seconds: i64 = "ClockSkewSeconds" | "clock_skew_seconds",
        /// Cache of verified tokens.
        pub cache_config: Option<JwtCacheConfig> = "CacheConfig" | "cache_config",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// A key set: exactly one of the two.
    pub struct JsonWebKeySet {
        /// Given here.
        pub local: Option<LocalJwks> = "Local",
        /// Fetched.
        pub remote: Option<RemoteJwks> = "Remote",
    }

    /// A given key set: exactly one of the two.
    pub struct LocalJwks {
        /// Standard base64 of the JSON.
        pub jwks: String = "JWKS",
        /// File that holds the JSON.
        pub filename: String = "Filename",
    }

    /// A fetched key set.
    pub struct RemoteJwks {
        /// Absolute address.
        pub uri: String = "URI",
        /// Milliseconds for a fetch.
        pub request_timeout_ms: i64 = "RequestTimeoutMs" | "request_timeout_ms",
        /// How long a fetched set is used.
        pub cache_duration: GoDuration = "CacheDuration" | "cache_duration",
        /// Whether listeners start before the first fetch is done.
        pub fetch_asynchronously: bool = "FetchAsynchronously" | "fetch_asynchronously",
        /// Whether the host is sent as server name.
        pub use_sni: bool = "UseSNI" | "use_sni",
        /// What happens when a fetch fails.
        pub retry_policy: Option<JwksRetryPolicy> = "RetryPolicy" | "retry_policy",
        /// How the address is reached.
        pub jwks_cluster: Option<JwksCluster> = "JWKSCluster" | "jwks_cluster",
    }

    /// Repeating a failed fetch.
    pub struct JwksRetryPolicy {
        /// Further attempts.
        pub num_retries: i64 = "NumRetries" | "num_retries",
        /// Waits between them.
        pub retry_policy_back_off: Option<JwksBackOff> = "RetryPolicyBackOff" | "retry_policy_back_off",
    }

    /// Waits between attempts.
    pub struct JwksBackOff {
        /// First wait; zero means 1 s.
        pub base_interval: GoDuration = "BaseInterval" | "base_interval",
        /// Largest wait; zero means ten times the first.
        pub max_interval: GoDuration = "MaxInterval" | "max_interval",
    }

    /// How the key set's address is reached.
    pub struct JwksCluster {
        /// Envoy's cluster type.
        pub discovery_type: String = "DiscoveryType" | "discovery_type",
        /// Time to connect.
        pub connect_timeout: GoDuration = "ConnectTimeout" | "connect_timeout",
        /// What its certificate is checked against.
        pub tls_certificates: Option<JwksTlsCertificates> = "TLSCertificates" | "tls_certificates",
    }

    /// Trust of the key set's address: exactly one of the two.
    pub struct JwksTlsCertificates {
        /// Envoy's certificate provider.
        pub ca_certificate_provider_instance: Option<JwksCertificateProvider> =
            "CaCertificateProviderInstance" | "ca_certificate_provider_instance",
        /// A given bundle.
        pub trusted_ca: Option<JwksTrustedCa> = "TrustedCA" | "trusted_ca",
    }

    /// Envoy's certificate provider.
    pub struct JwksCertificateProvider {
        /// Name of the provider.
        pub instance_name: String = "InstanceName" | "instance_name",
        /// Name of the certificate.
        pub certificate_name: String = "CertificateName" | "certificate_name",
    }

    /// A bundle: exactly one is set.
    pub struct JwksTrustedCa {
        /// A file.
        pub filename: String = "Filename",
        /// A variable of the environment.
        pub environment_variable: String = "EnvironmentVariable" | "environment_variable",
        /// PEM text.
        pub inline_string: String = "InlineString" | "inline_string",
        /// Base64 of PEM text.
        pub inline_bytes: String = "InlineBytes" | "inline_bytes",
    }

    /// A place to look for a token: exactly one is set.
    pub struct JwtLocation {
        /// A header.
        pub header: Option<JwtLocationHeader> = "Header",
        /// A query parameter.
        pub query_param: Option<JwtLocationName> = "QueryParam" | "query_param",
        /// A cookie.
        pub cookie: Option<JwtLocationName> = "Cookie",
    }

    /// A token in a header.
    pub struct JwtLocationHeader {
        /// Name of the header.
        pub name: String = "Name",
        /// What precedes the token in the value.
        pub value_prefix: String = "ValuePrefix" | "value_prefix",
        /// Whether the header is passed on.
        pub forward: bool = "Forward",
    }

    /// A token under a name.
    pub struct JwtLocationName {
        /// The name.
        pub name: String = "Name",
    }

    /// Passing the payload on.
    pub struct JwtForwarding {
        /// Header that carries it.
        pub header_name: String = "HeaderName" | "header_name",
        /// Whether its base64 is padded.
        pub pad_forward_payload_header: bool = "PadForwardPayloadHeader" | "pad_forward_payload_header",
    }

    /// Cache of verified tokens.
    pub struct JwtCacheConfig {
        /// Tokens kept; 0 means off.
        pub size: i64 = "Size",
    }
}
