//! How leaves are obtained and renewed in the background.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use common::{Ca, Signed, id, trust_domain};
use mesh_core::clock::WallClock;
use mesh_core::identity::TrustBundles;
use mesh_core::live::{Live, Publisher};
use mesh_tls::credentials::{CertificateSource, Credentials, FilesSource, Identity, SourceError};
use mesh_tls::verify::Refusal;

const HOUR: Duration = Duration::from_secs(3_600);

/// Signs leaves of one hour; may be told to fail.
struct Source {
    ca: Ca,
    clock: WallClock,
    bundles: Live<TrustBundles>,
    obtained: Arc<AtomicUsize>,
    failing: Arc<AtomicUsize>,
}

struct Controls {
    obtained: Arc<AtomicUsize>,
    failing: Arc<AtomicUsize>,
    roots: Publisher<TrustBundles>,
}

impl Controls {
    fn obtained(&self) -> usize {
        self.obtained.load(Ordering::SeqCst)
    }
}

fn source(clock: WallClock) -> (Source, Controls) {
    let ca = Ca::new();
    let (roots, bundles) = Live::channel(ca.bundles());
    let (obtained, failing) = (Arc::default(), Arc::default());
    let controls = Controls {
        obtained: Arc::clone(&obtained),
        failing: Arc::clone(&failing),
        roots,
    };
    let source = Source {
        ca,
        clock,
        bundles,
        obtained,
        failing,
    };
    (source, controls)
}

fn leaf_of_an_hour(ca: &Ca, service: &str, now: SystemTime) -> Signed {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    ca.sign(service, |params| {
        params.not_before = epoch + since;
        params.not_after = epoch + since + HOUR;
    })
}

impl CertificateSource for Source {
    async fn obtain(&self, service: &str) -> Result<Credentials, SourceError> {
        if self.failing.load(Ordering::SeqCst) > 0 {
            self.failing.fetch_add(1, Ordering::SeqCst);
            return Err(SourceError::Authority("busy".into()));
        }
        self.obtained.fetch_add(1, Ordering::SeqCst);
        let service = service.strip_prefix("wrong-").unwrap_or(service);
        Ok(leaf_of_an_hour(&self.ca, service, self.clock.now()).credentials())
    }

    fn bundles(&self) -> Live<TrustBundles> {
        self.bundles.clone()
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_leaf_is_renewed_between_six_and_nine_tenths_of_its_life() {
    let clock = WallClock::system();
    let (source, controls) = source(clock);
    let identity = Identity::obtain(source, "web", clock).await.unwrap();
    assert_eq!(
        (identity.spiffe_id(), identity.service()),
        (&id("web"), "web")
    );
    assert!(identity.check().is_ok());
    let first = identity.credentials().load().not_after();
    pass(HOUR.mul_f64(0.59)).await;
    assert_eq!(controls.obtained(), 1);
    pass(HOUR.mul_f64(0.32)).await;
    assert_eq!(controls.obtained(), 2);
    assert!(identity.credentials().load().not_after() > first);
    assert!(identity.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_the_old_leaf_and_is_tried_again_with_back_off() {
    let clock = WallClock::system();
    let (source, controls) = source(clock);
    let identity = Identity::obtain(source, "web", clock).await.unwrap();
    let first = identity.credentials().load().not_after();
    controls.failing.store(1, Ordering::SeqCst);
    pass(HOUR.mul_f64(0.95)).await;
    let tries = controls.failing.load(Ordering::SeqCst) - 1;
    // Between 3 and 21 minutes of at most one try in half a minute, after the first few.
    assert!((3..60).contains(&tries), "{tries}");
    assert_eq!(identity.credentials().load().not_after(), first);
    assert!(identity.check().is_ok());

    pass(HOUR.mul_f64(0.1)).await;
    assert_eq!(identity.check().unwrap_err().refusal, Refusal::Expired);

    controls.failing.store(0, Ordering::SeqCst);
    pass(Duration::from_secs(61)).await;
    assert!(identity.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_leaf_whose_root_is_withdrawn_is_renewed_within_half_a_minute() {
    let clock = WallClock::system();
    let (source, controls) = source(clock);
    let kept = source.ca.bundles();
    let identity = Identity::obtain(source, "web", clock).await.unwrap();
    // A change that keeps the root asks for nothing.
    controls.roots.publish(kept);
    pass(Duration::from_secs(31)).await;
    assert_eq!(controls.obtained(), 1);
    controls.roots.publish(Ca::new().bundles());
    assert_eq!(
        identity.check().unwrap_err().refusal,
        Refusal::UnknownAuthority
    );
    pass(Duration::from_secs(31)).await;
    assert_eq!(controls.obtained(), 2);
}

#[tokio::test(start_paused = true)]
async fn renewal_ends_with_the_last_handle() {
    let clock = WallClock::system();
    let (source, controls) = source(clock);
    let identity = Identity::obtain(source, "web", clock).await.unwrap();
    let clone = identity.clone();
    drop(identity);
    pass(HOUR).await;
    assert_eq!(controls.obtained(), 2);
    drop(clone);
    pass(HOUR * 3).await;
    assert_eq!(controls.obtained(), 2);
}

#[tokio::test]
async fn the_leaf_of_another_service_is_refused() {
    let clock = WallClock::system();
    let (source, _controls) = source(clock);
    let error = Identity::obtain(source, "wrong-web", clock).await;
    assert!(matches!(error, Err(SourceError::OtherService { .. })));
}

#[tokio::test]
async fn files_are_read_again_and_a_broken_one_keeps_the_old_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let ca = Ca::new();
    let write = |ca: &Ca, service: &str| {
        let signed = ca.leaf(service);
        std::fs::write(
            path("chain.pem"),
            common::pem_of("CERTIFICATE", &signed.chain[0]),
        )
        .unwrap();
        let key = common::pem_of("PRIVATE KEY", signed.key.secret_der());
        std::fs::write(path("key.pem"), key).unwrap();
        std::fs::write(path("roots.pem"), common::pem_of("CERTIFICATE", &ca.der)).unwrap();
    };
    let files = || {
        FilesSource::new(
            path("key.pem"),
            path("chain.pem"),
            &trust_domain(),
            path("roots.pem"),
        )
        .with_poll(Duration::from_millis(10))
    };
    let clock = WallClock::system();
    let missing = Identity::obtain(files(), "web", clock).await;
    assert!(matches!(missing, Err(SourceError::File { .. })));
    write(&ca, "bees");
    let other = Identity::obtain(files(), "web", clock).await;
    assert!(matches!(other, Err(SourceError::OtherService { .. })));

    write(&ca, "web");
    let source = files();
    let first = source.obtain("web").await.unwrap();
    assert_eq!(**source.bundles().load(), ca.bundles());
    std::fs::write(path("key.pem"), "nothing").unwrap();
    assert!(matches!(
        source.obtain("web").await,
        Err(SourceError::Unusable { .. })
    ));
    write(&Ca::new(), "web");
    let second = source.obtain("web").await.unwrap();
    assert_ne!(first.certified_key().cert, second.certified_key().cert);
    assert_ne!(**source.bundles().load(), ca.bundles());
    std::fs::write(path("roots.pem"), "").unwrap();
    assert!(source.obtain("web").await.is_err());
    assert_ne!(
        **source.bundles().load(),
        TrustBundles::empty(trust_domain())
    );
}
