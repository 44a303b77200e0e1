//! `mesh`: what holds for the whole mesh.

use std::collections::BTreeMap;

use super::category::Category;
use super::check::{Checker, Rules};
use super::shared::TlsParameters;

record! {
    /// The `mesh` entry (Consul mesh reference). It has no name.
    pub struct MeshEntry {
        /// Transparent proxying.
        pub transparent_proxy: MeshTransparentProxy = "TransparentProxy" | "transparent_proxy",
        /// Whether `MutualTLSMode = "permissive"` may be set.
        pub allow_enabling_permissive_mutual_tls: bool =
            "AllowEnablingPermissiveMutualTLS" | "allow_enabling_permissive_mutual_tls",
        /// Whether Envoy checks that routes name known clusters; no effect.
        pub validate_clusters: bool = "ValidateClusters" | "validate_clusters",
        /// TLS between services.
        pub tls: Option<MeshTls> = "TLS",
        /// HTTP between services.
        pub http: Option<MeshHttp> = "HTTP",
        /// Peering.
        pub peering: Option<MeshPeering> = "Peering",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// Transparent proxying of the mesh.
    pub struct MeshTransparentProxy {
        /// Whether only destinations in the mesh may be dialed.
        pub mesh_destinations_only: bool = "MeshDestinationsOnly" | "mesh_destinations_only",
    }

    /// TLS between services.
    pub struct MeshTls {
        /// As a server.
        pub incoming: Option<TlsParameters> = "Incoming",
        /// As a client.
        pub outgoing: Option<TlsParameters> = "Outgoing",
    }

    /// HTTP between services.
    pub struct MeshHttp {
        /// Remove `x-forwarded-client-cert` of callers.
        pub sanitize_x_forwarded_client_cert: bool =
            "SanitizeXForwardedClientCert" | "sanitize_x_forwarded_client_cert",
        /// Inbound requests.
        pub incoming: Option<MeshHttpIncoming> = "Incoming",
    }

    /// Inbound requests.
    pub struct MeshHttpIncoming {
        /// Normalization before intentions.
        pub request_normalization: Option<RequestNormalization> = "RequestNormalization" | "request_normalization",
    }

    /// Normalization of inbound requests.
    pub struct RequestNormalization {
        /// Leave the path as it is.
        pub insecure_disable_path_normalization: bool =
            "InsecureDisablePathNormalization" | "insecure_disable_path_normalization",
        /// Collapse runs of slashes.
        pub merge_slashes: bool = "MergeSlashes" | "merge_slashes",
        /// Empty, `IMPLEMENTATION_SPECIFIC_DEFAULT`, `KEEP_UNCHANGED`, `REJECT_REQUEST`, `UNESCAPE_AND_REDIRECT` or
        /// `UNESCAPE_AND_FORWARD`.
        pub path_with_escaped_slashes_action: String =
            "PathWithEscapedSlashesAction" | "path_with_escaped_slashes_action",
        /// Empty, `ALLOW`, `REJECT_REQUEST` or `DROP_HEADER`.
        pub headers_with_underscores_action: String =
            "HeadersWithUnderscoresAction" | "headers_with_underscores_action",
    }

    /// Peering.
    pub struct MeshPeering {
        /// Whether peering itself runs through mesh gateways.
        pub peer_through_mesh_gateways: bool = "PeerThroughMeshGateways" | "peer_through_mesh_gateways",
    }
}

impl Rules for MeshEntry {
    fn check(&self, to: &mut Checker) {
        to.meta(&self.meta);
        if let Some(tls) = &self.tls {
            to.within("TLS", |to| {
                for (field, side) in [("Incoming", &tls.incoming), ("Outgoing", &tls.outgoing)] {
                    let prefix = format!("error in {} TLS configuration: ", field.to_lowercase());
                    if let Some(side) = side {
                        to.within(field, |to| to.prefixed(&prefix, |to| side.check(to)));
                    }
                }
            });
        }
        let incoming = self.http.as_ref().and_then(|http| http.incoming.as_ref());
        if let Some(normalization) =
            incoming.and_then(|incoming| incoming.request_normalization.as_ref())
        {
            let check = |to: &mut Checker| {
                to.prefixed(
                    "error in HTTP incoming request normalization configuration: ",
                    |to| normalization.check(to),
                );
            };
            to.within("HTTP", |to| {
                to.within("Incoming", |to| to.within("RequestNormalization", check));
            });
        }
    }
}

impl RequestNormalization {
    fn check(&self, to: &mut Checker) {
        let slashes = [
            "IMPLEMENTATION_SPECIFIC_DEFAULT",
            "KEEP_UNCHANGED",
            "REJECT_REQUEST",
            "UNESCAPE_AND_REDIRECT",
            "UNESCAPE_AND_FORWARD",
        ];
        action(
            to,
            "PathWithEscapedSlashesAction",
            &self.path_with_escaped_slashes_action,
            &slashes,
        );
        let underscores = ["ALLOW", "REJECT_REQUEST", "DROP_HEADER"];
        action(
            to,
            "HeadersWithUnderscoresAction",
            &self.headers_with_underscores_action,
            &underscores,
        );
    }
}

fn action(to: &mut Checker, field: &'static str, value: &str, allowed: &[&'static str]) {
    if !value.is_empty() && !allowed.contains(&value) {
        let message = format!(
            "no matching {field} value found for {value}, please specify one of [{}]",
            allowed.join(", ")
        );
        to.error_at(field, Category::BadNormalization, message);
    }
}
