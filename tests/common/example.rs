//! The binary of an example, brought up to date first.
//!
//! `cargo test --test NAME` builds no example, and one that has tests of its own is built only as a test.

use std::path::PathBuf;
use std::process::Command;

/// Builds an example in the profile and target folder of the running test, and gives its path.
pub(crate) fn binary(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let mut command = Command::new(cargo);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args([
            "build",
            "--quiet",
            "--example",
            example,
            "--profile",
            profile,
        ]);
        command.arg("--target-dir").arg(folder.parent().unwrap());
        assert!(command.status().unwrap().success(), "{command:?}");
    }
    let binary = folder.join("examples").join(example);
    assert!(binary.exists(), "{} is missing", binary.display());
    binary
}
