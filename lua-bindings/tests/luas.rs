//! What each Lua cannot do, from the marks in the Lua tests: `docs/luas.md` says so, and is up to date.
//!
//! `WRITE_PAGES=1 cargo test -p lua-bindings --test luas` writes the page.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const LUAS: [(&str, &str); 6] =
    [("5.1", "5.1"), ("5.2", "5.2"), ("5.3", "5.3"), ("5.4", "5.4"), ("5.5", "5.5"), ("jit", "LuaJIT")];

const HEAD: &str = "\
# What each Lua can't do

The module is the same on every Lua, and so are its tests. Those that a Lua cannot pass are marked in the test files, with the
reason; this page is made of the marks (by `lua-bindings/tests/luas.rs`, which also checks it). What is not listed here works.

`✗`: not there.

";

/// What a mark says of a test.
struct Mark {
    luas: Vec<String>,
    reason: String,
    test: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua")
}

/// All test files, in order.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in [folder(), folder().join("complaints")] {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "lua")));
    }
    files.sort();
    files
}

/// The marks of all files, in the order of the files.
fn marks() -> Vec<Mark> {
    let mut marks = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut open = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.trim_start().strip_prefix("unless_lua(\"") {
                let (luas, reason) = rest.split_once("\", \"").unwrap();
                let reason = reason.strip_suffix("\")").unwrap();
                open.push((luas.split(' ').map(str::to_owned).collect::<Vec<_>>(), reason.to_owned()));
            } else if !open.is_empty() {
                let test = line.split_once("(\"").and_then(|(_, rest)| rest.split_once('"'));
                let Some((test, _)) = test else {
                    panic!("{}: a mark has to stand right before its test: {line}", file.display());
                };
                let test = test.to_owned();
                marks.extend(open.drain(..).map(|(luas, reason)| Mark { luas, reason, test: test.clone() }));
            }
        }
        assert!(open.is_empty(), "{}: a mark without a test", file.display());
    }
    marks
}

fn page(marks: &[Mark]) -> String {
    let mut reasons: BTreeMap<&str, Vec<&Mark>> = BTreeMap::new();
    for mark in marks {
        reasons.entry(&mark.reason).or_default().push(mark);
    }
    let cells = |has: &dyn Fn(&str) -> bool| -> String {
        LUAS.iter().map(|(lua, _)| if has(lua) { " ✗ |" } else { " |" }).collect()
    };
    let mut page = HEAD.to_owned();
    let names: Vec<_> = LUAS.iter().map(|(_, name)| *name).collect();
    let _ = writeln!(page, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(LUAS.len()));
    for (reason, marks) in &reasons {
        let has = |lua: &str| marks.iter().any(|mark| mark.luas.iter().any(|marked| marked == lua));
        let _ = writeln!(page, "| {reason} |{}", cells(&has));
    }
    page.push_str("\n## The tests that this concerns\n");
    for (reason, marks) in &reasons {
        let _ = writeln!(page, "\n{reason}:\n");
        for mark in marks {
            let _ = writeln!(page, "- {} ({})", mark.test, mark.luas.join(", ").replace("jit", "LuaJIT"));
        }
    }
    page
}

#[test]
fn the_page_of_what_each_lua_cannot_do_is_up_to_date() {
    let marks = marks();
    for mark in &marks {
        for lua in &mark.luas {
            assert!(LUAS.iter().any(|(known, _)| known == lua), "no Lua is called {lua}: {}", mark.test);
        }
        assert!(!mark.luas.contains(&"5.4".to_owned()), "Lua 5.4 is what all has to work on: {}", mark.test);
    }
    let wanted = page(&marks);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/luas.md");
    if std::env::var_os("WRITE_PAGES").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/luas.md is not what the marks say: run this with WRITE_PAGES=1");
}

/// Where a promise differs between the flavours, the file says so at its head, and only there.
#[test]
fn what_is_none_for_goroutine_local_is_a_test_of_its_file() {
    let mut tables = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let file = file.display();
        let mut parts = text.split("\ndiffers_locally(");
        let head = parts.next().unwrap();
        let Some(rest) = parts.next() else { continue };
        assert_eq!(parts.next(), None, "{file}: what differs stands in one place");
        assert!(!["test(\"", "everywhere(\""].iter().any(|test| head.contains(test)), "{file}: at its head");
        tables += 1;
        let Some(list) = rest.strip_prefix("{\n") else { continue };
        let (list, tests) = list.split_once("\n})\n").unwrap();
        for line in list.lines() {
            let name = line.strip_prefix("  [\"").and_then(|line| line.split_once("\"] = \""));
            let Some((name, _)) = name else { panic!("{file}: not a test's name and a reason: {line}") };
            let (before, after) = match (name.strip_prefix('*'), name.strip_suffix('*')) {
                (Some(end), _) => ("(name .. \"", format!("{end}\", function")),
                (_, Some(start)) => ("(\"", format!("{start}\" .. name, function")),
                _ => ("(\"", format!("{name}\", function")),
            };
            let test = format!("{before}{after}");
            assert!(tests.contains(&test), "{file}: there is no test {name:?}");
        }
    }
    assert!(tables > 20, "{tables} files say what differs");
}
