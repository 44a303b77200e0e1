//! A certificate authority for development, kept in the mesh directory.
//!
//! The folder `ca/` of the directory holds the trust domain, a root key and a root certificate; they are made on first
//! use. Several processes may open it at once: exactly one makes each file and all others read it. Leaves are signed in
//! process: their keys are never written.
//!
//! The certificates have the form of Consul's built-in authority (Consul certificate management reference): ECDSA P-256,
//! an empty subject, one critical URI name, both extended key usages, valid from one minute ago. Leaves live one hour.
//!
//! Whoever can read `ca/root.key` can be any service of the mesh. That is fine on a developer's machine; elsewhere
//! use Consul's authority or files from one that you trust.

mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_core::clock::WallClock;
use mesh_core::error::BoxError;
use mesh_core::identity::{SpiffeId, SpiffeIdError, TrustBundle, TrustBundles, TrustDomain};
use mesh_core::live::Live;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::credentials::{CertificateSource, Credentials, CredentialsError, SourceError};
use crate::profile;

const FOLDER: &str = "ca";
const TRUST_DOMAIN: &str = "trust-domain";
const ROOT_KEY: &str = "root.key";
const ROOT_CERT: &str = "root.pem";

const LEAF_LIFE: Duration = Duration::from_secs(3_600);
const ROOT_LIFE: Duration = Duration::from_secs(87_600 * 3_600);
const BACKDATED: Duration = Duration::from_secs(60);

/// Why the authority can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevCaError {
    /// A file could not be read or made.
    #[error("{path} can not be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The trust domain kept in the directory has no valid name.
    #[error("{path} does not hold the name of a trust domain")]
    TrustDomainName {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SpiffeIdError,
    },
    /// The configuration names another trust domain than the one that the authority was made for.
    #[error(
        "the authority was made for the trust domain {kept}, but the configuration says {configured}; \
         remove the folder `ca` to make a new one"
    )]
    OtherTrustDomain {
        /// The one in the directory.
        kept: TrustDomain,
        /// The one configured.
        configured: TrustDomain,
    },
    /// The root's key or certificate is broken, or they do not belong together.
    #[error("{path} is not the authority's")]
    Root {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A certificate could not be made.
    #[error("the certificate could not be signed")]
    Sign(#[source] BoxError),
}

impl From<rcgen::Error> for DevCaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Sign(error.into())
    }
}

impl From<CredentialsError> for DevCaError {
    fn from(error: CredentialsError) -> Self {
        Self::Sign(error.into())
    }
}

