//! Patterns for files. Names are bytes, as they are to the system; what is no UTF-8 in them can be matched like any other character.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// What is wrong with a pattern, if anything is.
pub(crate) fn wrong(pattern: &str) -> Option<String> {
    Pattern::new(pattern).err().map(|error| error.to_string())
}

/// What fits a pattern, in `folder` if it does not begin with `/`. What cannot be read is left out. From a `**` on no links to folders
/// are followed: they may lead round in circles.
pub(crate) fn matching(folder: &Path, pattern: &[u8]) -> Result<Vec<PathBuf>, PatternError> {
    Pattern::new(&encoded(pattern))?;
    let parts: Vec<_> =
        pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && **part != *b".").collect();
    let mut found = vec![match (pattern, folder) {
        ([b'/', ..], _) => PathBuf::from("/"),
        (_, folder) if folder == Path::new(".") => PathBuf::new(),
        (_, folder) => folder.to_owned(),
    }];
    for (at, part) in parts.iter().enumerate() {
        if *part == b"**" {
            found = below(found, &parts[at..])?;
            break;
        } else if part.iter().any(|byte| b"*?[".contains(byte)) {
            let part = Pattern::new(&encoded(part))?;
            let fits = |name: &OsStr| part.matches_with(&encoded(name.as_bytes()), OPTIONS);
            found = found
                .iter()
                .flat_map(|path| {
                    entries(path)
                        .filter(|entry| fits(&entry.file_name()))
                        .map(|entry| path.join(entry.file_name()))
                })
                .collect();
        } else {
            found.iter_mut().for_each(|path| path.push(OsStr::from_bytes(part)));
        }
    }
    if parts.is_empty() && !pattern.is_empty() && found[0].as_os_str().is_empty() {
        found[0].push(".");
    }
    let is_for_folders = pattern.ends_with(b"/") || pattern.ends_with(b"/.");
    found.retain(|path| if is_for_folders { path.is_dir() } else { fs::symlink_metadata(path).is_ok() });
    Ok(found)
}

/// What fits the parts, of which the first is `**`, in these folders.
fn below(starts: Vec<PathBuf>, parts: &[&[u8]]) -> Result<Vec<PathBuf>, PatternError> {
    let rest = Pattern::new(&encoded(&parts.join(&b'/')))?;
    // Then folders are what is looked for.
    let ends = parts.iter().all(|part| *part == b"**");
    let mut found = Vec::new();
    for start in starts {
        let mut folders = vec![PathBuf::new()];
        if ends && start.is_dir() {
            found.push(start.clone());
        }
        while let Some(folder) = folders.pop() {
            for entry in entries(&start.join(&folder)) {
                let within = folder.join(entry.file_name());
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let fits = || rest.matches_with(&encoded(within.as_os_str().as_bytes()), OPTIONS);
                if if ends { is_folder } else { fits() } {
                    found.push(start.join(&within));
                }
                if is_folder {
                    folders.push(within);
                }
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok)
}

/// As text, which patterns are made for: a byte that is none stands there as one of the last characters, which nobody uses.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let others = chunk.invalid().iter().filter_map(|byte| char::from_u32(0x10_ff00 + u32::from(*byte)));
        text.extend(others);
    }
    text
}
