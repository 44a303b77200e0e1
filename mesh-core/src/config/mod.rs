//! Config entries: one file per kind, HCL 1 and JSON, diagnostics.
//!
//! Every entry is plain data as written (decoded, normalised and checked on its own); what entries mean together is
//! compiled elsewhere. Each record carries the [`Origin`] it was read from, so that later stages can point at file and
//! line. The fields are those of Consul's config entry references; [`policy`] and [`settings`] are our own.
//!
//! ```
//! use mesh_core::config::{Source, load, render};
//!
//! let text = "Kind = \"service-router\"\nName = \"web\"\nRoutes { Destination { prefix_rewirte = \"/\" } }";
//! let loaded = load(vec![Source::new("web.hcl", text)]);
//! let shown = render(&loaded.diagnostics, false);
//! assert!(loaded.has_errors() && shown.contains("did you mean `PrefixRewrite`?"), "{shown}");
//! ```

#[macro_use]
mod record;

mod agent;
mod canon;
pub mod category;
mod check;
mod decode;
pub mod diagnostic;
pub mod duration;
pub mod entry;
mod hcl;
mod hcl_lexer;
pub mod ingress;
pub mod intentions;
mod json;
pub mod jwt_provider;
pub mod load;
pub mod mesh;
mod path;
pub mod policy;
mod policy_rules;
mod proxy_config;
pub mod proxy_defaults;
mod read;
mod render;
pub mod resolver;
pub mod router;
pub mod service;
pub mod service_defaults;
mod service_rules;
pub mod settings;
pub mod shared;
pub mod source;
pub mod splitter;
pub(crate) mod suggest;
mod tracing;
mod value;
mod weak;

pub use category::Category;
pub use check::compile_pattern;
pub use decode::Ignored;
pub use diagnostic::{Diagnostic, Related, Severity};
pub use duration::GoDuration;
pub use entry::{Entry, EntryKey, EntrySet, Kind};
pub use ingress::{
    IngressDefaults, IngressGateway, IngressListener, IngressService, IngressServiceTls,
};
pub use intentions::{
    Action, IntentionHeader, IntentionHttp, IntentionJwt, IntentionJwtClaim, IntentionJwtProvider,
    IntentionSource, Permission, ServiceIntentions,
};
pub use jwt_provider::JwtProvider;
pub(crate) use load::is_settings;
pub use load::{Loaded, load};
pub use mesh::MeshEntry;
pub use policy::MeshPolicy;
pub use proxy_config::ProxyConfig;
pub use proxy_defaults::{ProxyDefaults, tracing_collector};
pub use read::{place_of, prepare, read_entry};
pub use render::render;
pub use resolver::{
    CookieConfig, Failover, FailoverTarget, HashPolicy, LeastRequestConfig, LoadBalancer, Redirect,
    RingHashConfig, ServiceResolver, Subset,
};
pub use router::{
    HttpMatch, QueryMatch, Route, RouteDestination, RouteHeader, RouteMatch, ServiceRouter,
};
pub use service::ServiceDefinition;
pub use service_defaults::{Destination, ServiceDefaults, Upstream, UpstreamConfig};
pub use settings::Settings;
pub use shared::{HeaderModifiers, Limits, MeshGateway, PassiveHealthCheck, is_l7};
pub use source::{Origin, Source, Span};
pub use splitter::{ServiceSplitter, Split};
pub use tracing::ZipkinCollector;
