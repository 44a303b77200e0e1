//! The directory source with real files: edits, broken edits, atomic replacement, swapped symlinks.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh_core::snapshot::{Mesh, Options, Report};

const SETTINGS: &str = "default_intention_policy = \"allow\"\n";
const DEFAULTS: &str =
    "Kind = \"proxy-defaults\"\nName = \"global\"\nConfig {\n  protocol = \"http\"\n}\n";
const SERVICE: &str = "service {\n  name = \"backend\"\n  port = 7000\n}\n";

fn resolver(timeout: &str) -> String {
    format!("Kind = \"service-resolver\"\nName = \"backend\"\nConnectTimeout = \"{timeout}\"\n")
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mesh.hcl"), SETTINGS).unwrap();
    fs::write(dir.path().join("defaults.hcl"), DEFAULTS).unwrap();
    fs::write(dir.path().join("backend.hcl"), SERVICE).unwrap();
    fs::write(dir.path().join("resolver.hcl"), resolver("5s")).unwrap();
    dir
}

type Reports = Arc<Mutex<Vec<Report>>>;

async fn open(dir: &Path) -> (Mesh, Reports) {
    let reports = Reports::default();
    let told = Arc::clone(&reports);
    let options =
        Options::default().report(move |report| told.lock().unwrap().push(report.clone()));
    (Mesh::open_with(dir, options).await.unwrap(), reports)
}

fn connect_timeout(mesh: &Mesh) -> Duration {
    let scope = mesh.scope("frontend");
    let snapshot = scope.snapshots().snapshot();
    snapshot.chain("backend").unwrap().routes[0].legs[0].levels[0]
        .policy()
        .connect_timeout
}

async fn reports(reports: &Reports, count: usize) -> Report {
    let arrived = async {
        while reports.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived)
        .await
        .unwrap();
    reports.lock().unwrap()[count - 1].clone()
}

#[tokio::test]
async fn an_edit_comes_into_force_and_a_broken_one_leaves_the_last_good() {
    let dir = directory();
    let (mesh, seen) = open(dir.path()).await;
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(5));

    fs::write(dir.path().join("resolver.hcl"), resolver("2s")).unwrap();
    assert!(reports(&seen, 2).await.accepted);
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(2));

    fs::write(dir.path().join("resolver.hcl"), resolver("-1s")).unwrap();
    let refused = reports(&seen, 3).await;
    assert!(!refused.accepted);
    let text = mesh_core::config::render(&refused.diagnostics, false);
    assert!(
        text.contains("resolver.hcl:3:") && text.contains('^'),
        "{text}"
    );
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(2));
    assert_eq!(mesh.status().refused, 1);

    fs::write(dir.path().join("resolver.hcl"), resolver("3s")).unwrap();
    assert!(reports(&seen, 4).await.accepted);
    assert_eq!(
        (connect_timeout(&mesh), mesh.status().refused),
        (Duration::from_secs(3), 0)
    );
}

#[tokio::test]
async fn a_file_replaced_by_renaming_is_seen() {
    let dir = directory();
    let (mesh, seen) = open(dir.path()).await;
    let new = dir.path().join(".resolver.hcl.tmp");
    fs::write(&new, resolver("2s")).unwrap();
    fs::rename(&new, dir.path().join("resolver.hcl")).unwrap();
    assert!(reports(&seen, 2).await.accepted);
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(2));
}

#[cfg(unix)]
#[tokio::test]
async fn a_swapped_symlink_is_seen() {
    let real = tempfile::tempdir().unwrap();
    for (name, timeout) in [("one", "1s"), ("two", "2s")] {
        let folder = real.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("resolver.hcl"), resolver(timeout)).unwrap();
    }
    let dir = directory();
    let link = dir.path().join("resolver.hcl");
    fs::remove_file(&link).unwrap();
    let data = dir.path().join("..data");
    std::os::unix::fs::symlink(real.path().join("one"), &data).unwrap();
    std::os::unix::fs::symlink(data.join("resolver.hcl"), &link).unwrap();
    let (mesh, seen) = open(dir.path()).await;
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(1));

    let new = dir.path().join("..data_tmp");
    std::os::unix::fs::symlink(real.path().join("two"), &new).unwrap();
    fs::rename(&new, &data).unwrap();
    assert!(reports(&seen, 2).await.accepted);
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(2));
}

#[tokio::test]
async fn a_directory_without_a_default_policy_does_not_open() {
    let dir = directory();
    fs::write(dir.path().join("mesh.hcl"), "datacenter = \"dc1\"\n").unwrap();
    let error = Mesh::open(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("default_intention_policy"), "{error}");
    fs::remove_file(dir.path().join("mesh.hcl")).unwrap();
    let error = Mesh::open(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("mesh.hcl"), "{error}");
}

#[tokio::test]
async fn a_directory_that_vanishes_leaves_the_last_good() {
    let dir = directory();
    let (mesh, seen) = open(dir.path()).await;
    let away = dir.path().with_extension("away");
    fs::rename(dir.path(), &away).unwrap();
    assert!(!reports(&seen, 2).await.accepted);
    assert_eq!(connect_timeout(&mesh), Duration::from_secs(5));
    fs::rename(&away, dir.path()).unwrap();
    fs::write(dir.path().join("resolver.hcl"), resolver("4s")).unwrap();
    let back = async {
        while connect_timeout(&mesh) != Duration::from_secs(4) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .unwrap();
}
