//! What goes round a function of the script's that runs for a task: when it has begun and ended, and what if it cannot be stopped.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goroutine::{Goroutines, Observer, Status};
use mlua::{Function, Lua, LuaString, Table};

use crate::event::Event;
use crate::io::Job;
use crate::shared::{Shared, Task};

/// What cannot be stopped may run on for so many such times after its limit: 2 s, in which it was seen to run and not to wait.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(250);

/// Of a run that ends because something cannot be stopped.
const FAILED: i32 = 1;

/// A function of the script's that runs for a task.
struct Call {
    /// When its time is over, if that ever is.
    until: Option<Instant>,
    /// When it returned, if it has.
    end: Option<Instant>,
    /// Ends the run if it cannot be stopped.
    watch: Option<Job<()>>,
}

/// `enter(task, limit)` and `quiet()`, for its goroutine, before and after; `rest(id)`, how many seconds it may run on, nil if it has not
/// begun; `leave(id)` when it has ended, or is waited for no longer, which says whether its time was up.
pub(super) fn functions(
    lua: &Lua,
    goroutines: &Goroutines,
    shared: &Arc<Shared>,
) -> mlua::Result<[Function; 4]> {
    let calls = Arc::new(Mutex::new(HashMap::<u64, Call>::new()));
    let observer = goroutines.observer();
    let enter = {
        let (shared, calls) = (Arc::clone(shared), Arc::clone(&calls));
        lua.create_function(move |lua, (task, limit): (Table, Option<f64>)| {
            let Some(goroutine) = goroutine::current_id(lua) else {
                return Ok(());
            };
            goroutine::interrupt_when_cancelled(lua);
            let begin = Instant::now();
            let is_task = !task.raw_get::<Option<bool>>("is_workflow")?.unwrap_or_default();
            let limit = limit.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
            let until = limit.and_then(|limit| begin.checked_add(limit));
            let watch = limit.map(|limit| {
                let place = task.raw_get::<LuaString>("place")?.to_string_lossy();
                let stuck = Stuck { name: task.raw_get("name")?, is_task, place };
                shared.io.start(watch(Arc::clone(&shared), observer.clone(), goroutine, limit, stuck))
            });
            lock(&calls).insert(goroutine, Call { until, end: None, watch: watch.transpose()? });
            shared.begin_function(lua, is_task.then(|| task_of(&task)).transpose()?);
            Ok(())
        })?
    };
    let quiet = {
        let calls = Arc::clone(&calls);
        lua.create_function(move |lua, ()| {
            let mut calls = lock(&calls);
            if let Some(call) = goroutine::current_id(lua).and_then(|id| calls.get_mut(&id)) {
                call.end = Some(Instant::now());
            }
            Ok(())
        })?
    };
    let rest = {
        let calls = Arc::clone(&calls);
        lua.create_function(move |_, goroutine: u64| {
            let until = lock(&calls).get(&goroutine).and_then(|call| call.until);
            Ok(until.map(|until| until.saturating_duration_since(Instant::now()).as_secs_f64()))
        })?
    };
    let shared = Arc::clone(shared);
    let observer = goroutines.observer();
    let leave = lua.create_function(move |_, goroutine: u64| {
        shared.end_function(goroutine);
        let Some(call) = lock(&calls).remove(&goroutine) else { return Ok(false) };
        let Call { until, end, watch } = call;
        let late = until.is_some_and(|until| end.unwrap_or_else(Instant::now) >= until);
        if let (Some(watch), true, None) = (watch, late, end) {
            // It may run on, so somebody has to see to that: the watch ends with it.
            watch.leave();
        }
        if late {
            observer.cancel_descendants(goroutine, "timeout exceeded");
        }
        Ok(late)
    })?;
    Ok([enter, rest, leave, quiet])
}

/// A function that cannot be stopped.
struct Stuck {
    name: String,
    is_task: bool,
    place: String,
}

/// Looks after a function when its time is over. Ends with it, or ends the run.
///
/// Woken by the clock alone. Dropped if the function ends in time. What waits is never stuck: it is cancelled, and goes on
/// when whatever computes lets it.
async fn watch(shared: Arc<Shared>, observer: Observer, goroutine: u64, limit: Duration, stuck: Stuck) {
    tokio::time::sleep(limit).await;
    let mut looks = 0;
    while looks < LOOKS {
        tokio::time::sleep(LOOK).await;
        let living = observer.living();
        looks = match living.iter().find(|living| living.id == goroutine).map(|living| living.status) {
            None => return,
            Some(Status::Running) => looks + 1,
            Some(_) => 0,
        };
    }
    let Stuck { name, is_task, place } = stuck;
    let what = if is_task { "task" } else { "workflow" };
    let message = format!(
        "{what} '{name}' still computes 2 s after its time was over, where it cannot be interrupted: in a finalizer, in the handler of an \
         xpcall or in a C function. So the run ends here"
    );
    shared.commands.end();
    shared.sink.open();
    shared.sink.tell(&Event::Error { message: &message, place: Some(&place) });
    shared.sink.cancel_rest("the run has ended", is_task.then_some(&*name));
    shared.sink.summarise(FAILED as u8, &[]);
    shared.sink.finish(None);
    std::process::exit(FAILED);
}

fn task_of(task: &Table) -> mlua::Result<Task> {
    Ok(Task {
        name: task.raw_get("name")?,
        workdir: task.raw_get("workdir")?,
        env: task.raw_get::<Option<BTreeMap<String, String>>>("env")?.unwrap_or_default(),
    })
}

fn lock(calls: &Mutex<HashMap<u64, Call>>) -> MutexGuard<'_, HashMap<u64, Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
