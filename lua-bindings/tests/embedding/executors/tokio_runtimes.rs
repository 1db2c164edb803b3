//! Scripts inside an application on tokio.

use std::sync::Arc;

use goroutine::backend_tokio::Tokio;
use goroutine::{Backend, Goroutines};
use mlua::Lua;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task;

use super::script;
use crate::support::started;

const WAITS: &str =
    "return select(2, goroutine.await(goroutine.async(function() goroutine.sleep(1) return 7 end)))";

fn multi_thread(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// Calls a script without an executor.
fn blocking(lua: &Lua, source: &str) -> mlua::Result<i64> {
    lua.load(source).set_name("@script.lua").eval()
}

#[tokio::test]
async fn a_blocking_call_on_the_only_thread_of_a_runtime_is_refused_with_advice() {
    let (_goroutines, lua, _reports) = started(&(Arc::new(Tokio::new()) as Arc<dyn Backend>), 1);
    let refused = blocking(&lua, WAITS).unwrap_err().to_string();
    assert!(refused.contains("script.lua:1: a blocking call on the only thread"), "{refused}");
    assert!(refused.contains("call_async") && refused.contains("spawn_blocking"), "{refused}");
    // In a task as well, and also if others have used up what it may do at once.
    let local = task::LocalSet::new();
    local
        .run_until(async {
            let task = task::spawn_local(async move {
                while task::coop::has_budget_remaining() {
                    task::consume_budget().await;
                }
                assert!(blocking(&lua, WAITS).is_err());
                // What need not wait is none.
                assert_eq!(
                    blocking(&lua, "local c = goroutine.channel(1) c:send(7) return (c:receive())").unwrap(),
                    7
                );
                // And with the advice followed.
                assert_eq!(script::<i64>(&lua, WAITS).await, 7);
            });
            task.await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_blocking_job_of_such_a_runtime_may_block() {
    let seven = task::spawn_blocking(|| {
        let (_goroutines, lua, _reports) = started(&(Arc::new(Tokio::new()) as Arc<dyn Backend>), 1);
        blocking(&lua, WAITS).unwrap()
    });
    assert_eq!(seven.await.unwrap(), 7);
}

#[test]
fn who_has_only_entered_such_a_runtime_may_block() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let (_goroutines, lua, _reports) = started(&(Arc::new(Tokio::new()) as Arc<dyn Backend>), 1);
    assert_eq!(blocking(&lua, WAITS).unwrap(), 7);
}

#[test]
fn a_thread_of_a_multi_thread_runtime_may_be_blocked() {
    let runtime = multi_thread(1);
    let task = runtime.spawn(async {
        let (_goroutines, lua, _reports) = started(&(Arc::new(Tokio::new()) as Arc<dyn Backend>), 1);
        blocking(&lua, WAITS).unwrap()
    });
    assert_eq!(runtime.block_on(task).unwrap(), 7);
}

/// What an async function of the embedder's is told where it runs.
fn told(backend: Tokio) -> (String, String) {
    let goroutines = Goroutines::builder()
        .backend(backend)
        .isolates(1)
        .setup(|lua| {
            let whereabouts = lua.create_async_function(|_, ()| async {
                let spawned = tokio::spawn(async { Handle::current().id().to_string() });
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                Ok((Handle::current().id().to_string(), spawned.await.map_err(mlua::Error::external)?))
            })?;
            lua.globals().set("whereabouts", whereabouts)
        })
        .build()
        .unwrap();
    let lua = Lua::new();
    goroutines.install(&lua).unwrap();
    let asked = r#"
        local goroutine = require("goroutine")
        local ok, here, spawned = goroutine.await(goroutine.async(function() return whereabouts() end))
        assert(ok, here)
        return here, spawned
    "#;
    lua.load(asked).eval().unwrap()
}

#[test]
fn a_runtime_that_is_shared_is_where_async_functions_spawn_and_wait() {
    let runtime = multi_thread(1);
    let id = runtime.handle().id().to_string();
    assert_eq!(told(Tokio::on(runtime.handle().clone()).unwrap()), (id.clone(), id));
}

#[test]
fn a_runtime_that_is_not_shared_is_none_of_the_goroutines_business() {
    let runtime = multi_thread(1);
    let _inside = runtime.enter();
    let id = runtime.handle().id().to_string();
    let (here, spawned) = told(Tokio::new());
    assert!(here != id && spawned == here, "{here}, {spawned}; the embedder's is {id}");
}

#[tokio::test]
async fn two_runtimes_with_home_states_of_their_own_wait_on_one_thread() {
    let of_first = Goroutines::builder().backend(Tokio::new()).isolates(1).build().unwrap();
    let of_second = Goroutines::builder().backend(Tokio::new()).isolates(2).build().unwrap();
    let (first, second) = (Lua::new(), Lua::new());
    for (goroutines, lua) in [(&of_first, &first), (&of_second, &second)] {
        let module = goroutines.module(lua).unwrap();
        lua.globals().set("goroutine", module).unwrap();
    }
    let (one, other) =
        futures_lite::future::zip(script::<i64>(&first, WAITS), script::<i64>(&second, WAITS)).await;
    assert_eq!((one, other), (7, 7));
    drop(of_first);
    assert_eq!(script::<i64>(&second, WAITS).await, 7);
}
