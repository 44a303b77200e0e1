//! The directory source: Consul's config entries, service definitions and `mesh.hcl`, watched.
//!
//! All `.hcl` and `.json` files below the directory are one configuration: an edit is all or nothing, the order of
//! files never matters. Hidden files and folders and the folder `ca` (the development certificate authority) are not
//! read. Editors, atomic replacement and swapped symlinks are all seen, because folders are watched and not files,
//! and because the files are looked at again every two seconds in case an event was lost.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::config::{self, Category, Diagnostic, Loaded, Origin, Source};
use crate::identity::TrustDomain;
use crate::net::Tcp;
use crate::random;
use crate::snapshot::{Input, Mesh, Options, Update};
use crate::source::probe::NetProbe;

pub use super::check::{Checked, UNKNOWN_TRUST_DOMAIN, check, check_files};

/// How often the files are looked at without an event.
const RESCAN: Duration = Duration::from_secs(2);
/// Folders within folders that are read.
const MAX_DEPTH: usize = 8;
/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why a directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or a file in it could not be read.
    #[error("cannot read {path}")]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration has errors.
    #[error("the configuration in {path} has {} error(s)\n{}", .diagnostics.len(), config::render(.diagnostics, false))]
    Invalid {
        /// The directory.
        path: PathBuf,
        /// All errors.
        diagnostics: Vec<Diagnostic>,
    },
}

impl Mesh {
    /// Opens a directory and watches it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] when the directory can not be read or its configuration has errors; there is no last good one
    /// yet that could stay.
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(directory, Options::default()).await
    }

    /// As [`Mesh::open`], with options.
    ///
    /// # Errors
    /// As [`Mesh::open`].
    pub async fn open_with(
        directory: impl AsRef<Path>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let directory = directory.as_ref().to_path_buf();
        // Watching begins before the first read, so that an edit in between is seen.
        let (events, changed) = mpsc::channel(1);
        let watcher = watch(&directory, events.clone());
        let (seen, files) = scan_blocking(directory.clone()).await?;
        let invalid = |diagnostics| OpenError::Invalid {
            path: directory.clone(),
            diagnostics,
        };
        let (input, remarks) = input(&directory, files.clone()).map_err(invalid)?;
        let quiet = options.quiet();
        let (mesh, update) = Self::start(
            input,
            remarks,
            options,
            Some(directory.clone()),
            NetProbe::new(Tcp),
        )
        .map_err(invalid)?;
        let task = tokio::spawn(follow(
            directory,
            // A sender of our own keeps the channel open where nothing can be watched.
            (watcher, events),
            changed,
            update,
            quiet,
            (seen, files),
        ));
        mesh.adopt(task.abort_handle());
        Ok(mesh)
    }
}

/// Reading the files is an event as well, and must not lead to reading them again, without end.
const fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

fn watch(directory: &Path, events: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_reading(event.kind)) {
            return;
        }
        // A full channel already says that something changed.
        let _ = events.try_send(());
    });
    let started = watcher.and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    started
        .inspect_err(|error| tracing::warn!(%error, "the directory cannot be watched, it is read every two seconds"))
        .ok()
}

/// What tells one state of the files from another, without reading them.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>, PathBuf)>;

async fn follow(
    directory: PathBuf,
    _watching: (Option<notify::RecommendedWatcher>, mpsc::Sender<()>),
    mut changed: mpsc::Receiver<()>,
    update: Update,
    quiet: Duration,
    (mut seen, files): (Seen, Vec<Source>),
) {
    let mut texts = Some(files);
    while !update.is_closed() {
        let event = tokio::time::timeout(RESCAN, changed.recv()).await;
        if event.is_ok() {
            settle(&mut changed, quiet).await;
        }
        match scan_blocking(directory.clone()).await {
            Ok((now, _)) if event.is_err() && now == seen => {}
            Ok((now, files)) => {
                seen = now;
                if texts.as_ref() == Some(&files) {
                    continue;
                }
                texts = Some(files.clone());
                apply(&directory, files, &update);
            }
            Err(error) => {
                // Said once per state, not every two seconds.
                if texts.take().is_some() || event.is_ok() {
                    update.refuse(vec![unreadable(&error)]);
                }
            }
        }
    }
}

