//! Judges files of conformance vectors: one line per case that fails, and how many passed.
//!
//! ```text
//! cargo run --release --example conformance -- tests/vectors
//! cargo run --release --example conformance -- traffic.json security.json config-entries/index.json
//! ```
//!
//! An argument is a file, or a directory in which every file of vectors is looked for. The exit status is 1 when a case
//! fails, when a file cannot be read, and when there is no case at all.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mesh_core::testing::vectors::Vectors;

const USAGE: &str = "usage: conformance FILE|DIR …\n
FILE  a JSON file of vectors, or the index.json of a directory of config entries
DIR   every such file in it is judged\n";

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let help = |path: &PathBuf| path.as_os_str() == "--help" || path.as_os_str() == "-h";
    if paths.iter().any(help) {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if paths.is_empty() {
        eprint!("{USAGE}");
        return ExitCode::FAILURE;
    }
    let mut tally = Tally::default();
    let mut out = io::stdout().lock();
    let told = paths
        .iter()
        .try_for_each(|path| judge(path, &mut tally, &mut out))
        .and_then(|()| tally.summary(&mut out));
    match told {
        Ok(()) if tally.is_good() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    unreadable: usize,
}

impl Tally {
    fn is_good(&self) -> bool {
        self.failed == 0 && self.unreadable == 0 && self.passed > 0
    }

    fn summary(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.passed + self.failed == 0 {
            writeln!(out, "no case was found")?;
        }
        writeln!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn judge(path: &Path, tally: &mut Tally, out: &mut dyn Write) -> io::Result<()> {
    let files = if path.is_dir() {
        vectors_in(path)
    } else {
        Vectors::read(path).map(|file| vec![(path.to_path_buf(), file)])
    };
    match files {
        Ok(files) => {
            for (path, file) in files {
                judge_file(&path, &file, tally, out)?;
            }
        }
        Err(error) => {
            tally.unreadable += 1;
            writeln!(out, "FAIL {}: {error}", path.display())?;
        }
    }
    Ok(())
}

fn judge_file(
    path: &Path,
    file: &Vectors,
    tally: &mut Tally,
    out: &mut dyn Write,
) -> io::Result<()> {
    for case in file.cases() {
        let Err(mismatch) = case.judge() else {
            tally.passed += 1;
            continue;
        };
        tally.failed += 1;
        let title = case
            .title()
            .map_or(String::new(), |title| format!(" ({title})"));
        writeln!(
            out,
            "FAIL {}: {}{title}: {mismatch}",
            path.display(),
            case.id()
        )?;
    }
    Ok(())
}

/// The files of vectors below a directory, by path. Files that another one names as its cases are none.
fn vectors_in(directory: &Path) -> io::Result<Vec<(PathBuf, Vectors)>> {
    let mut paths = Vec::new();
    list(directory, &mut paths)?;
    paths.sort();
    let read = paths.into_iter().map(|path| (Vectors::read(&path), path));
    let (found, unread): (Vec<_>, Vec<_>) = read.partition(|(file, _)| file.is_ok());
    let mut files = Vec::new();
    for (file, path) in found {
        files.push((path, file?));
    }
    let named = |(_, file): &(PathBuf, Vectors)| file.named_files().collect::<Vec<_>>();
    let named: BTreeSet<PathBuf> = files.iter().flat_map(named).collect();
    for (file, path) in unread {
        // A config entry may well be broken on purpose.
        if !named.contains(&path) {
            file.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        }
    }
    files.retain(|(path, file)| !named.contains(path) && file.cases().next().is_some());
    Ok(files)
}

fn list(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
    Ok(())
}
