//! Files that several processes may create at once.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::profile;

/// Creates a directory, and those above it, that only its owner may enter.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The content of a file, which is made with `make` if it is not there. Of several processes that make it at once exactly
/// one wins, and all return what the winner wrote: the content goes to a file of another name first, and a hard link
/// either gives it its name or fails because the name is taken.
pub(super) fn read_or_create<E: From<io::Error>>(
    path: &Path,
    make: impl FnOnce() -> Result<String, E>,
) -> Result<String, E> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return Ok(other?),
    }
    let content = make()?;
    let mut suffix = [0u8; 8];
    random(&mut suffix)?;
    let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_be_bytes(suffix)));
    let written = write_private(&temporary, content.as_bytes())
        .and_then(|()| std::fs::hard_link(&temporary, path));
    let _ = std::fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(std::fs::read_to_string(path)?),
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Fails when anybody but the owner may read the file.
pub(super) fn check_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path)?);
        if mode & 0o077 != 0 {
            let mode = mode & 0o777;
            let message = format!("its mode is {mode:o}, but only its owner may read it (600)");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Random bytes fit for secrets.
pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    profile::provider()
        .secure_random
        .fill(bytes)
        .map_err(|_| io::Error::other("the system gave no random bytes"))
}
