//! Every script in `examples/` runs as it stands, under every backend, and gives the right result.
//!
//! What a script has to print lies in `examples/expected/NAME.txt`. In both, `time: *` stands for any line that begins
//! with `time: `: it tells how long something took. The scripts in [`COMPUTED`] are checked against a result that is
//! worked out here, by other means.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{BACKENDS, folder, names, root, run, run_from, stems};

/// Scripts whose result is not recorded, but computed by the test of their name.
const COMPUTED: [&str; 3] = ["checksums", "mandelbrot", "word_count"];

#[test]
fn every_example_has_an_expectation() {
    let expected = stems(&folder().join("expected"), "txt");
    let covered: BTreeSet<_> = expected.iter().map(String::as_str).chain(COMPUTED).collect();
    let names = names();
    assert_eq!(names.iter().map(String::as_str).collect::<BTreeSet<_>>(), covered);
    assert_eq!(names.len(), expected.len() + COMPUTED.len(), "one is both recorded and computed");
}

#[test]
fn examples_print_what_was_recorded() {
    for name in stems(&folder().join("expected"), "txt") {
        let expected = folder().join("expected").join(format!("{name}.txt"));
        let expected = std::fs::read_to_string(expected).unwrap();
        for backend in BACKENDS {
            let printed = run(&name, backend, &[]).printed();
            assert_eq!(without_times(&printed), expected, "{name}.lua under {backend}");
        }
    }
}

#[test]
fn examples_find_their_input_from_anywhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let names = names();
    assert!(!names.is_empty());
    for name in names {
        let script = folder().join(format!("{name}.lua"));
        let from_root = run(&name, "tokio", &[]).printed();
        let from_elsewhere = run_from(elsewhere.path(), script.to_str().unwrap(), "tokio", &[]).printed();
        // Where the paths of files are printed, they lead there from where the script was run.
        let within = |printed: &str| printed.replace(&format!("{}/", root().display()), "");
        assert_eq!(without_times(&within(&from_elsewhere)), without_times(&within(&from_root)), "{name}.lua");

        let from_beside = run_from(&folder(), &format!("{name}.lua"), "tokio", &[]).printed();
        let from_root = from_root.replace("examples/data/", "./data/");
        assert_eq!(without_times(&from_beside), without_times(&from_root), "{name}.lua");
    }
}

#[test]
fn word_count_counts_as_rust_does() {
    let mut counts = BTreeMap::<String, usize>::new();
    let texts = texts();
    for path in &texts {
        let text = std::fs::read_to_string(root().join(path)).unwrap().to_ascii_lowercase();
        for word in text.split(|char: char| !char.is_ascii_alphabetic()) {
            if !word.is_empty() {
                *counts.entry(word.to_owned()).or_default() += 1;
            }
        }
    }
    let total: usize = counts.values().sum();
    assert!(texts.len() >= 6 && total > 500, "too little to count");
    let mut expected = format!("{total} words, {} different, in {} files\n", counts.len(), texts.len());
    let mut ranking: Vec<_> = counts.into_iter().collect();
    // A stable sort: words with equal counts stay in the alphabetical order of the map.
    ranking.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (word, count) in ranking.iter().take(10) {
        writeln!(expected, "{count:6}  {word}").unwrap();
    }
    for backend in BACKENDS {
        assert_eq!(run("word_count", backend, &[]).printed(), expected, "{backend}");
    }
}

#[test]
fn checksums_are_those_of_the_system() {
    let texts = texts();
    let expected = sha256(&texts);
    for backend in BACKENDS {
        assert_eq!(run("checksums", backend, &[]).printed(), expected, "{backend}");
    }
}