fn apply(directory: &Path, files: Vec<Source>, update: &Update) {
    match input(directory, files) {
        // A refusal was reported by `publish_with`.
        Ok((input, remarks)) => drop(update.publish_with(input, remarks)),
        Err(diagnostics) => update.refuse(diagnostics),
    }
}

/// Waits until no event came for `quiet`, at most ten times as long.
async fn settle(changed: &mut mpsc::Receiver<()>, quiet: Duration) {
    let rest = async { while tokio::time::timeout(quiet, changed.recv()).await.is_ok() {} };
    let _ = tokio::time::timeout(quiet * 10, rest).await;
}

pub(super) fn unreadable(error: &OpenError) -> Diagnostic {
    let cause = std::error::Error::source(error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Diagnostic::error(
        Category::BadSettings,
        Origin::default(),
        format!("{error}{cause}"),
    )
    .with_hint("the last good configuration stays in force until the directory can be read again")
}

/// Parses and checks the files.
fn input(
    directory: &Path,
    files: Vec<Source>,
) -> Result<(Input, Vec<Diagnostic>), Vec<Diagnostic>> {
    let loaded = config::load(files);
    let missing = no_settings(&loaded);
    if loaded.has_errors() || missing.is_some() {
        return Err(missing.into_iter().chain(loaded.diagnostics).collect());
    }
    let settings = loaded.settings.unwrap_or_default();
    let trust_domain = trust_domain(directory, &settings)
        .map_err(|error| vec![no_trust_domain(directory, &settings, &error)])?;
    Ok((
        Input {
            entries: loaded.entries,
            services: loaded.services,
            settings,
            trust_domain,
        },
        loaded.diagnostics,
    ))
}

/// What is wrong with a directory that has no settings. Settings that are wrong were complained about already.
pub(super) fn no_settings(loaded: &Loaded) -> Option<Diagnostic> {
    let tried = |diagnostic: &Diagnostic| config::is_settings(diagnostic.origin.path());
    if loaded.settings.is_some() || loaded.diagnostics.iter().any(tried) {
        return None;
    }
    let missing = Diagnostic::error(
        Category::BadSettings,
        Origin::default(),
        "the directory has no `mesh.hcl`",
    );
    Some(missing.with_hint(
        "write one with `default_intention_policy = \"deny\"` (or \"allow\"); it has no default",
    ))
}

async fn scan_blocking(directory: PathBuf) -> Result<(Seen, Vec<Source>), OpenError> {
    let path = directory.clone();
    let scanned = tokio::task::spawn_blocking(move || scan(&directory)).await;
    scanned.unwrap_or_else(|error| {
        Err(OpenError::Read {
            path,
            source: io::Error::other(error),
        })
    })
}

/// Reads all configuration files below `directory`, ordered by path.
///
/// # Errors
/// [`OpenError::Read`] naming the first path that can not be read. A file that vanished between listing and reading
/// is left out: the event of its removal is on its way.
pub fn read(directory: &Path) -> Result<Vec<Source>, OpenError> {
    scan(directory).map(|(_, files)| files)
}

fn scan(directory: &Path) -> Result<(Seen, Vec<Source>), OpenError> {
    let mut paths = Vec::new();
    list(directory, 0, &mut paths)?;
    paths.sort();
    let (mut seen, mut files) = (Seen::new(), Vec::new());
    for path in paths {
        let read = fs::metadata(&path).and_then(|meta| {
            if meta.len() > MAX_FILE_BYTES {
                return Err(io::Error::other(format!(
                    "larger than {MAX_FILE_BYTES} bytes"
                )));
            }
            // Where a symlink leads is part of the state: Kubernetes swaps the link, not the file.
            let real = fs::canonicalize(&path)?;
            seen.insert(path.clone(), (meta.len(), meta.modified().ok(), real));
            String::from_utf8(fs::read(&path)?).map_err(io::Error::other)
        });
        match read {
            Ok(text) => files.push(Source::new(path.to_string_lossy(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Read { path, source }),
        }
    }
    Ok((seen, files))
}

fn list(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), OpenError> {
    let failed = |source| OpenError::Read {
        path: directory.to_path_buf(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let hidden = name.starts_with('.') || (depth == 0 && name == "ca");
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                list(&path, depth + 1, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|ending| ending == "hcl" || ending == "json")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The trust domain: as written in `mesh.hcl`, else the one kept in `ca/trust-domain`, made on first use.
///
/// Several processes may come here at once; a hard link decides which one's domain it is.
fn trust_domain(directory: &Path, settings: &config::Settings) -> io::Result<TrustDomain> {
    if let Some(known) = known_trust_domain(directory, settings)? {
        return Ok(known);
    }
    let folder = directory.join("ca");
    let kept = folder.join("trust-domain");
    create_private(&folder)?;
    let own = folder.join(format!(".trust-domain-{:016x}", random::draw()));
    let made = format!("{}.consul\n", uuid());
    let mut file = fs::File::create_new(&own)?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&own, &kept);
    fs::remove_file(&own)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => parse_trust_domain(&fs::read_to_string(&kept)?),
    }
}

fn parse_trust_domain(text: &str) -> io::Result<TrustDomain> {
    TrustDomain::new(text.trim()).map_err(io::Error::other)
}

/// The trust domain as written or kept; `None` before the first use.
pub(super) fn known_trust_domain(
    directory: &Path,
    settings: &config::Settings,
) -> io::Result<Option<TrustDomain>> {
    if !settings.trust_domain.is_empty() {
        return parse_trust_domain(&settings.trust_domain).map(Some);
    }
    match fs::read_to_string(directory.join("ca").join("trust-domain")) {
        Ok(text) => parse_trust_domain(&text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn no_trust_domain(
    directory: &Path,
    settings: &config::Settings,
    error: &io::Error,
) -> Diagnostic {
    let place = directory.join("ca").join("trust-domain");
    let message = format!(
        "the trust domain cannot be kept in {}: {error}",
        place.display()
    );
    Diagnostic::error(Category::BadSettings, settings.origin.clone(), message)
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// A random UUID (version 4) as text. It names a trust domain and is no secret.
fn uuid() -> String {
    let (a, b) = (random::draw(), random::draw());
    let a = a & !0xf000 | 0x4000;
    let b = b & !(0b11 << 62) | 1 << 63;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_the_ca_and_foreign_endings_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["config-entries", "ca", ".git"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for file in [
            "mesh.hcl",
            "b.json",
            "notes.txt",
            ".swap.hcl",
            "ca/root.hcl",
            ".git/x.hcl",
            "config-entries/a.hcl",
        ] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let files = read(dir.path()).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| {
                Path::new(&file.path)
                    .strip_prefix(dir.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(names, ["b.json", "config-entries/a.hcl", "mesh.hcl"]);
    }

    #[test]
    fn a_trust_domain_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let settings = config::Settings::default();
        let first = trust_domain(dir.path(), &settings).unwrap();
        assert_eq!(first, trust_domain(dir.path(), &settings).unwrap());
        assert!(first.as_str().ends_with(".consul"), "{first:?}");
        let written = config::Settings {
            trust_domain: "mine.consul".into(),
            ..config::Settings::default()
        };
        assert_eq!(
            trust_domain(dir.path(), &written).unwrap().as_str(),
            "mine.consul"
        );
    }

    #[test]
    fn reading_is_no_edit_and_closing_after_writing_is_one() {
        use notify::event::{AccessKind, AccessMode, ModifyKind};
        for reading in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
            AccessKind::Read,
        ] {
            assert!(is_reading(EventKind::Access(reading)), "{reading:?}");
        }
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for edit in [written, EventKind::Modify(ModifyKind::Any), EventKind::Any] {
            assert!(!is_reading(edit), "{edit:?}");
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = read(Path::new("/nonexistent-mesh")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent-mesh"));
    }
}