/// The development authority; a clone is one reference count.
#[derive(Clone, Debug)]
pub struct DevCa {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    trust_domain: TrustDomain,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// The trust domain kept in a directory, made on first use: the one configured, or a new `<uuid>.consul`. The
/// authority uses the same file, so that whoever comes first decides.
///
/// # Errors
/// When the file can not be read or made, or holds another trust domain than the one configured.
pub fn trust_domain(
    dir: &Path,
    configured: Option<&TrustDomain>,
) -> Result<TrustDomain, DevCaError> {
    let folder = dir.join(FOLDER);
    store::create_dir(&folder).map_err(|e| file(&folder, e))?;
    let path = folder.join(TRUST_DOMAIN);
    let text = store::read_or_create(&path, || match configured {
        Some(name) => Ok(format!("{name}\n")),
        None => Ok(format!("{}.consul\n", uuid()?)),
    })
    .map_err(|e| file(&path, e))?;
    let kept = TrustDomain::new(text.trim())
        .map_err(|source| DevCaError::TrustDomainName { path, source })?;
    match configured {
        Some(configured) if *configured != kept => Err(DevCaError::OtherTrustDomain {
            kept,
            configured: configured.clone(),
        }),
        _ => Ok(kept),
    }
}

impl DevCa {
    /// Opens the authority of a mesh directory; makes it on first use.
    ///
    /// # Errors
    /// When a file can not be read or made, is readable by others, or does not belong to the rest.
    pub fn open(dir: &Path, configured: Option<&TrustDomain>) -> Result<Self, DevCaError> {
        let trust_domain = trust_domain(dir, configured)?;
        let folder = dir.join(FOLDER);
        let key_path = folder.join(ROOT_KEY);
        let key_pem = store::read_or_create(&key_path, || {
            let key = KeyPair::generate().map_err(std::io::Error::other)?;
            Ok(key.serialize_pem())
        })
        .and_then(|pem| store::check_private(&key_path).map(|()| pem))
        .map_err(|e| file(&key_path, e))?;
        let key = KeyPair::from_pem(&key_pem).map_err(|e| broken(&key_path, e))?;

        // The certificate is made from the key that won, so the two always belong together.
        let params = root_params(&trust_domain, &key, WallClock::system().now())?;
        let cert_path = folder.join(ROOT_CERT);
        let cert_pem = store::read_or_create(&cert_path, || {
            let certificate = params.self_signed(&key).map_err(std::io::Error::other)?;
            Ok(certificate.pem())
        })
        .map_err(|e| file(&cert_path, e))?;
        let certificate = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|e| broken(&cert_path, e))?;
        check_pair(&certificate, &key).map_err(|e| broken(&cert_path, e))?;
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|e| broken(&cert_path, e))?;
        Ok(Self {
            root: Arc::new(Root {
                trust_domain,
                certificate,
                issuer,
            }),
        })
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.root.trust_domain
    }

    /// The one root, as the bundle of the trust domain.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle {
        TrustBundle {
            trust_domain: self.root.trust_domain.clone(),
            roots: vec![Arc::from(self.root.certificate.as_ref())],
        }
    }

    /// Signs a leaf that is valid for an hour, counted from one minute before `now`, with a new key.
    ///
    /// # Errors
    /// When the identity is of another trust domain or signing fails.
    pub fn issue(&self, id: &SpiffeId, now: SystemTime) -> Result<Credentials, DevCaError> {
        if !id.is_in(&self.root.trust_domain) {
            let message = format!("{id} is not in {}", self.root.trust_domain);
            return Err(DevCaError::Sign(message.into()));
        }
        let key = KeyPair::generate()?;
        let certificate = leaf_params(id, &key, now)?.signed_by(&key, &self.root.issuer)?;
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let chain = vec![certificate.der().clone()];
        Ok(Credentials::new(chain, PrivateKeyDer::Pkcs8(der))?)
    }

    /// A source of leaves for the services of a datacenter.
    #[must_use]
    pub fn source(&self, datacenter: &str, clock: WallClock) -> DevSource {
        DevSource {
            ca: self.clone(),
            datacenter: datacenter.into(),
            clock,
            bundles: Live::fixed(TrustBundles::new(self.bundle())),
        }
    }
}

/// Leaves signed by a [`DevCa`].
#[derive(Clone, Debug)]
pub struct DevSource {
    ca: DevCa,
    datacenter: Arc<str>,
    clock: WallClock,
    bundles: Live<TrustBundles>,
}

impl CertificateSource for DevSource {
    async fn obtain(&self, service: &str) -> Result<Credentials, SourceError> {
        let id = SpiffeId::service(self.ca.trust_domain(), &self.datacenter, service);
        self.ca
            .issue(&id, self.clock.now())
            .map_err(|error| SourceError::Authority(error.into()))
    }

    fn bundles(&self) -> Live<TrustBundles> {
        self.bundles.clone()
    }
}

fn file(path: &Path, source: std::io::Error) -> DevCaError {
    DevCaError::File {
        path: path.to_owned(),
        source,
    }
}

fn broken(path: &Path, source: impl Into<BoxError>) -> DevCaError {
    DevCaError::Root {
        path: path.to_owned(),
        source: source.into(),
    }
}

fn uuid() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    store::random(&mut bytes)?;
    // RFC 9562 section 5.4: version 4, variant 10.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let n = u128::from_be_bytes(bytes);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        n >> 80 & 0xffff,
        n >> 64 & 0xffff,
        n >> 48 & 0xffff,
        n & 0xffff_ffff_ffff
    ))
}

/// The parameters that roots and leaves share.
fn base_params(
    id: &SpiffeId,
    key: &KeyPair,
    now: SystemTime,
    life: Duration,
) -> Result<CertificateParams, rcgen::Error> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let not_before = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_sub(BACKDATED);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = epoch + not_before;
    params.not_after = epoch + not_before + life;
    params.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
    params.use_authority_key_identifier_extension = true;
    let spki = key.subject_public_key_info();
    params.key_identifier_method = KeyIdMethod::PreSpecified(profile::sha256(&spki).to_vec());
    Ok(params)
}

