//! `mesh.hcl`: the settings of the process.

use super::category::Category;
use super::check::{Checker, Rules};

record! {
    /// The settings of the process.
    pub struct Settings {
        /// `allow` or `deny`: what happens to calls without an intention. Required.
        pub default_intention_policy: String = "default_intention_policy",
        /// The own datacenter; `dc1` is filled in.
        pub datacenter: String = "datacenter",
        /// The own trust domain; empty means made on first use and kept.
        pub trust_domain: String = "trust_domain",
        /// Where certificates come from.
        pub certificates: CertificateSettings = "certificates",
        /// The admin listener.
        pub admin: AdminSettings = "admin",
        /// Where spans go.
        pub tracing: TracingSettings = "tracing",
        /// Last good entries and catalogue.
        pub cache: CacheSettings = "cache",
    }

    /// Where certificates come from.
    pub struct CertificateSettings {
        /// `dev-ca` (filled in) or `files`.
        pub source: String = "source",
        /// Certificates from files.
        pub files: Option<CertificateFiles> = "files",
        /// Certificates from a SPIFFE Workload API; refused, not available yet.
        pub spire: Option<SpireSettings> = "spire",
    }

    /// A SPIFFE Workload API.
    pub struct SpireSettings {
        /// Its socket.
        pub socket: String = "socket",
    }

    /// Certificates from files.
    pub struct CertificateFiles {
        /// Chain, leaf first, PEM.
        pub cert: String = "cert",
        /// Key, PEM.
        pub key: String = "key",
        /// Trust bundles: PEM files.
        pub bundles: Vec<String> = "bundles",
    }

    /// The admin listener.
    pub struct AdminSettings {
        /// Address and port; `127.0.0.1:0` is filled in.
        pub bind: String = "bind",
    }

    /// Where spans go, unless proxy-defaults say so.
    pub struct TracingSettings {
        /// Zipkin's collector; empty means none.
        pub zipkin: String = "zipkin",
        /// OTLP's collector; empty means none.
        pub otlp: String = "otlp",
    }

    /// Last good entries and catalogue.
    pub struct CacheSettings {
        /// Directory; empty means off.
        pub path: String = "path",
    }
}

const BAD: Category = Category::BadSettings;

impl Rules for Settings {
    fn normalize(&mut self) {
        let fill = |field: &mut String, default: &str| {
            if field.is_empty() {
                *field = default.to_owned();
            }
        };
        fill(&mut self.datacenter, "dc1");
        fill(&mut self.admin.bind, "127.0.0.1:0");
        let certificates = &mut self.certificates;
        let source = match (&certificates.files, &certificates.spire) {
            (Some(_), None) => "files",
            (None, Some(_)) => "spire",
            _ => "dev-ca",
        };
        fill(&mut certificates.source, source);
    }

    fn check(&self, to: &mut Checker) {
        let policy = &self.default_intention_policy;
        if policy.is_empty() {
            to.error_at("default_intention_policy", BAD, "default_intention_policy is required and has no default")
                .hint("write `default_intention_policy = \"deny\"`: only calls with an intention are allowed; or \"allow\"");
        }
        to.one_of("default_intention_policy", BAD, policy, &["allow", "deny"]);
        if !is_trust_domain(&self.trust_domain) {
            let message = format!("{:?} is not a trust domain", self.trust_domain);
            to.error_at("trust_domain", BAD, message)
                .hint("lower-case letters, digits, `.`, `-`, `_`");
        }
        to.within("certificates", |to| self.certificates.check(to));
        to.within("admin", |to| {
            if !is_address(&self.admin.bind) {
                to.error_at(
                    "bind",
                    BAD,
                    format!("{:?} is not an address and port", self.admin.bind),
                )
                .hint("such as \"127.0.0.1:0\"");
            }
        });
        to.within("tracing", |to| {
            for (field, url) in [
                ("zipkin", &self.tracing.zipkin),
                ("otlp", &self.tracing.otlp),
            ] {
                let absolute = |uri: http::Uri| uri.scheme().is_some() && uri.host().is_some();
                if !url.is_empty() && !url.parse().is_ok_and(absolute) {
                    to.error_at(field, BAD, format!("{url:?} is not an absolute address"));
                }
            }
        });
    }
}

/// A trust domain as the SPIFFE-ID standard has it (section 2.1); empty passes.
fn is_trust_domain(name: &str) -> bool {
    name.len() <= 255
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl CertificateSettings {
    fn check(&self, to: &mut Checker) {
        match self.source.as_str() {
            "dev-ca" | "files" => {}
            "spire" | "consul" => {
                let message = format!("certificates from {:?} are not available yet", self.source);
                to.error_at("source", Category::NotSupported, message)
                    .hint("use \"dev-ca\" or \"files\"");
            }
            _ => to.one_of("source", BAD, &self.source, &["dev-ca", "files"]),
        }
        match &self.files {
            None if self.source == "files" => {
                to.error_at(
                    "files",
                    BAD,
                    "source = \"files\" needs `files { cert, key, bundles }`",
                );
            }
            Some(_) if self.source != "files" => {
                to.error_at("files", BAD, "`files` needs source = \"files\"");
            }
            Some(files) => to.within("files", |to| {
                let missing = [
                    ("cert", files.cert.is_empty()),
                    ("key", files.key.is_empty()),
                    ("bundles", files.bundles.is_empty()),
                ];
                for (field, _) in missing.into_iter().filter(|(_, missing)| *missing) {
                    to.error_at(field, BAD, format!("`{field}` is required"));
                }
            }),
            None => {}
        }
    }
}
