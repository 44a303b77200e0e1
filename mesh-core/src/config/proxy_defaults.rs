//! `proxy-defaults`: what holds for every service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::category::Category;
use super::check::{Checker, Rules};
use super::diagnostic::Diagnostic;
use super::proxy_config::{self, ProxyConfig};
use super::shared::{
    EnvoyExtension, Expose, FailoverPolicy, MeshGateway, PrioritizeByLocality, TransparentProxy,
    check_proxy_fields,
};
use super::tracing::{self, ZipkinCollector};

record! {
    /// The `proxy-defaults` entry (Consul proxy-defaults reference); its only name is `global`.
    pub struct ProxyDefaults {
        /// Always `global`.
        pub name: Arc<str> = "Name",
        /// Free keys; those with a meaning are read by the functions of this module.
        pub config: serde_json::Map<String, serde_json::Value> = "Config",
        /// Accepted without effect; the protocol is `Config.protocol`.
        pub protocol: String = "Protocol",
        /// Empty, `direct` or `transparent`.
        pub mode: String = "Mode",
        /// Transparent proxying.
        pub transparent_proxy: TransparentProxy = "TransparentProxy" | "transparent_proxy",
        /// Empty (strict), `strict` or `permissive`.
        pub mutual_tls_mode: String = "MutualTLSMode" | "mutual_tls_mode",
        /// How other datacenters are reached.
        pub mesh_gateway: MeshGateway = "MeshGateway" | "mesh_gateway",
        /// Plaintext paths.
        pub expose: Expose = "Expose",
        /// Access logs; off when absent.
        pub access_logs: Option<AccessLogs> = "AccessLogs" | "access_logs",
        /// Extensions of Envoy.
        pub envoy_extensions: Vec<EnvoyExtension> = "EnvoyExtensions" | "envoy_extensions",
        /// Order of fail-over targets.
        pub failover_policy: Option<FailoverPolicy> = "FailoverPolicy" | "failover_policy",
        /// Enterprise.
        pub prioritize_by_locality: Option<PrioritizeByLocality> = "PrioritizeByLocality" | "prioritize_by_locality",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// Access logs.
    pub struct AccessLogs {
        /// Whether they are written.
        pub enabled: bool = "Enabled",
        /// Leave out connections that no service took.
        pub disable_listener_logs: bool = "DisableListenerLogs" | "disable_listener_logs",
        /// Empty (`stdout`), `file`, `stderr`, `stdout`.
        pub kind: String = "Type",
        /// The file, with `file` only.
        pub path: String = "Path",
        /// Form of a line as a JSON object; excludes `TextFormat`.
        pub json_format: String = "JSONFormat" | "json_format",
        /// Form of a line as text.
        pub text_format: String = "TextFormat" | "text_format",
    }
}

impl Rules for ProxyDefaults {
    fn normalize(&mut self) {
        if self.name.is_empty() {
            self.name = "global".into();
        }
    }

    fn check(&self, to: &mut Checker) {
        if &*self.name != "global" {
            let message = format!("proxy-defaults are named \"global\", not {:?}", self.name);
            to.error_at("Name", Category::BadName, message);
        }
        to.meta(&self.meta);
        check_proxy_fields(
            to,
            &self.mode,
            &self.mutual_tls_mode,
            &self.expose,
            &self.envoy_extensions,
        );
        if !self.protocol.is_empty() {
            to.warn_at(
                "Protocol",
                Category::NoEffect,
                "Protocol has no effect here",
            )
            .hint(format!(
                "write `Config {{ protocol = {:?} }}`",
                self.protocol
            ));
        }
        if let Some(logs) = &self.access_logs {
            to.within("AccessLogs", |to| logs.check(to));
        }
        if let Some(policy) = &self.failover_policy {
            to.within("FailoverPolicy", |to| {
                if policy.mode == "order-by-locality" {
                    to.enterprise("Mode", &policy.mode);
                } else {
                    to.one_of("Mode", Category::BadFailover, &policy.mode, &["sequential"]);
                }
            });
        }
        if let Some(locality) = &self.prioritize_by_locality {
            to.within("PrioritizeByLocality", |to| {
                to.enterprise("Mode", &locality.mode);
            });
        }
        to.within("Config", |to| proxy_config::check(&self.config, to));
        if let Err(problem) = tracing::collector(&self.config) {
            to.within("Config", |to| {
                to.warn_at(problem.key, Category::BadType, problem.message);
            });
        }
    }
}

impl AccessLogs {
    fn check(&self, to: &mut Checker) {
        let bad = Category::BadAccessLog;
        to.one_of("Type", bad, &self.kind, &["file", "stderr", "stdout"]);
        match (self.kind == "file", self.path.is_empty()) {
            (true, true) => {
                to.error_at("Path", bad, "Type = \"file\" needs a Path");
            }
            (false, false) => {
                to.error_at("Path", bad, "Path needs Type = \"file\"");
            }
            _ => {}
        }
        if !self.json_format.is_empty() && !self.text_format.is_empty() {
            to.error_at(
                "TextFormat",
                bad,
                "JSONFormat and TextFormat exclude each other",
            );
        }
        if !self.json_format.is_empty() {
            let parsed = serde_json::from_str::<serde_json::Value>(&self.json_format);
            if !parsed.is_ok_and(|value| value.is_object()) {
                to.error_at("JSONFormat", bad, "JSONFormat is not a JSON object");
            }
        }
    }
}

impl ProxyDefaults {
    /// The keys of `Config` that have a meaning, read.
    #[must_use]
    pub fn proxy_config(&self) -> ProxyConfig {
        ProxyConfig::read(&self.config)
    }
}

/// The collector of spans that `Config` names in Envoy's terms (`envoy_tracing_json` and the cluster it refers to in
/// `envoy_extra_static_clusters_json`); `None` when it names none.
///
/// # Errors
/// A warning when the two texts are not the JSON of a Zipkin tracer and its cluster.
pub fn tracing_collector(defaults: &ProxyDefaults) -> Result<Option<ZipkinCollector>, Diagnostic> {
    tracing::collector(&defaults.config).map_err(|problem| {
        Diagnostic::warning(Category::BadType, defaults.origin.clone(), problem.message)
            .with_field(format!("Config.{}", problem.key))
    })
}
