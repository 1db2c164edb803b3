//! A Rust program whose Lua scripts call its own functions from goroutines: an async one, a plain one, and one with a
//! bug that panics.
//!
//! ```text
//! cargo run --release -p lua-bindings --example embed
//! ```
//!
//! It checks what it prints, and fails if something is wrong.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use goroutine::{Goroutines, Shutdown, backend_tokio::Tokio};
use mlua::{FromLua, Lua, Table, Value};

/// How many pages the script fetches at once, and how long each takes.
const PAGES: usize = 100;
const LATENCY: Duration = Duration::from_millis(100);

/// Runs in the home state. `fetch`, `slug` and `port` exist in the isolates, where the goroutines run; a goroutine finds
/// them by name, as it finds `string` or `math`.
const SCRIPT: &str = r#"
local goroutine = require("goroutine")
local pages = ...

local started = goroutine.now()
local fetches = {}
for i = 1, pages do
  -- Reads like a blocking call. The goroutine is parked meanwhile, and others run in its isolate.
  fetches[i] = goroutine.async(function()
    local text = fetch("Page " .. i)
    return slug(text)
  end)
end
local slugs = {}
for i, result in ipairs(goroutine.await_all(fetches)) do
  assert(result.success, result.error)
  slugs[i] = result.values[1]
end
local took = goroutine.now() - started

local parses = {}
for i, text in ipairs({ "80", "eighty", "443" }) do
  parses[i] = goroutine.async(function()
    return port(text)
  end)
end
local ports = {}
for i, result in ipairs(goroutine.await_all(parses)) do
  ports[i] = result.success and result.values[1] or tostring(result.error)
end

return { slugs = slugs, took = took, ports = ports }
"#;

/// How many fetches are under way, and how many were at most.
#[derive(Default)]
struct Traffic {
    now: AtomicUsize,
    most: AtomicUsize,
}

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("embed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the script, and says what came of it.
pub(crate) fn run() -> Result<String, Box<dyn Error>> {
    let traffic = Arc::new(Traffic::default());
    let goroutines = {
        let traffic = Arc::clone(&traffic);
        Goroutines::builder()
            .backend(Tokio::new())
            .isolates(2)
            // Called once for each isolate, on its thread: each is a Lua state of its own.
            .setup(move |lua| register(lua, &traffic))
            .build()?
    };
    let lua = Lua::new();
    goroutines.install(&lua)?;

    let result: Table = lua.load(SCRIPT).set_name("@embed.lua").call(PAGES)?;

    let slugs: Vec<String> = result.get("slugs")?;
    let expected: Vec<_> = (1..=PAGES).map(|page| format!("contents-of-page-{page}")).collect();
    ensure(slugs == expected, || format!("wrong pages: {slugs:?}"))?;

    // One after another they would have taken ten seconds; two isolates with one fetch each, five.
    let most = traffic.most.load(Ordering::Relaxed);
    ensure(most > PAGES / 2, || format!("only {most} fetches at once"))?;
    let took = Duration::from_secs_f64(result.get::<f64>("took")? / 1000.0);
    let one_by_one = LATENCY * u32::try_from(PAGES)?;
    ensure(took < one_by_one / 2, || format!("the pages took {took:?}"))?;

    // The panic was that goroutine's error. Its isolate, and the goroutines after it, went on.
    let ports: Vec<Value> = result.get("ports")?;
    let [first, failed, last] = &ports[..] else {
        return Err(format!("three ports expected: {ports:?}").into());
    };
    ensure(u16::from_lua(first.clone(), &lua)? == 80 && u16::from_lua(last.clone(), &lua)? == 443, || {
        format!("wrong ports: {ports:?}")
    })?;
    let message = failed.to_string()?;
    ensure(message.contains("'eighty' is no port"), || format!("not the panic's message: {message}"))?;

    // Everything has ended already, so nothing is left to be cancelled. Without this call, dropping `goroutines` would do
    // the same, and not say whether all isolates have ended.
    let shutdown = goroutines.shutdown(Duration::from_secs(2));
    ensure(shutdown == Shutdown::Complete, || format!("no clean end: {shutdown:?}"))?;
    Ok(format!(
        "{PAGES} pages in {} ms, {most} at once\nports: 80, (failed: {message}), 443\nshutdown: complete",
        took.as_millis()
    ))
}

/// Gives an isolate what its goroutines may call.
fn register(lua: &Lua, traffic: &Arc<Traffic>) -> mlua::Result<()> {
    let globals = lua.globals();

    // Async: polled by the isolate's worker, inside tokio's context. While it waits, the isolate runs other goroutines.
    let traffic = Arc::clone(traffic);
    let fetch = lua.create_async_function(move |_, name: String| {
        let traffic = Arc::clone(&traffic);
        async move {
            let now = traffic.now.fetch_add(1, Ordering::Relaxed) + 1;
            traffic.most.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(LATENCY).await;
            traffic.now.fetch_sub(1, Ordering::Relaxed);
            Ok(format!("contents of {name}"))
        }
    })?;
    globals.set("fetch", fetch)?;

    // Plain: runs to its end at once.
    let slug = lua.create_function(|_, text: String| Ok(text.to_lowercase().replace(' ', "-")))?;
    globals.set("slug", slug)?;

    // Where an error should have been returned, this one panics.
    let port = lua.create_function(|_, text: String| match text.parse::<u16>() {
        Ok(port) => Ok(port),
        Err(_) => panic!("'{text}' is no port"),
    })?;
    globals.set("port", port)
}

fn ensure(right: bool, message: impl FnOnce() -> String) -> Result<(), Box<dyn Error>> {
    if right { Ok(()) } else { Err(message().into()) }
}