fn root_params(
    trust_domain: &TrustDomain,
    key: &KeyPair,
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = base_params(&SpiffeId::signing(trust_domain), key, now, ROOT_LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    let id = profile::sha256(&key.subject_public_key_info());
    let unique: String = id[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let domain: String = trust_domain.as_str().chars().take(8).collect();
    params.distinguished_name.push(
        DnType::CommonName,
        format!("pri-{unique}.mesh.ca.{domain}.consul"),
    );
    Ok(params)
}

fn leaf_params(
    id: &SpiffeId,
    key: &KeyPair,
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = base_params(id, key, now, LEAF_LIFE)?;
    // Written although it is the default: no authority.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
        KeyUsagePurpose::KeyAgreement,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    Ok(params)
}

fn check_pair(certificate: &CertificateDer<'_>, key: &KeyPair) -> Result<(), BoxError> {
    let parsed = webpki::EndEntityCert::try_from(certificate)?;
    let theirs = parsed.subject_public_key_info();
    if theirs.as_ref() == key.subject_public_key_info().as_slice() {
        Ok(())
    } else {
        Err("the certificate is not that of the key beside it".into())
    }
}

#[cfg(test)]
mod tests {
    use mesh_core::identity::ConsulId;

    use super::*;
    use crate::verify::{Role, verify};

    fn open(dir: &Path) -> DevCa {
        DevCa::open(dir, None).unwrap()
    }

    #[test]
    fn a_leaf_has_the_form_of_consuls() {
        let dir = tempfile::tempdir().unwrap();
        let ca = open(dir.path());
        let clock = WallClock::system();
        let id = SpiffeId::service(ca.trust_domain(), "dc1", "web");
        let credentials = ca.issue(&id, clock.now()).unwrap();
        assert_eq!(credentials.spiffe_id(), &id);
        let life = credentials
            .not_after()
            .duration_since(credentials.not_before())
            .unwrap();
        assert_eq!(life, Duration::from_secs(3_600));
        assert!(credentials.is_valid_at(clock.now()));
        assert_eq!(credentials.authority_key_id().len(), 32);
        let bundles = TrustBundles::new(ca.bundle());
        for role in [Role::Client, Role::Server] {
            let chain = &credentials.certified_key().cert;
            let leaf =
                verify(role, chain, &bundles, Some(&id), profile::unix_time(&clock)).unwrap();
            assert_eq!(leaf.identity.consul.service(), Some("web"));
            assert_eq!((leaf.subject.as_str(), leaf.dns_names.len()), ("", 0));
        }
    }

    #[test]
    fn the_second_opener_finds_the_same_authority() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (open(dir.path()), open(dir.path()));
        assert_eq!(first.bundle(), second.bundle());
        let name = first.trust_domain().as_str();
        assert!(name.ends_with(".consul") && name.len() == 36 + 7, "{name}");
        assert!(ConsulId::parse(&format!("spiffe://{name}")).is_ok());
    }

    #[test]
    fn of_concurrent_openers_one_makes_the_authority_and_all_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let start = std::sync::Barrier::new(8);
        let opened: Vec<DevCa> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        open(path)
                    })
                })
                .collect();
            openers.into_iter().map(|o| o.join().unwrap()).collect()
        });
        for ca in &opened {
            assert_eq!(ca.bundle(), opened[0].bundle());
        }
        let files = std::fs::read_dir(path.join(FOLDER)).unwrap().count();
        assert_eq!(files, 3, "no temporary file is left");
    }

    #[test]
    fn a_trust_domain_that_is_there_is_used_and_another_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let birds = TrustDomain::new("birds.consul").unwrap();
        assert_eq!(trust_domain(dir.path(), Some(&birds)).unwrap(), birds);
        assert_eq!(open(dir.path()).trust_domain(), &birds);
        let other = TrustDomain::new("bees.consul").unwrap();
        assert!(matches!(
            DevCa::open(dir.path(), Some(&other)),
            Err(DevCaError::OtherTrustDomain { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        open(dir.path());
        let folder = dir.path().join(FOLDER);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let key = folder.join(ROOT_KEY);
        assert_eq!(mode(&key), 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            DevCa::open(dir.path(), None),
            Err(DevCaError::File { .. })
        ));
    }

    #[test]
    fn a_leaf_of_another_trust_domain_is_not_signed() {
        let dir = tempfile::tempdir().unwrap();
        let ca = open(dir.path());
        let other = TrustDomain::new("other.consul").unwrap();
        let id = SpiffeId::service(&other, "dc1", "web");
        assert!(matches!(
            ca.issue(&id, SystemTime::UNIX_EPOCH),
            Err(DevCaError::Sign(_))
        ));
    }

    #[test]
    fn a_root_certificate_of_another_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path());
        let elsewhere = tempfile::tempdir().unwrap();
        open(elsewhere.path());
        let cert = |dir: &Path| dir.join(FOLDER).join(ROOT_CERT);
        std::fs::copy(cert(elsewhere.path()), cert(dir.path())).unwrap();
        assert!(matches!(
            DevCa::open(dir.path(), None),
            Err(DevCaError::Root { .. })
        ));
    }
}
