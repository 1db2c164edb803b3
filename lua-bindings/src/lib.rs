//! Goroutines for Lua: thousands of functions at once, on all cores, with worker pools, async/await, wait groups,
//! timeouts, channels, locks, contexts and shared tables.
//!
//! ```
//! use goroutine::Goroutines;
//! use mlua::Lua;
//!
//! let lua = Lua::new();
//! let goroutines = Goroutines::builder().isolates(2).build()?;
//! goroutines.install(&lua)?;
//! let sum: i64 = lua
//!     .load(
//!         r#"
//!         local goroutine = require("goroutine")
//!         local function square(n) return n * n end
//!         local handles = {}
//!         for i = 1, 10 do
//!             handles[i] = goroutine.async(square, i)
//!         end
//!         local sum = 0
//!         for _, result in ipairs(goroutine.await_all(handles)) do
//!             sum = sum + result.values[1]
//!         end
//!         return sum
//!         "#,
//!     )
//!     .eval()?;
//! assert_eq!(sum, 385);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The parts, and who waits for whom
//!
//! - The **home state** is the Lua state that the module is [installed](Goroutines::install) in. Its blocking calls
//!   block the thread; where an executor runs the script (mlua's `call_async`, `exec_async`), they yield to that.
//! - An **isolate** is one Lua state owned by one worker of the backend. There are as many as cores unless the
//!   [builder](Builder::isolates) says otherwise.
//! - A **goroutine** is a coroutine inside an isolate, with global variables of its own. Its blocking calls park it.
//! - A **packet** carries a function with what it captured and its arguments to an isolate, and the results back. What
//!   cannot travel is refused where it is given. [`Packet`] is one for Rust programs, to keep or to send elsewhere as bytes.
//!
//! Starting a goroutine puts a packet into one queue, from which whichever isolate is free takes it (`system.rs`,
//! `isolate.rs`). The goroutine runs until its first blocking call; what it then waits for (an object of
//! [`runtime_core`], a timer of the backend) wakes the future that it has become (`task.rs`). Its end completes its
//! handle, which wakes those who await it, at home or in any isolate. Dropping [`Goroutines`] cancels everything and
//! waits at most 2 s.
//!
//! `unsafe` is confined to `raw.rs` and its parts in `raw/`: access to the Lua stack, upvalues and coroutines; the userdata
//! of our own objects; functions that Lua calls without mlua in between; the word in a closure's header that leads to its
//! prototype; and to `interrupt.rs` and its parts in `interrupt/`: signals, their handler, and the clocks and states of threads.
//!
//! # Features
//! `backend-tokio` (default), `backend-threads`, `backend-smol` and `backend-async-std` bring the backends and are additive:
//! [`Builder::backend`] takes one of them, or any other. (async-std is discontinued, RUSTSEC-2025-0052, in favour of smol; its
//! backend is for programs that use its libraries, and is never a default.) Exactly one of `lua54`
//! (default), `lua55`, `lua53`, `lua52`, `lua51`, `luajit` chooses the Lua; `vendored` (default) compiles it in, `module` is for the shared library
//! that a stock interpreter loads.

mod api;
mod blocking;
mod builder;
mod bytecode;
mod code;
#[cfg(unix)]
mod command;
mod deadlock;
mod fault;
mod foreign;
mod goroutine;
mod injector;
#[cfg(unix)]
mod input;
mod inquiry;
mod interrupt;
mod isolate;
mod loaded;
mod local;
mod modules;
mod object;
mod observer;
mod origin;
mod packet;
mod parking;
mod place;
mod places;
mod pool;
mod raw;
mod registry;
mod room;
mod scope;
mod settings;
mod shared;
mod spares;
mod state;
mod system;
mod task;
mod ties;

#[cfg(unix)]
pub use api::command_file;
pub use api::{
    Pause, Paused, Printed, Results, WaitingCall, current_id, end_wait, interrupt_when_cancelled,
    pausing_function, print_to, root_id, start_next_as, waiting_function,
};
pub use builder::{BuildError, Builder, Goroutines, InstallError, Shutdown, new_state};
#[cfg(unix)]
pub use command::{Commands, Direction};
pub use fault::error_text;
pub use interrupt::Interrupt;
pub use local::StartedAs;
pub use observer::{Living, Observer};
pub use packet::face::Packet;
pub use packet::{Trust, WireError};
pub use raw::limit_memory;
pub use runtime_core::{Backend, PoolStats, Status};

#[cfg(feature = "backend-async-std")]
pub use backend_async_std;
#[cfg(feature = "backend-smol")]
pub use backend_smol;
#[cfg(feature = "backend-threads")]
pub use backend_threads;
#[cfg(feature = "backend-tokio")]
pub use backend_tokio;
