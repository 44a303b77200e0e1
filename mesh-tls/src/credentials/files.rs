//! [`FilesSource`]: a leaf and roots from PEM files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mesh_core::identity::{TrustBundles, TrustDomain};
use mesh_core::live::{Live, Publisher};

use super::leaf::{Credentials, CredentialsError, read_bundle};
use super::source::{CertificateSource, SourceError};

const POLL: Duration = Duration::from_secs(30);

/// Reads a key, a chain and one bundle per trust domain from PEM files, and reads them again every 30 s.
///
/// A tool that rotates the files writes the bundle first, then chain and key. A key and a chain that do not fit each
/// other, as seen between two writes, keep the old leaf and are read again shortly.
#[derive(Clone, Debug)]
pub struct FilesSource {
    key: PathBuf,
    chain: PathBuf,
    bundle_files: Vec<(TrustDomain, PathBuf)>,
    publisher: Publisher<TrustBundles>,
    poll: Duration,
}

impl FilesSource {
    /// A source over a key file (PKCS#8, SEC 1 or PKCS#1), a chain file (leaf first) and the own trust domain's roots.
    ///
    /// Nothing is read yet: nobody is trusted until the first leaf was obtained.
    #[must_use]
    pub fn new(
        key: impl Into<PathBuf>,
        chain: impl Into<PathBuf>,
        trust_domain: &TrustDomain,
        bundle: impl Into<PathBuf>,
    ) -> Self {
        Self {
            key: key.into(),
            chain: chain.into(),
            bundle_files: vec![(trust_domain.clone(), bundle.into())],
            publisher: Live::channel(TrustBundles::empty(trust_domain.clone())).0,
            poll: POLL,
        }
    }

    /// Trusts the identities of a peered trust domain too, by the roots in that file.
    #[must_use]
    pub fn with_peer(mut self, trust_domain: &TrustDomain, bundle: impl Into<PathBuf>) -> Self {
        self.bundle_files
            .push((trust_domain.clone(), bundle.into()));
        self
    }

    /// Reads the files again after that time instead of 30 s; 5 s is the least.
    #[must_use]
    pub fn with_poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    async fn read_bundles(&self) -> Result<(), SourceError> {
        let reader = self.publisher.reader();
        let mut bundles = TrustBundles::empty(reader.load().local.clone());
        for (trust_domain, path) in &self.bundle_files {
            let pem = read(path).await?;
            let bundle = read_bundle(trust_domain, &pem).map_err(|e| unusable(path, e))?;
            bundles.insert(bundle);
        }
        if **reader.load() != bundles {
            self.publisher.publish(bundles);
        }
        Ok(())
    }
}

impl CertificateSource for FilesSource {
    async fn obtain(&self, _: &str) -> Result<Credentials, SourceError> {
        self.read_bundles().await?;
        let chain = read(&self.chain).await?;
        let key = read(&self.key).await?;
        Credentials::from_pem(&chain, &key).map_err(|e| unusable(&self.chain, e))
    }

    fn bundles(&self) -> Live<TrustBundles> {
        self.publisher.reader()
    }

    fn wait(&self, _: &Credentials, _: SystemTime, _: u64) -> Duration {
        self.poll
    }
}

fn unusable(path: &Path, source: CredentialsError) -> SourceError {
    SourceError::Unusable {
        path: path.display().to_string(),
        source,
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let owned = path.to_owned();
    tokio::task::spawn_blocking(move || std::fs::read(owned))
        .await
        .unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)))
        .map_err(|source| SourceError::File {
            path: path.display().to_string(),
            source,
        })
}
