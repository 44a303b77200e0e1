//! Tell the application who called, in the header that Envoy uses for it: `x-forwarded-client-cert`.
//!
//! [`ForwardClientCert`] appends what this hop saw of its peer to whatever came in, as Consul's sidecar does for `http`
//! services, or removes the header, as it does for `grpc` ones and where the `mesh` entry says
//! `SanitizeXForwardedClientCert`.
//!
//! 1. What comes in is whatever the caller wrote. Nothing here makes it true; [`crate::authenticate::Peer`] says who called.
//! 2. A request without verified peer leaves with the header removed.
//!
//! Put it inside [`crate::authorize`], which looks at the header as it came in. The element of a peer is written once and
//! kept, in a table of fixed size.

mod layer;
mod service;

use mesh_core::live::Live;

pub use self::layer::ForwardClientCertLayer;
pub use self::service::ForwardClientCert;

/// What happens to the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Forward {
    /// This hop's element is appended.
    #[default]
    Append,
    /// It is removed.
    Remove,
}

/// Where the choice comes from. Read once per request.
pub trait ForwardSettings {
    /// The choice that holds now.
    fn forward(&self) -> Forward;
}

impl ForwardSettings for Forward {
    fn forward(&self) -> Forward {
        *self
    }
}

impl ForwardSettings for Live<Forward> {
    fn forward(&self) -> Forward {
        **self.load()
    }
}

impl<F: Fn() -> Forward> ForwardSettings for F {
    fn forward(&self) -> Forward {
        self()
    }
}
