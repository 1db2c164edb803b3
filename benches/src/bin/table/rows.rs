//! The rows that are measured from outside: Lua code that makes a function, which is called with how many.

use std::time::Instant;

use benches::{BACKENDS, Home};

use crate::figures::{Unit, rounds};
use crate::peers::{self, Other};

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    what: &'static str,
    /// What it should be on two cores.
    bar: &'static str,
    unit: Unit,
    isolates: usize,
    code: &'static str,
    /// The same for others: a name, and what gives a round in seconds.
    others: &'static [(&'static str, Other)],
}

pub(crate) const ROWS: [Row; 7] = [
    Row {
        name: "start",
        what: "start + join of an empty function, 100,000",
        bar: "1.5 µs or less",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local function work() end
            return function(n) for _ = 1, n do goroutine.spawn(work) end goroutine.wait_all() end",
        others: peers::START,
    },
    Row {
        name: "start captured",
        what: "the same, a new closure with three captured numbers each time",
        bar: "none",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local a, b = 1, 2
            return function(n)
                for i = 1, n do goroutine.spawn(function() return a + b + i end) end
                goroutine.wait_all()
            end",
        others: &[],
    },
    Row {
        name: "start local",
        what: "start + join of an empty function in the state itself (goroutine.local), 100,000",
        bar: "0.5 µs or less",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "goroutine = require('goroutine.local') local function work() end
            return function(n) for _ = 1, n do goroutine.spawn(work) end goroutine.wait_all() end",
        others: &[],
    },
    Row {
        name: "await",
        what: "async + await of two values, 100,000",
        bar: "2 µs or less",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local function work(x) return x, x + 1 end
            return function(n)
                local all = {}
                for i = 1, n do all[i] = goroutine.async(work, i) end
                for i = 1, n do all[i]:await() end
            end",
        others: peers::AWAIT,
    },
    Row {
        name: "pool",
        what: "a pool of 2, its queue 1,024: 100,000 tiny tasks with a captured number",
        bar: "700,000 per second or more",
        unit: Unit::PerSecond(100_000),
        isolates: 2,
        code: "goroutine.pool_create('table', { workers = 2, queue = 1024 })
            return function(n)
                for i = 1, n do goroutine.pool_submit('table', function() return i end) end
                goroutine.pool_wait('table')
            end",
        others: &[],
    },
    Row {
        name: "stream",
        what: "1,000,000 integers from one goroutine to another, through a channel of capacity 1,024",
        bar: "3,000,000 per second or more",
        unit: Unit::PerSecond(1_000_000),
        isolates: 2,
        code: "return function(n)
                local channel = goroutine.channel(1024)
                goroutine.spawn(function() for i = 1, n do channel:send(i) end end)
                goroutine.async(function() for _ = 1, n do channel:receive() end end):await()
            end",
        others: peers::STREAM,
    },
    Row {
        name: "ping-pong together",
        what: "100,000 times there and back between two goroutines of one isolate",
        bar: "1 µs or less",
        unit: Unit::Each(100_000),
        isolates: 1,
        code: "return function(n)
                local there, back = goroutine.channel(), goroutine.channel()
                local other = goroutine.async(function() for _ = 1, n do back:send((there:receive())) end end)
                goroutine.async(function() for i = 1, n do there:send(i) back:receive() end end):await()
                other:await()
            end",
        others: peers::PING_PONG,
    },
];

impl Row {
    /// Measures it on every backend, and what there is of the others.
    pub(crate) fn measure(&self) {
        println!("{}: {} (bar: {})", self.name, self.what, self.bar);
        let count = self.unit.count();
        for backend in BACKENDS {
            let home = Home::new(backend, self.isolates);
            let function = home.function(&format!("local goroutine = require('goroutine') {}", self.code));
            let round = || {
                let begin = Instant::now();
                function.call::<()>(count).map_err(|error| error.to_string())?;
                Ok(begin.elapsed().as_secs_f64())
            };
            self.unit.print(backend, rounds(round));
        }
        for (name, other) in self.others {
            self.unit.print(name, other.measure(count));
        }
    }
}
