//! Measures, and writes `docs/benchmarks.md` with its tables and charts.
//!
//! `cargo run --release -p benches --bin report` measures everything; words behind it measure only the questions that have one of
//! them in their names, and keep the figures of the others, which `docs/benchmarks/figures.tsv` has. With `--write` alone nothing
//! is measured.
//!
//! What stands in the page outside its marks is left as it is.

mod apart;
mod chart;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::questions::{self, Row, Unit};

/// How often each row is measured, after a round that warms up.
const ROUNDS: usize = 7;

/// The figures of a row: in the question's unit, in order.
pub(crate) struct Figures {
    pub(crate) kind: String,
    pub(crate) row: String,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) unit: String,
}

/// By question; the rows in the order in which they were measured.
pub(crate) type All = BTreeMap<String, Vec<Figures>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [apart, who] = &words[..]
        && apart == "asleep"
    {
        return apart::asleep(who);
    }
    match report(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the page is.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn report(words: &[String]) -> std::io::Result<()> {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let file = docs().join("benchmarks/figures.tsv");
    let mut all = read(&std::fs::read_to_string(&file).unwrap_or_default());
    for question in questions::all().iter().filter(|question| wanted(question.name)) {
        println!("{}: {}", question.name, question.what);
        let kinds = [("goroutines", &question.lua), ("core", &question.core), ("instead", &question.others)];
        let figures =
            kinds.into_iter().flat_map(|(kind, rows)| rows.iter().map(move |row| measure(kind, row)));
        all.insert(question.name.to_owned(), figures.collect());
    }
    for (name, measure) in apart::QUESTIONS {
        if wanted(name) {
            println!("{name}");
            all.insert((*name).to_owned(), measure());
        }
    }
    std::fs::create_dir_all(docs().join("benchmarks"))?;
    std::fs::write(file, write(&all))?;
    page::write(&docs(), &all)
}

fn measure(kind: &str, row: &Row) -> Figures {
    let mut round = (row.set_up)();
    round();
    let (count, unit) = match row.unit {
        Unit::Each(count) => (f64::from(count), "µs"),
        Unit::Whole => (1e3, "ms"),
    };
    let rounds = (0..ROUNDS).map(|_| round().as_secs_f64() * 1e6 / count).collect();
    of_rounds(kind, &row.name, unit, rounds)
}

/// The figures of some rounds, of which there is one at least.
pub(crate) fn of_rounds(kind: &str, row: &str, unit: &str, mut rounds: Vec<f64>) -> Figures {
    rounds.sort_by(f64::total_cmp);
    let (median, least, most) = (rounds[rounds.len() / 2], rounds[0], rounds[rounds.len() - 1]);
    println!("    {kind:<10} {row:<40} {median:.3} {unit} ({least:.3} to {most:.3})");
    Figures { kind: kind.into(), row: row.into(), median, least, most, unit: unit.into() }
}

fn write(all: &All) -> String {
    let mut text = String::from("question\tkind\trow\tmedian\tleast\tmost\tunit\n");
    for (question, rows) in all {
        for Figures { kind, row, median, least, most, unit } in rows {
            text.push_str(&format!(
                "{question}\t{kind}\t{row}\t{median:.4}\t{least:.4}\t{most:.4}\t{unit}\n"
            ));
        }
    }
    text
}

fn read(text: &str) -> All {
    let mut all = All::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [question, kind, row, median, least, most, unit] = fields[..] else { continue };
        let (Ok(median), Ok(least), Ok(most)) = (median.parse(), least.parse(), most.parse()) else {
            continue;
        };
        let (kind, row, unit) = (kind.into(), row.into(), unit.into());
        all.entry(question.into()).or_default().push(Figures { kind, row, median, least, most, unit });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_were_written() {
        let mut all = All::new();
        all.insert("start".into(), vec![of_rounds("core", "tokio", "µs", vec![3.0, 1.0, 2.0])]);
        assert_eq!(write(&read(&write(&all))), write(&all));
        assert!(write(&all).contains("start\tcore\ttokio\t2.0000\t1.0000\t3.0000\tµs\n"));
    }
}
