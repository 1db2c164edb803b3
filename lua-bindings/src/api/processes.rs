//! What an isolate has under `os.execute`: the goroutine waits for the command, and its isolate does not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use mlua::{IntoLuaMulti as _, Lua, MultiValue, Value};

use super::args::type_name;
use super::{Answer, Primitives};
use crate::goroutine::Reply;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.raw("in_goroutine", |_, state, ()| Ok(state.current().is_some()))?;
    prim.function("execute", |context, args| {
        let command = match args.get(1) {
            None | Some(Value::Nil) => None,
            Some(Value::String(command)) => Some(command.as_bytes().to_vec()),
            Some(Value::Integer(number)) => Some(number.to_string().into_bytes()),
            Some(Value::Number(number)) => Some(number.to_string().into_bytes()),
            Some(other) => {
                let got = type_name(context.lua, other);
                return Err(args.bad(1, &format!("string expected, got {got}")));
            }
        };
        let (tell, ended) = flume::bounded(1);
        // One that is cancelled meanwhile does not wait for the command, which goes on.
        context.state.system.backend.run_blocking(Box::new(move || {
            let status = shell(command.as_deref().unwrap_or(b"exit 0")).status();
            let _ = tell.send((status, command.is_none()));
        }));
        Ok(Answer::Wait(Box::pin(async move {
            let (status, asked) = match ended.recv_async().await {
                Ok(ended) => ended,
                Err(_) => return Reply::Cancelled, // the backend is being shut down
            };
            match status {
                _ if asked => {
                    let there = status.is_ok_and(|status| status.success());
                    Reply::make(move |lua, _| Ok(has_shell(lua, there)?))
                }
                Ok(status) => Reply::make(move |lua, _| Ok(outcome(lua, status)?)),
                Err(error) => {
                    let error: Arc<str> = error.to_string().into();
                    Reply::make(move |lua, _| Ok((Value::Nil, &*error, 127).into_lua_multi(lua)?))
                }
            }
        })))
    })
}

/// What the shell makes of this line. A zero byte ends it, as it does for C's `system`.
pub(super) fn shell(line: &[u8]) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(OsStr::from_bytes(line.split(|byte| *byte == 0).next().unwrap_or_default()));
    shell
}

fn has_shell(lua: &Lua, there: bool) -> mlua::Result<MultiValue> {
    if cfg!(any(feature = "lua51", feature = "luajit")) {
        return i32::from(there).into_lua_multi(lua);
    }
    there.into_lua_multi(lua)
}

/// As the Lua that is compiled in gives it.
pub(super) fn outcome(lua: &Lua, status: ExitStatus) -> mlua::Result<MultiValue> {
    if cfg!(any(feature = "lua51", feature = "luajit")) {
        return status.into_raw().into_lua_multi(lua);
    }
    match (status.code(), status.signal()) {
        (Some(0), _) => (true, "exit", 0).into_lua_multi(lua),
        (Some(code), _) => (Value::Nil, "exit", code).into_lua_multi(lua),
        (None, signal) => (Value::Nil, "signal", signal.unwrap_or(0)).into_lua_multi(lua),
    }
}
