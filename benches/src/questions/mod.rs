//! What is asked of each backend, and of what one would use instead. The criterion bench and the report ask the same.
//!
//! A [`Question`] has rows; a row makes a round, which does its work once and says how long that took. What is set up before
//! (runtimes, states, pools) is not counted.

mod core;
mod lua;
mod others;

use std::fmt;
use std::time::Duration;

/// How much a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many of something: the time of one is told.
    Each(u32),
    /// One thing: its time is told.
    Whole,
}

/// One of those that are compared.
pub struct Row {
    /// Who it is: `tokio`, say, or `std threads`.
    pub name: String,
    /// How much a round does.
    pub unit: Unit,
    /// Sets up, and gives the round.
    pub set_up: SetUp,
}

/// Sets up what is measured.
pub type SetUp = Box<dyn Fn() -> Round>;

/// Does the work once, and says how long it took.
pub type Round = Box<dyn FnMut() -> Duration>;

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// A short name, of which files are named.
    pub name: &'static str,
    /// What each does.
    pub what: &'static str,
    /// Goroutines, by backend.
    pub lua: Vec<Row>,
    /// The core alone, without Lua, by backend.
    pub core: Vec<Row>,
    /// What one would use instead.
    pub others: Vec<Row>,
}

impl Row {
    fn new(name: impl Into<String>, unit: Unit, set_up: impl Fn() -> Round + 'static) -> Self {
        Self { name: name.into(), unit, set_up: Box::new(set_up) }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("name", &self.name).field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// All questions.
pub fn all() -> Vec<Question> {
    let question = |name, what| Question {
        name,
        what,
        lua: lua::rows(name),
        core: core::rows(name),
        others: others::rows(name),
    };
    vec![
        question("start", "start + join: functions that do nothing are started, and all waited for"),
        question("await", "async + await: functions that return two numbers are started, and each awaited"),
        question("pool", "a pool of 2 with a queue of 1,024: tiny tasks with a captured number"),
        question("pool-statistics", "the same, while somebody else reads the statistics all the time"),
        question("stream", "numbers from one to another through a channel of capacity 1,024"),
        question("ping-pong", "there and back between two on one thread, without a buffer"),
        question("ping-pong-between", "there and back between two on two threads, without a buffer"),
        question(
            "timers",
            "1,000 at once, each of which sleeps 1 ms ten times: the time of one sleep of all",
        ),
        question("cpu", "8 x fib(27), on two cores where there are two"),
        question("table", "1,000 records {id, name, tags = {3 strings}} there and back"),
    ]
}
