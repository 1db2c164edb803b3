//! `goroutine.so`: what a stock interpreter loads for `require("goroutine")`.
//!
//! Built by `./build-module` in the root of the workspace, which says where the file is. Empty without the feature
//! `module`.
//!
//! # Leaving
//! The interpreter owns the module: a userdata in the registry holds the runtime, and its finalizer, which `lua_close`
//! calls, cancels all goroutines and waits at most 2 s for them. A worker that is stuck in an endless loop is left to
//! itself and goes on until the process ends, so its code has to stay mapped, although `lua_close` unloads libraries
//! next: the first `require` pins the library in memory for the life of the process.
//!
//! Finalizers of the script's own objects are called before that one, as they are younger, while everything still works. Their
//! blocking calls have 2 s in all: then they raise. That the interpreter is ending is seen by the call stack, which has nothing
//! but the finalizer on it.
//!
//! The goroutines of `goroutine.local` run in the interpreter's own state; a finalizer that is younger than both ends them first.
//!
//! `unsafe` here is the entry points, and the call that pins.
#![cfg(feature = "module")]
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};

use goroutine::Goroutines;
use mlua::{Function, Lua, Table, UserData};

/// Packets are made on one thread and dropped on another all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps the runtime alive as long as the interpreter's state, and ends it with the state.
struct Anchor(#[allow(dead_code, reason = "kept for its Drop")] Goroutines);

impl UserData for Anchor {}

/// Called by `require("goroutine")`.
///
/// # Safety
/// `state` is the state of the interpreter that loads the library, as Lua passes it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_goroutine(state: *mut mlua::lua_State) -> c_int {
    // SAFETY: the caller's promise; `entrypoint1` turns errors and panics into Lua errors.
    unsafe {
        mlua::Lua::entrypoint1(state, |lua: &Lua| {
            pin();
            open(lua)
        })
    }
}

/// Called by `require("goroutine.local")`, if that comes before `require("goroutine")`.
///
/// # Safety
/// As for [`luaopen_goroutine`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_goroutine_local(state: *mut mlua::lua_State) -> c_int {
    // SAFETY: the same promise.
    unsafe {
        mlua::Lua::entrypoint1(state, |lua: &Lua| {
            pin();
            // This makes the module itself known to `require`, and what it then finds for the name is the other one's loader.
            let globals = lua.globals();
            globals.get::<Function>("require")?.call::<()>("goroutine")?;
            let preload: Table = globals.get::<Table>("package")?.get("preload")?;
            preload.get::<Function>("goroutine.local")?.call::<Table>(())
        })
    }
}

fn open(lua: &Lua) -> mlua::Result<Table> {
    let goroutines =
        Goroutines::builder().lazy(true).detect_deadlocks(true).build().map_err(mlua::Error::external)?;
    let module = goroutines.module(lua)?;
    lua.set_named_registry_value("goroutine.anchor", lua.create_userdata(Anchor(goroutines))?)?;
    Ok(module)
}

/// Keeps this library mapped until the process ends.
fn pin() {
    let mut info: libc::Dl_info = unsafe {
        // SAFETY: a record of pointers, for which zero is a value.
        std::mem::zeroed()
    };
    let here = luaopen_goroutine as *const c_void;
    // SAFETY: `here` is an address within this library; the record is filled by the call if it succeeds, and the name in
    // it lives as long as the library is mapped.
    unsafe {
        if libc::dladdr(here, &mut info) != 0 && !info.dli_fname.is_null() {
            let name = CStr::from_ptr(info.dli_fname);
            // The handle is never closed: that is the purpose.
            libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NODELETE | libc::RTLD_NOLOAD);
        }
    }
}
