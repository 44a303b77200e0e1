//! `mesh.hcl`: the settings of the process.

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
