//! One path for judging, routing and serving.
//!
//! `/public/../admin`, `/public/%2e%2e/admin` and `/admin` are one resource to many applications. [`Normalize`] rewrites the
//! request's URI before anything looks at it, so that what [`crate::authorize`] judges is what the application serves. The
//! settings are those of the `mesh` entry (`HTTP.Incoming.RequestNormalization` in Consul's mesh reference), and the
//! normalization is Envoy's.
//!
//! 1. Headers whose name has an underscore are kept, removed, or refuse the request with 400.
//! 2. A path that does not begin with `/` is answered with 404; what can not be normalized with 400; gRPC calls with
//!    `grpc-status: 13`. There is no body.
//! 3. Dots are resolved, needless escapes decoded; slashes in escaped form are kept, refused, or decoded, by the settings.
//! 4. With `UNESCAPE_AND_REDIRECT` the caller is sent to the decoded path with 307.
//! 5. The query is never touched.
//!
//! Consul's default keeps `//admin` and `/a%2Fb` as they are. Rules about paths are tight only with `MergeSlashes` and an
//! action for escaped slashes, unless the application treats such paths as different resources, as axum's router does.
//!
//! Of a normal request nothing is copied.

mod layer;
mod service;

use mesh_core::live::Live;
use mesh_core::normalize::Normalization;

pub use self::layer::NormalizeLayer;
pub use self::service::Normalize;

/// Where the settings come from. Read once per request.
pub trait Settings {
    /// The settings that hold now.
    fn normalization(&self) -> Normalization;
}

impl Settings for Normalization {
    fn normalization(&self) -> Normalization {
        *self
    }
}

impl Settings for Live<Normalization> {
    fn normalization(&self) -> Normalization {
        **self.load()
    }
}

impl<F: Fn() -> Normalization> Settings for F {
    fn normalization(&self) -> Normalization {
        self()
    }
}
