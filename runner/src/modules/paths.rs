//! Paths as text: `fs.basename`, `fs.dirname` as POSIX has them, and `fs.join`. Nothing here looks at files.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The last part. Of roots that is `/`, and of nothing, nothing.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    match without_slashes(path) {
        b"" if path.is_empty() => b"",
        b"" => b"/",
        path => &path[start_of_last(path)..],
    }
}

/// What is before the last part; `.` if nothing is.
pub(super) fn folder_name(path: &[u8]) -> &[u8] {
    let last = without_slashes(path);
    let before = &last[..start_of_last(last)];
    match without_slashes(before) {
        b"" if path.starts_with(b"/") => b"/",
        b"" => b".",
        folder => folder,
    }
}

/// The parts with `/` between them. One that begins with `/` begins anew, and an empty last one leaves a `/` at the end.
pub(super) fn joined(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut path = PathBuf::new();
    for part in parts {
        path.push(OsStr::from_bytes(&part));
    }
    path.into_os_string().into_vec()
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

fn start_of_last(path: &[u8]) -> usize {
    path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_and_what_is_before_are_those_of_the_commands() {
        for (path, base, folder) in [
            ("", "", "."),
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("a", "a", "."),
            ("a/", "a", "."),
            ("/a", "a", "/"),
            ("///a", "a", "/"),
            ("a/b", "b", "a"),
            ("a//b//", "b", "a"),
            (".", ".", "."),
            ("..", "..", "."),
            ("a/.", ".", "a"),
            ("a/..", "..", "a"),
            ("/a/b c.txt", "b c.txt", "/a"),
        ] {
            let found = (base_name(path.as_bytes()), folder_name(path.as_bytes()));
            assert_eq!(found, (base.as_bytes(), folder.as_bytes()), "{path}");
            let run = |name: &str| {
                let output = std::process::Command::new(name).args(["--", path]).output().unwrap();
                output.stdout.strip_suffix(b"\n").unwrap().to_vec()
            };
            assert_eq!((run("basename"), run("dirname")), (base.into(), folder.into()), "{path}");
        }
        assert_eq!((base_name(b"\xff/\xfe"), folder_name(b"\xff/\xfe")), (&b"\xfe"[..], &b"\xff"[..]));
    }

    #[test]
    fn parts_are_joined_as_paths_are() {
        for (parts, path) in [
            (&["a", "b"][..], "a/b"),
            (&["a/", "b"], "a/b"),
            (&["a", "/b"], "/b"),
            (&["", "b"], "b"),
            (&["a", ""], "a/"),
            (&[""], ""),
            (&["a", "..", "b"], "a/../b"),
        ] {
            let joined = joined(parts.iter().map(|part| part.as_bytes().to_vec()));
            assert_eq!(joined, path.as_bytes(), "{parts:?}");
        }
    }
}
