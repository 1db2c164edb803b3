//! What a pool, a handle, a wait group and a channel mean, and what a runtime must give to carry them.
//!
//! This crate knows no Lua and no runtime. A runtime is anything that implements [`Backend`]: a handful of methods
//! that start workers, tell the time, sleep, run blocking jobs and block a thread. What it must do exactly is written
//! down as tests in [`conformance`], which a backend runs with one macro call.
//!
//! # The parts, and who waits for whom
//!
//! | object | waits | woken by |
//! |---|---|---|
//! | [`Handle`] | those who await a task | its [`Completer`], also when it is dropped |
//! | [`Channel`] | senders while there is no room, receivers while there is nothing | the receive or the send that serves them, closing |
//! | [`Select`] | for the first of several channels and events | what would wake a wait for that one |
//! | [`fan_out`], [`fan_in`], [`stage`] | for their inputs' values, and for room in their outputs | as the channels say |
//! | [`Pool`] | submits while its queue is full, those who wait for it to be done | the task that ends, closing |
//! | [`WaitGroup`] | those who wait for zero | the call that takes the counter to zero |
//! | [`Mutex`](locks::Mutex), [`RwMutex`](locks::RwMutex), [`Semaphore`](locks::Semaphore) | who wants in | the one who goes out, or ends |
//! | [`Once`](locks::Once) | who comes while it runs | its end, or that of the one who ran it |
//! | [`Cond`](locks::Cond) | who waits for a change | a signal, a broadcast; then the one who unlocks |
//! | [`Barrier`](locks::Barrier) | those who have come | the last to come |
//! | [`Context`] | who is to stop with it | whoever cancels it, its timer, the end of its parent |
//! | [`RateLimiter`] | who comes too early | its sleep, the one before it in the line |
//! | `Broadcaster` | who sends while a subscriber has no room | the receive that makes room |
//! | [`Runtime`] | its shutdown, and workers without a task | the end of the last task; the start of one |
//!
//! [`AtomicInt`], [`SharedMap`] and [`CircuitBreaker`] are shared without waiting.
//!
//! Everything waits in both ways: the futures given out here can be awaited on any runtime, and [`block_on`] blocks a
//! plain thread on them. A wait that is dropped leaves no trace in the object it waited on.

mod alarm;
mod atomic_int;
pub mod backend;
mod backoff;
#[cfg(not(loom))] // whose references have no weak ones
mod broadcaster;
mod chance;
pub mod channel;
mod circuit_breaker;
pub mod conformance;
mod contain_panic;
mod context;
mod flow;
mod handle;
mod id;
mod local_tasks;
pub mod locks;
mod outcome;
mod patience;
mod pool;
mod pool_stats;
mod rate_limiter;
mod relay;
mod runtime;
mod shared_map;
mod sync;
pub mod testing;
mod timeout;
mod token;
mod wait_group;
mod worker_thread;

pub use alarm::Alarm;
pub use atomic_int::AtomicInt;
pub use backend::{Backend, BlockingJob, LocalFuture, LocalSpawn, Sleep, WorkerBody, WorkerHandle, block_on};
pub use backoff::Backoff;
#[cfg(not(loom))]
pub use broadcaster::Broadcaster;
pub use channel::{Channel, Happened, Select, Selected, SendError, TryReceiveError, TrySendError};
pub use circuit_breaker::{Breaker, Call, CircuitBreaker, Ending};
pub use contain_panic::{ContainPanic, contain_panic, contained};
pub use context::{AtEnd, Context, EndOfContext};
pub use flow::{fan_in, fan_out, stage};
pub use handle::{Completer, Handle, Queued, Report, Reporting, Watch};
pub use id::next_id;
pub use local_tasks::{LocalTask, LocalTasks};
pub use outcome::{Outcome, Status};
pub use patience::Patience;
pub use pool::{
    Cancel, Close, Ended, OnFull, Pool, PoolOptions, Slot, SlotId, Submit, SubmitError, SubmitErrorKind,
    Task, TaskId,
};
pub use pool_stats::{Percentiles, PoolStats};
pub use rate_limiter::RateLimiter;
pub use relay::relayed;
pub use runtime::{Runtime, TaskError, Unfinished};
pub use shared_map::{SharedMap, Version};
pub use timeout::deadline;
pub use wait_group::{NegativeCounter, WaitGroup};
pub use worker_thread::worker_thread;
