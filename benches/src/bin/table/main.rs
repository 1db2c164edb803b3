//! Prints one table: what starting, awaiting, pools, channels and sleeping cost here, beside what else is installed.
//!
//! `cargo run --release -p benches --bin table` runs everything; a word behind it runs the rows that have it in their name.
//! Each row says what was run, and on which bar it is measured; it gives the median of its rounds, with the least and the
//! most.
//!
//! What may not end, or is about the memory of a process, runs in a process of its own, with a time limit.

mod apart;
mod figures;
mod peers;
mod rows;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["apart", row, backend] => apart::run(row, backend),
        words => {
            let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
            rows::ROWS.iter().filter(|row| wanted(row.name)).for_each(rows::Row::measure);
            apart::APART.iter().filter(|row| wanted(row.name)).for_each(apart::Apart::measure);
        }
    }
}
