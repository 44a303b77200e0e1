//! [`Peer`], the caller as handlers see it.

use std::fmt;
use std::ops::Deref;

use http::{Extensions, Request};
use mesh_core::context::Inbound;
use mesh_core::identity::PeerIdentity;

/// The verified identity of the caller.
///
/// With the feature `axum` it is an extractor: a handler that takes a `Peer` is answered with 403 when there is none, one
/// that takes an `Option<Peer>` sees `None`. Other hosts use [`Peer::of`]. It dereferences to [`PeerIdentity`], whose
/// `service_name` is what most handlers want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub PeerIdentity);

impl Peer {
    /// The caller of a request, if its connection has a verified peer.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        Self::of_extensions(request.extensions())
    }

    /// The caller, from the extensions of a request; tonic hands these on in its own requests.
    #[must_use]
    pub fn of_extensions(extensions: &Extensions) -> Option<Self> {
        extensions
            .get::<Inbound>()
            .and_then(|inbound| inbound.peer())
            .cloned()
            .map(Self)
    }
}

impl Deref for Peer {
    type Target = PeerIdentity;

    fn deref(&self) -> &PeerIdentity {
        &self.0
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The cause of a refusal for want of a verified peer; found in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller has no verified identity")]
pub struct Unauthenticated;

#[cfg(feature = "axum")]
mod extract {
    use std::convert::Infallible;

    use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
    use axum_core::response::{IntoResponse, Response};
    use http::StatusCode;
    use http::request::Parts;

    use super::{Peer, Unauthenticated};

    impl<S: Send + Sync> FromRequestParts<S> for Peer {
        type Rejection = Unauthenticated;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Unauthenticated> {
            Self::of_extensions(&parts.extensions).ok_or(Unauthenticated)
        }
    }

    impl<S: Send + Sync> OptionalFromRequestParts<S> for Peer {
        type Rejection = Infallible;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(Self::of_extensions(&parts.extensions))
        }
    }

    impl IntoResponse for Unauthenticated {
        fn into_response(self) -> Response {
            (StatusCode::FORBIDDEN, self.to_string()).into_response()
        }
    }
}
