//! What the benches share: a home state with goroutines in it.

pub mod questions;

use std::sync::Arc;

use goroutine::Goroutines;
use mlua::{Function, Lua};
use runtime_core::Backend;

/// The allocator that `sloth-runner` has, for all that is compared here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The backends that are compared.
pub const BACKENDS: [&str; 4] = ["threads", "tokio", "smol", "async-std"];

/// The backend of this name.
pub fn backend(name: &str) -> Arc<dyn Backend> {
    match name {
        "async-std" => Arc::new(backend_async_std::AsyncStd::new()),
        "smol" => Arc::new(backend_smol::Smol::new()),
        "threads" => Arc::new(backend_threads::Threads::new()),
        _ => Arc::new(backend_tokio::Tokio::new()),
    }
}

/// A home state whose `require("goroutine")` works, and the runtime under it.
#[derive(Debug)]
pub struct Home {
    lua: Lua,
    _goroutines: Goroutines,
}

impl Home {
    /// A home state on the backend of this name, with `isolates` isolates.
    ///
    /// # Panics
    /// When the runtime cannot be started.
    pub fn new(backend: &str, isolates: usize) -> Self {
        let backend = self::backend(backend);
        let lua = goroutine::new_state();
        match Goroutines::builder().shared_backend(backend).isolates(isolates).build() {
            Ok(goroutines) => {
                if let Err(error) = goroutines.install(&lua) {
                    panic!("{error}");
                }
                Self { lua, _goroutines: goroutines }
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Loads Lua code that returns a function.
    ///
    /// # Panics
    /// When the code is wrong.
    pub fn function(&self, code: &str) -> Function {
        match self.lua.load(code).eval() {
            Ok(function) => function,
            Err(error) => panic!("{error}"),
        }
    }

    /// A function for Lua that calls `act`.
    ///
    /// # Panics
    /// When memory runs out.
    pub fn callback(&self, act: impl Fn() + 'static) -> Function {
        let made = self.lua.create_function(move |_, ()| {
            act();
            Ok(())
        });
        match made {
            Ok(function) => function,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs Lua code.
    ///
    /// # Panics
    /// When the code fails.
    pub fn run(&self, code: &str) {
        if let Err(error) = self.lua.load(code).exec() {
            panic!("{error}");
        }
    }
}

/// The memory of this process that is in use, in bytes, where the system tells (Linux).
pub fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
