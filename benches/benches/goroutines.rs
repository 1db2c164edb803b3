//! What goroutines cost, on each backend: the questions of `benches::questions`, each a group, with rows for goroutines, for the
//! core without Lua, and for what one would use instead.
//!
//! `cargo bench -p benches --bench goroutines -- start` measures those with `start` in their names.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use benches::questions::{self, Row, Unit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn all(c: &mut Criterion) {
    for question in questions::all() {
        let mut group = c.benchmark_group(question.name);
        group.sample_size(10);
        let mut measure = |kind: &str, rows: &[Row]| {
            for row in rows {
                let count = match row.unit {
                    Unit::Each(count) => count,
                    Unit::Whole => 1,
                };
                group.throughput(Throughput::Elements(count.into()));
                group.bench_function(format!("{kind}/{}", row.name), |b| {
                    let mut round = (row.set_up)();
                    b.iter_custom(|rounds| (0..rounds).map(|_| round()).sum());
                });
            }
        };
        measure("goroutines", &question.lua);
        measure("core", &question.core);
        measure("instead", &question.others);
        group.finish();
    }
}

criterion_group!(questions_of_all, all);
criterion_main!(questions_of_all);
