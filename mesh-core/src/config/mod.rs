//! Config entries: one file per kind, HCL 1 and JSON, diagnostics.
//!
//! Every entry is plain data as written (decoded, normalised and checked on its own); what entries mean together is
//! compiled elsewhere. Each record carries the [`Origin`] it was read from, so that later stages can point at file and line.

#[macro_use]
mod record;

mod canon;
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
pub mod resolver;
pub mod router;
pub mod service;
pub mod service_defaults;
pub mod settings;
pub mod shared;
pub mod source;
pub mod splitter;
mod suggest;
mod tracing;
mod value;

pub use check::compile_pattern;
pub use decode::Ignored;
pub use diagnostic::{Category, Diagnostic, Severity, render};
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
pub use load::{Loaded, load, read_entry, validate};
pub use mesh::MeshEntry;
pub use policy::MeshPolicy;
pub use proxy_config::ProxyConfig;
pub use proxy_defaults::{ProxyDefaults, tracing_collector};
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
