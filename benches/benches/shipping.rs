//! What copying values to another state costs. Beside it: the same copy inside one Lua state, the same records encoded and
//! decoded by serde in Rust, and memcpy.
//!
//! `cargo bench -p benches --bench shipping`
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros make undocumented items; a bench may stop"
)]

use std::hint::black_box;

use benches::{BACKENDS, Home};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mlua::{Function, Lua};
use serde::{Deserialize, Serialize};

const RECORDS: &str = r#"
    local records = {}
    for i = 1, 1000 do
        records[i] = { id = i, name = "record " .. i, tags = { "red " .. i, "green " .. i, "blue " .. i } }
    end
"#;

/// The records that the Lua code above makes.
#[derive(Serialize, Deserialize)]
struct Record {
    id: i64,
    name: String,
    tags: Vec<String>,
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("1000 records {id, name, tags = {3 strings}}");
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(&format!(
            r#"
            local goroutine = require("goroutine")
            {RECORDS}
            local out, back = goroutine.channel(1), goroutine.channel(1)
            goroutine.spawn(function()
                for value in out:iter() do back:send(value) end
            end)
            return function()
                out:send(records)
                return #(back:receive())
            end"#
        ));
        group.bench_function(BenchmarkId::new("through a channel and back", backend), |b| {
            b.iter(|| run.call::<usize>(()).expect("records"));
        });
    }
    let lua = Lua::new();
    let copy: Function = lua
        .load(format!(
            r#"{RECORDS}
            local function copy(value, seen)
                if type(value) ~= "table" then return value end
                if seen[value] then return seen[value] end
                local made = {{}}
                seen[value] = made
                for k, v in pairs(value) do made[copy(k, seen)] = copy(v, seen) end
                return setmetatable(made, getmetatable(value))
            end
            return function() return #copy(records, {{}}) end"#
        ))
        .eval()
        .expect("a function");
    group.bench_function("deep copy in one Lua state, one way", |b| {
        b.iter(|| copy.call::<usize>(()).expect("records"));
    });
    let records: Vec<Record> = (1..=1000)
        .map(|id| Record {
            id,
            name: format!("record {id}"),
            tags: ["red", "green", "blue"].map(|colour| format!("{colour} {id}")).to_vec(),
        })
        .collect();
    group.bench_function("serde (postcard) in Rust, there and back", |b| {
        b.iter(|| {
            let bytes = postcard::to_allocvec(black_box(&records)).expect("bytes");
            let there: Vec<Record> = postcard::from_bytes(&bytes).expect("records");
            let bytes = postcard::to_allocvec(&there).expect("bytes");
            postcard::from_bytes::<Vec<Record>>(&bytes).expect("records")
        });
    });
    group.finish();
}

fn strings(c: &mut Criterion) {
    const SIZE: usize = 10_000_000;
    let mut group = c.benchmark_group("a string of 10 MB");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(30);
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(
            r#"
            local goroutine = require("goroutine")
            local out, back = goroutine.channel(1), goroutine.channel(1)
            goroutine.spawn(function()
                for value in out:iter() do back:send(#value) end
            end)
            return function(text)
                out:send(text)
                return (back:receive())
            end"#,
        );
        let text = home.function("return function(n) return string.rep('x', n) end");
        let text: mlua::LuaString = text.call(SIZE).expect("a string");
        group.bench_function(BenchmarkId::new("one way", backend), |b| {
            b.iter(|| run.call::<usize>(&text).expect("a length"));
        });
    }
    let from = vec![b'x'; SIZE];
    let mut to = vec![0; SIZE];
    group.bench_function("memcpy into memory in use", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    });
    group.bench_function("memcpy into new memory", |b| b.iter(|| black_box(&from).clone()));
    group.finish();
}

criterion_group!(all, records, strings);
criterion_main!(all);
