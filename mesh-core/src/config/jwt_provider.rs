//! `jwt-provider`: whose tokens are believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;
use super::category::Category;
use super::check::{Checker, Rules};

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

impl Rules for JwtProvider {
    fn normalize(&mut self) {
        if self.clock_skew_seconds == 0 {
            self.clock_skew_seconds = 30;
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        to.meta(&self.meta);
        match &self.json_web_key_set {
            None => {
                to.error_at("JSONWebKeySet", BAD, "JSONWebKeySet is required");
            }
            Some(keys) => to.within("JSONWebKeySet", |to| keys.check(to)),
        }
        to.each("Locations", &self.locations, |to, location| {
            location.check(to);
        });
        if self
            .forwarding
            .as_ref()
            .is_some_and(|forwarding| forwarding.header_name.is_empty())
        {
            to.within("Forwarding", |to| {
                to.error_at(
                    "HeaderName",
                    BAD,
                    "Header name required for forwarding config",
                );
            });
        }
    }
}

const BAD: Category = Category::BadJwt;

/// Reports unless exactly one of several is set.
fn exactly_one(to: &mut Checker, set: &[bool], otherwise: &str) {
    if set.iter().filter(|set| **set).count() != 1 {
        to.error(BAD, otherwise);
    }
}

impl JsonWebKeySet {
    fn check(&self, to: &mut Checker) {
        let set = [self.local.is_some(), self.remote.is_some()];
        exactly_one(
            to,
            &set,
            "must specify exactly one of Local or Remote JSON Web key set",
        );
        if let Some(local) = &self.local {
            to.within("Local", |to| {
                let set = [!local.jwks.is_empty(), !local.filename.is_empty()];
                exactly_one(
                    to,
                    &set,
                    "must specify exactly one of String or filename for local keyset",
                );
                if !is_base64(&local.jwks) {
                    to.error_at("JWKS", BAD, "JWKS must be valid base64 encoded string");
                }
            });
        }
        if let Some(remote) = &self.remote {
            to.within("Remote", |to| remote.check(to));
        }
    }
}

/// Standard base64 with padding; line ends do not count, as in Go.
fn is_base64(text: &str) -> bool {
    let bytes: Vec<u8> = text
        .bytes()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    let digits = &bytes[..bytes.len() - padding];
    bytes.len().is_multiple_of(4)
        && padding <= 2
        && digits
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

impl RemoteJwks {
    fn check(&self, to: &mut Checker) {
        if self.uri.is_empty() {
            to.error_at("URI", BAD, "Remote JWKS URI is required");
        } else if !self
            .uri
            .parse::<http::Uri>()
            .is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some())
        {
            to.error_at(
                "URI",
                BAD,
                format!("Remote JWKS URI is invalid: {:?} is not absolute", self.uri),
            );
        }
        let back_off = self
            .retry_policy
            .as_ref()
            .and_then(|policy| policy.retry_policy_back_off.as_ref());
        if back_off
            .is_some_and(|it| !it.max_interval.is_zero() && it.max_interval < it.base_interval)
        {
            let message =
                "retry policy backoff's MaxInterval should be greater or equal to BaseInterval";
            to.within("RetryPolicy", |to| {
                to.within("RetryPolicyBackOff", |to| {
                    to.error_at("MaxInterval", BAD, message);
                });
            });
        }
        if let Some(cluster) = &self.jwks_cluster {
            to.within("JWKSCluster", |to| cluster.check(to));
        }
    }
}

impl JwksCluster {
    fn check(&self, to: &mut Checker) {
        let types = [
            "",
            "STATIC",
            "STRICT_DNS",
            "LOGICAL_DNS",
            "EDS",
            "ORIGINAL_DST",
        ];
        if !types.contains(&self.discovery_type.as_str()) {
            let message = format!(
                "unsupported jwks cluster discovery type: {:?}",
                self.discovery_type
            );
            to.error_at("DiscoveryType", BAD, message)
                .hint(format!("one of {}", types[1..].join(", ")));
        }
        let Some(certificates) = &self.tls_certificates else {
            return;
        };
        to.within("TLSCertificates", |to| {
            let set = [certificates.ca_certificate_provider_instance.is_some(), certificates.trusted_ca.is_some()];
            let otherwise =
                "must specify exactly one of: CaCertificateProviderInstance or TrustedCA for JKWS' TLSCertificates";
            exactly_one(to, &set, otherwise);
            let Some(ca) = &certificates.trusted_ca else { return };
            to.within("TrustedCA", |to| {
                let texts = [&ca.filename, &ca.environment_variable, &ca.inline_string, &ca.inline_bytes];
                let set = texts.map(|text| !text.is_empty());
                let otherwise = "must specify exactly one of: Filename, EnvironmentVariable, InlineString or \
                                 InlineBytes for JWKS' TrustedCA";
                exactly_one(to, &set, otherwise);
            });
        });
    }
}

impl JwtLocation {
    fn check(&self, to: &mut Checker) {
        let set = [
            self.header.is_some(),
            self.query_param.is_some(),
            self.cookie.is_some(),
        ];
        exactly_one(
            to,
            &set,
            "must set exactly one of: JWT location header, query param or cookie",
        );
        let names = [
            (
                "Header",
                "header",
                self.header.as_ref().map(|header| &header.name),
            ),
            (
                "QueryParam",
                "query param",
                self.query_param.as_ref().map(|query| &query.name),
            ),
            (
                "Cookie",
                "cookie",
                self.cookie.as_ref().map(|cookie| &cookie.name),
            ),
        ];
        for (field, place, name) in names {
            if name.is_some_and(String::is_empty) {
                to.within(field, |to| {
                    to.error_at(
                        "Name",
                        BAD,
                        format!("JWT location {place} name must be specified"),
                    );
                });
            }
        }
    }
}
