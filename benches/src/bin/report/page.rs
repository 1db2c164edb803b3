//! The page: tables and charts of what was measured.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::chart::{Bar, bars};
use crate::{All, Figures};

/// Between these the page is ours.
const BEGIN: &str = "<!-- measured: written by the program `report` -->\n";
const END: &str = "<!-- the end of what it writes -->\n";

/// The questions that have processes of their own, in the order of the page, after the others.
const APART: [(&str, &str); 2] = [
    ("sleepers", "the memory of each of 100,000 that are asleep (resident, in a process of its own)"),
    ("luajit", "8 x fib(32) in stock interpreters, start of the process included"),
];

/// Writes the page and its charts.
pub(crate) fn write(docs: &Path, all: &All) -> std::io::Result<()> {
    let path = docs.join("benchmarks.md");
    let page = std::fs::read_to_string(&path)?;
    let (Some(begin), Some(end)) = (page.find(BEGIN), page.find(END)) else {
        return Err(std::io::Error::other("docs/benchmarks.md has lost the marks between which this writes"));
    };
    let mut ours = machine();
    let questions = benches::questions::all();
    let listed = questions.iter().map(|question| (question.name, question.what)).chain(APART);
    for (name, what) in listed {
        let Some(rows) = all.get(name).filter(|rows| !rows.is_empty()) else { continue };
        let drawn: Vec<Bar> = rows.iter().map(bar).collect();
        std::fs::write(docs.join(format!("benchmarks/{name}.svg")), bars(name, &drawn))?;
        let _ = write!(ours, "\n### {name}\n\n{what}\n\n![{name}](benchmarks/{name}.svg)\n\n{}", table(rows));
    }
    std::fs::write(path, format!("{}{BEGIN}{ours}{}", &page[..begin], &page[end..]))
}

fn bar(figures: &Figures) -> Bar {
    let (name, colour) = match figures.kind.as_str() {
        "goroutines" if figures.row.contains(' ') => (figures.row.clone(), "#2f6fb0"),
        "goroutines" => (format!("goroutines, {}", figures.row), "#2f6fb0"),
        "core" => (format!("core alone, {}", figures.row), "#7fb069"),
        _ => (figures.row.clone(), "#a0a0a0"),
    };
    Bar {
        name,
        figure: figures.median,
        text: format!("{} {}", rounded(figures.median), figures.unit),
        colour,
    }
}

fn table(rows: &[Figures]) -> String {
    let mut table = String::from("| | | median | least to most |\n|---|---|---|---|\n");
    for figures in rows {
        let Figures { row, median, least, most, unit, .. } = figures;
        let kind = match figures.kind.as_str() {
            "core" => "core alone",
            other => other,
        };
        let (median, least, most) = (rounded(*median), rounded(*least), rounded(*most));
        let _ = writeln!(table, "| {kind} | {row} | {median} {unit} | {least} to {most} |");
    }
    table
}

/// Three digits.
fn rounded(figure: f64) -> String {
    let decimals = match figure {
        f if f < 1.0 => 3,
        f if f < 10.0 => 2,
        f if f < 100.0 => 1,
        _ => 0,
    };
    format!("{figure:.decimals$}")
}

/// What it was measured on, and with.
fn machine() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| "a processor of unknown make".into());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let rust = first_line("rustc", "--version");
    let stock = [first_line("lua5.4", "-v"), first_line("luajit", "-v")].into_iter().flatten();
    let stock: Vec<_> = stock.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect();
    format!(
        "{processor}, {cores} cores, {}; {}; Lua 5.4 as vendored by mlua; in their own processes {}. Release build, mimalloc. Medians \
         of 7 rounds after one that warms up.\n",
        std::env::consts::OS,
        rust.unwrap_or_default(),
        stock.join(" and "),
    )
}

/// What a program says of itself, on whichever stream.
fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
}
