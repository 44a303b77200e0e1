//! Where leaves and roots come from.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_core::error::BoxError;
use mesh_core::identity::{SpiffeId, TrustBundles};
use mesh_core::live::Live;

use super::leaf::{Credentials, CredentialsError};

/// Obtains leaves for services of this process, and knows which roots are trusted.
pub trait CertificateSource: Send + Sync + 'static {
    /// Obtains a leaf for a service: the first one, or a newer one. A source that learns of new roots publishes them
    /// before it returns a leaf that needs them.
    fn obtain(
        &self,
        service: &str,
    ) -> impl Future<Output = Result<Credentials, SourceError>> + Send;

    /// The roots that are trusted, replaced as the source learns of others.
    fn bundles(&self) -> Live<TrustBundles>;

    /// How long to wait before [`CertificateSource::obtain`] is called again. The default is [`super::Renewal`].
    fn wait(&self, current: &Credentials, now: SystemTime, draw: u64) -> Duration {
        current.renewal().wait(now, draw)
    }
}

impl<S: CertificateSource> CertificateSource for Arc<S> {
    fn obtain(
        &self,
        service: &str,
    ) -> impl Future<Output = Result<Credentials, SourceError>> + Send {
        (**self).obtain(service)
    }

    fn bundles(&self) -> Live<TrustBundles> {
        (**self).bundles()
    }

    fn wait(&self, current: &Credentials, now: SystemTime, draw: u64) -> Duration {
        (**self).wait(current, now, draw)
    }
}

/// Why no leaf was obtained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file could not be read.
    #[error("reading {path} failed")]
    File {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was read is no leaf with its key, or no root.
    #[error("{path} can not be used")]
    Unusable {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: CredentialsError,
    },
    /// The leaf is that of another service.
    #[error("the leaf is that of {found}, not of the service {wanted}")]
    OtherService {
        /// The service asked for.
        wanted: String,
        /// The identity obtained.
        found: SpiffeId,
    },
    /// The authority did not sign.
    #[error("the certificate authority gave no leaf")]
    Authority(#[source] BoxError),
}
