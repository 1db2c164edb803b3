//! The Lua face: the module's table, made anew for every state.
//!
//! Each function is a *primitive* in Rust, which calls nothing in Lua, and a *face* around it that turns what the primitive
//! says into results, a park or an error at the caller's line (`raw/entry.rs`; `lua/base.lua` where C functions cannot
//! yield). Whatever takes a callback is written in Lua over primitives, so that the callback may block and yield.

mod args;
mod atomic_int;
mod barrier;
mod broadcaster;
mod call;
mod cancelled;
mod channel;
mod circuit_breaker;
mod classes;
#[cfg(unix)]
mod commands;
mod cond;
mod configure;
mod context;
mod direct;
mod direct_locks;
mod direct_pools;
mod embedded;
mod flow;
mod globals;
mod handle;
mod home;
mod install;
mod local;
mod locks;
mod look;
mod metatables;
mod mutex;
mod once;
mod options;
mod pools;
mod primitives;
mod prints;
#[cfg(unix)]
mod processes;
mod rate_limiter;
mod retry;
mod rw_mutex;
mod scope;
mod select;
mod semaphore;
mod shared;
mod start;
mod time;
mod timers;
mod wait_group;

use globals::chunk;
use install::FACE;
use primitives::{Primitives, being_closed};

pub(crate) use args::{Args, Named};
pub(crate) use atomic_int::AtomicIntObject;
pub(crate) use barrier::BarrierObject;
pub(crate) use broadcaster::BroadcasterObject;
pub(crate) use call::{Answer, Context, Outcome, caller, ship};
pub(crate) use cancelled::{CancelledObject, is_cancelled};
pub(crate) use channel::ChannelObject;
pub(crate) use circuit_breaker::CircuitBreakerObject;
#[cfg(unix)]
pub use commands::command_file;
pub(crate) use cond::CondObject;
pub(crate) use context::{ContextMember, ContextObject};
pub use embedded::{Results, WaitingCall, current_id, root_id, waiting_function};
pub(crate) use globals::globals;
pub(crate) use handle::HandleObject;
pub(crate) use home::interruptible;
pub use home::{end_wait, interrupt_when_cancelled, start_next_as};
pub(crate) use install::{install, module, state};
pub(crate) use local::{NAME as LOCAL, wind_down};
pub(crate) use look::{describe, describe_all};
pub(crate) use mutex::MutexObject;
pub(crate) use once::OnceObject;
pub(crate) use pools::{PoolObject, Submitting};
pub(crate) use prints::Printing;
pub use prints::{Pause, Paused, Printed, pausing_function, print_to};
pub(crate) use rate_limiter::RateLimiterObject;
pub(crate) use rw_mutex::RwMutexObject;
pub(crate) use scope::ScopeObject;
pub(crate) use semaphore::SemaphoreObject;
pub(crate) use shared::SharedObject;
pub(crate) use wait_group::WaitGroupObject;