#[test]
fn checksums_of_every_length_round_a_block_are_right() {
    let files = tempfile::tempdir().unwrap();
    // SHA-256 pads to blocks of 64 bytes, in which the length takes 8.
    let mut paths: Vec<_> = [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 5000]
        .map(|length: usize| {
            let path = files.path().join(format!("{length}.bin"));
            let bytes: Vec<u8> = (0..length).map(|byte| (byte * 7 + length) as u8).collect();
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .into();
    paths.sort();
    let printed = run("checksums", "tokio", &[files.path().to_str().unwrap()]).printed();
    assert_eq!(printed, sha256(&paths));
}

#[test]
fn mandelbrot_draws_the_picture_that_rust_draws() {
    let files = tempfile::tempdir().unwrap();
    let (width, height) = (150, 101);
    let pixels = mandelbrot(width, height);
    let picture = [format!("P5\n{width} {height}\n255\n").as_bytes(), &pixels].concat();
    for backend in BACKENDS {
        let path = files.path().join(backend);
        let path = path.to_str().unwrap();
        let printed = run("mandelbrot", backend, &["150", "101", path]).printed();
        assert_eq!(
            without_times(&printed),
            format!("size: 150 x 101\nadler32: {:08x}\nfile: {path}\ntime: *\n", adler32(&pixels))
        );
        assert!(std::fs::read(path).unwrap() == picture, "another picture: {path}");
    }
}

#[test]
fn wrong_input_is_named_and_the_exit_code_is_1() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (missing, empty, no_files) = (path("missing"), path("empty"), path("no files"));
    std::fs::write(&empty, "").unwrap();
    std::fs::create_dir(&no_files).unwrap();
    let (unknown, inside_missing) = (path("unknown"), path("missing/file"));
    std::fs::write(&unknown, "# a comment\nweb-01 ok\nweb-02 quick\n").unwrap();
    let unknown_place = format!("{unknown}:3");

    let cases: &[(&str, &[&str], &str)] = &[
        ("word_count", &[&missing], &missing),
        ("word_count", &[&no_files], &no_files),
        ("checksums", &[&missing], &missing),
        ("checksums", &[&no_files], "no files"),
        ("mandelbrot", &["wide"], "width"),
        ("mandelbrot", &["10", "0"], "height"),
        ("mandelbrot", &["10", "10", &inside_missing], &inside_missing),
        ("deployment", &[&missing], &missing),
        ("deployment", &[&empty], &empty),
        ("deployment", &[&unknown], &unknown_place),
        ("pool_items", &["many"], "'many'"),
        ("barrier_simulation", &["long"], "'long'"),
        ("readers_writers", &["8", "0"], "'0'"),
        ("stages", &[&missing], &missing),
        ("stages", &[&no_files], &no_files),
        ("timeout", &["soon"], "'soon'"),
        ("channels", &["a["], "malformed pattern"),
        ("channels", &["a", &missing], &missing),
        ("scope", &["cellar"], "'cellar'"),
        ("bounded_queue", &["-1"], "'-1'"),
        ("log_pipeline", &[&missing], &missing),
        ("select", &["soon"], "'soon'"),
    ];
    for &(name, args, named) in cases {
        let run = run(name, "tokio", args);
        let context = format!("{name}.lua {args:?}: {run:#?}");
        assert_eq!(run.status.code(), Some(1), "{context}");
        assert!(run.stderr.starts_with(&format!("{name}: ")), "{context}");
        assert!(run.stderr.contains(named), "{context}");
        assert!(!run.stderr.contains("stack traceback"), "{context}");
        assert_eq!(run.stdout, "", "{context}");
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let files = tempfile::tempdir().unwrap();
    let missing = files.path().join("missing");
    let text = folder().join("data/texts/sloth.txt");
    let args = [missing.to_str().unwrap(), text.to_str().unwrap()];
    for backend in BACKENDS {
        let printed = run("async_all", backend, &args).printed();
        assert!(printed.starts_with("missing: failed: cannot be read\nsloth.txt: 10 lines"), "{printed}");
        assert!(printed.contains("\n1 of 2 failed\n"), "{printed}");
    }
}

#[test]
fn empty_files_hold_nothing() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("empty.txt"), "").unwrap();
    let folder = files.path().to_str().unwrap();
    let first_line = |name: &str, args: &[&str]| {
        let printed = run(name, "tokio", args).printed();
        printed.lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line("word_count", &[folder]), "0 words, 0 different, in 1 files");
    assert_eq!(first_line("channels", &["x", folder]), "0 lines match in 1 files");
    let printed = run("stages", "tokio", &[folder]).printed();
    assert!(printed.ends_with("0 different words\n"), "{printed}");
}

/// What was printed, with each line that tells a time made `time: *`.
fn without_times(printed: &str) -> String {
    let mut text = String::new();
    for line in printed.lines() {
        text += if line.starts_with("time: ") { "time: *" } else { line };
        text += "\n";
    }
    text
}

/// The texts that are the input of several examples, as seen from the root; sorted.
fn texts() -> Vec<PathBuf> {
    stems(&folder().join("data/texts"), "txt")
        .iter()
        .map(|stem| Path::new("examples/data/texts").join(format!("{stem}.txt")))
        .collect()
}

/// What coreutils, or where there are none perl, say about files.
fn sha256(paths: &[PathBuf]) -> String {
    let programs: [&[&str]; 2] = [&["sha256sum"], &["shasum", "-a", "256"]];
    for program in programs {
        let output = Command::new(program[0]).args(&program[1..]).args(paths).current_dir(root()).output();
        if let Ok(output) = output {
            assert!(output.status.success(), "{output:?}");
            return String::from_utf8(output.stdout).unwrap();
        }
    }
    panic!("neither sha256sum nor shasum is installed, so there is nothing to compare with");
}

/// The pixels of the picture, a byte each.
fn mandelbrot(width: u32, height: u32) -> Vec<u8> {
    let (wide, high) = (f64::from(width), f64::from(height));
    let step = 3.2 / wide;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let c = (
                -0.6 + (f64::from(x) - (wide - 1.0) / 2.0) * step,
                (f64::from(y) - (high - 1.0) / 2.0) * step,
            );
            let mut z = (0.0_f64, 0.0_f64);
            let mut rounds = 0;
            while rounds < 255 && z.0 * z.0 + z.1 * z.1 <= 4.0 {
                z = (z.0 * z.0 - z.1 * z.1 + c.0, 2.0 * z.0 * z.1 + c.1);
                rounds += 1;
            }
            pixels.push(255 - rounds);
        }
    }
    pixels
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1, 0);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}
