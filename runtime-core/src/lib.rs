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
//! | [`Pool`] | submits while its queue is full, those who wait for it to be done | the task that ends, closing |
//! | [`WaitGroup`] | those who wait for zero | the call that takes the counter to zero |
//! | [`Runtime`] | its shutdown, and workers without a task | the end of the last task; the start of one |
//!
//! Everything waits in both ways: the futures given out here can be awaited on any runtime, and [`block_on`] blocks a
//! plain thread on them. A wait that is dropped leaves no trace in the object it waited on.

mod atomic_int;
pub mod backend;
pub mod channel;
pub mod conformance;
mod contain_panic;
mod handle;
mod id;
mod pool;
mod pool_stats;
mod relay;
mod runtime;
mod sync;
pub mod testing;
mod timeout;
mod token;
mod wait_group;
mod worker_thread;

pub use atomic_int::AtomicInt;
pub use backend::{Backend, BlockingJob, LocalFuture, LocalSpawn, Sleep, WorkerBody, WorkerHandle, block_on};
pub use channel::{Channel, SendError, TryReceiveError, TrySendError};
pub use contain_panic::{ContainPanic, contain_panic, contained};
pub use handle::{Completer, Handle, Outcome, Report, Reporting, Status};
pub use id::next_id;
pub use pool::{
    Cancel, Close, Ended, OnFull, Pool, PoolOptions, Slot, SlotId, Submit, SubmitError, SubmitErrorKind,
    Task, TaskId,
};
pub use pool_stats::{Percentiles, PoolStats};
pub use relay::relayed;
pub use runtime::{Runtime, TaskError, Unfinished};
pub use timeout::deadline;
pub use wait_group::{NegativeCounter, WaitGroup};
pub use worker_thread::worker_thread;
