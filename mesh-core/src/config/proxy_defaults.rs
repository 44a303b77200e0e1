//! `proxy-defaults`: what holds for every service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::{
    EnvoyExtension, Expose, FailoverPolicy, MeshGateway, PrioritizeByLocality, TransparentProxy,
};

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
