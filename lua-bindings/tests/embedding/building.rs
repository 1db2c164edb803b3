//! Building a runtime, and what keeps one from being built.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use goroutine::{Backend, BuildError, Goroutines, Shutdown};
use mlua::Lua;
use runtime_core::{BlockingJob, Sleep, WorkerBody, WorkerHandle};

use crate::support::{Carrier, PATIENCE, builder, eventually, home, run};

crate::under_each_backend! {
    a_number_of_isolates_that_makes_no_sense_is_a_build_error
    setup_runs_once_in_each_isolate_on_its_own_thread
    what_setup_registers_is_there_for_goroutines
    an_error_of_setup_is_a_build_error_in_clean_words
    an_error_of_setup_in_one_isolate_of_many_ends_them_all
    a_panic_in_setup_is_a_build_error
    a_lazy_runtime_starts_isolates_with_the_first_goroutine
    an_error_of_setup_of_a_lazy_runtime_is_raised_by_spawn
    a_refused_thread_is_a_build_error_and_leaves_none_behind
    isolates_run_in_parallel
    several_runtimes_live_in_one_process
}

fn a_number_of_isolates_that_makes_no_sense_is_a_build_error(backend: Carrier) {
    for count in [0, 1025, usize::MAX] {
        let (builder, _reports) = builder(&backend, count);
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::Isolates(n) if n == count), "{error:?}");
        assert!(error.to_string().contains(&format!("not {count}")), "{error}");
    }
}

fn setup_runs_once_in_each_isolate_on_its_own_thread(backend: Carrier) {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&threads);
    let (builder, _reports) = builder(&backend, 5);
    let _goroutines = builder
        .setup(move |_| {
            seen.lock().unwrap().push(thread::current().id());
            Ok(())
        })
        .build()
        .unwrap();
    let threads = threads.lock().unwrap();
    assert_eq!(threads.len(), 5);
    assert_eq!(threads.iter().collect::<HashSet<_>>().len(), 5);
    assert!(!threads.contains(&thread::current().id()));
}

fn what_setup_registers_is_there_for_goroutines(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let register = |lua: &Lua| {
        let shout = lua.create_function(|_, text: String| Ok(text.to_uppercase()))?;
        lua.globals().set("shout", shout)?;
        lua.globals().set("limit", 42)?;
        lua.load("function twice(n) return n * 2 end").exec()?;
        let preload: mlua::Table = lua.globals().get::<mlua::Table>("package")?.get("preload")?;
        preload.set("embedded", lua.load("return { name = 'embedded' }").into_function()?)
    };
    let goroutines = builder.setup(register).build().unwrap();
    let lua = home(&goroutines);
    // As globals, though home has none of them.
    let found: (bool, String, i64, i64, String) = run(
        &lua,
        r#"
        return goroutine.await(goroutine.async(function()
          return shout("hello"), limit, twice(4), require("embedded").name
        end))
        "#,
    );
    assert_eq!(found, (true, "HELLO".into(), 42, 8, "embedded".into()));
    // Captured at home, where a function is registered under the same name, and found there by that name.
    register(&lua).unwrap();
    let found: (bool, String) = run(
        &lua,
        r#"
        local loud = shout
        return goroutine.await(goroutine.async(function() return loud("captured") end))
        "#,
    );
    assert_eq!(found, (true, "CAPTURED".into()));
}

fn an_error_of_setup_is_a_build_error_in_clean_words(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let error = builder.setup(|_| Err(mlua::Error::runtime("no licence"))).build().unwrap_err();
    assert!(matches!(error, BuildError::Start(_)), "{error:?}");
    assert_eq!(error.to_string(), "cannot start an isolate: no licence");
}

fn an_error_of_setup_in_one_isolate_of_many_ends_them_all(backend: Carrier) {
    let alive = Arc::new(());
    let (calls, held) = (AtomicUsize::new(0), Arc::clone(&alive));
    let (builder, _reports) = builder(&backend, 4);
    let error = builder
        .setup(move |lua| {
            // In each isolate something that is dropped with it.
            let held = Arc::clone(&held);
            let hold = lua.create_function(move |_, ()| Ok(Arc::strong_count(&held)))?;
            lua.globals().set("hold", hold)?;
            match calls.fetch_add(1, Ordering::SeqCst) {
                2 => Err(mlua::Error::runtime("the third fails")),
                _ => Ok(()),
            }
        })
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("the third fails"), "{error}");
    eventually("all isolates are gone", || Arc::strong_count(&alive) == 1);
}

fn a_panic_in_setup_is_a_build_error(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let error = builder.setup(|_| panic!("setup panics")).build().unwrap_err();
    assert!(matches!(error, BuildError::Start(_)), "{error:?}");
}

fn a_lazy_runtime_starts_isolates_with_the_first_goroutine(backend: Carrier) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let (builder, _reports) = builder(&backend, 3);
    let goroutines = builder
        .lazy(true)
        .setup(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, "goroutine.channel(1):send('home needs no isolate')");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
}

fn an_error_of_setup_of_a_lazy_runtime_is_raised_by_spawn(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.lazy(true).setup(|_| Err(mlua::Error::runtime("no licence"))).build().unwrap();
    let lua = home(&goroutines);
    for _ in 0..2 {
        let (ok, error): (bool, String) =
            run(&lua, "return pcall(function() local h = goroutine.spawn(print) return h end)");
        assert!(!ok);
        assert_eq!(error, "script.lua:1: cannot start an isolate: no licence");
    }
}

/// A backend that refuses all threads but the first few.
struct Refusing {
    inner: Carrier,
    left: AtomicUsize,
}

impl Backend for Refusing {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        let take = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => self.inner.start_worker(name, body),
            Err(_) => Err(io::Error::other("no more threads today")),
        }
    }
    fn now(&self) -> Instant {
        self.inner.now()
    }
    fn sleep_until(&self, deadline: Instant) -> Sleep {
        self.inner.sleep_until(deadline)
    }
    fn run_blocking(&self, job: BlockingJob) {
        self.inner.run_blocking(job);
    }
    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.inner.block_on(future);
    }
}

fn a_refused_thread_is_a_build_error_and_leaves_none_behind(backend: Carrier) {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let error = Goroutines::builder()
        .backend(Refusing { inner: backend, left: AtomicUsize::new(2) })
        .isolates(3)
        .setup(move |lua| {
            let held = Arc::clone(&held);
            let hold = lua.create_function(move |_, ()| Ok(Arc::strong_count(&held)))?;
            lua.globals().set("hold", hold)
        })
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("no more threads today"), "{error}");
    eventually("the two that were started are gone", || Arc::strong_count(&alive) == 1);
}

fn isolates_run_in_parallel(backend: Carrier) {
    // Each of three goroutines blocks its thread until all three are there.
    let barrier = Arc::new(std::sync::Barrier::new(3));
    let (builder, _reports) = builder(&backend, 3);
    let goroutines = builder
        .setup(move |lua| {
            let barrier = Arc::clone(&barrier);
            let meet = lua.create_function(move |_, ()| {
                barrier.wait();
                Ok(())
            })?;
            lua.globals().set("meet", meet)
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    let met: usize = run(
        &lua,
        r#"
        local met = 0
        local handles = goroutine.spawn_many(3, function() meet() end)
        for _, result in ipairs(goroutine.await_all(handles)) do
          assert(result.success, result.error)
          met = met + 1
        end
        return met
        "#,
    );
    assert_eq!(met, 3);
}

fn several_runtimes_live_in_one_process(backend: Carrier) {
    let named = |name: &'static str| {
        let (builder, reports) = builder(&backend, 2);
        let goroutines = builder.setup(move |lua| lua.globals().set("runtime", name)).build().unwrap();
        let lua = home(&goroutines);
        (goroutines, lua, reports)
    };
    let (first, lua_first, _reports_first) = named("first");
    let (second, lua_second, _reports_second) = named("second");
    let ask = "return select(2, goroutine.await(goroutine.async(function() return runtime end)))";
    for _ in 0..20 {
        assert_eq!(run::<String>(&lua_first, ask), "first");
        assert_eq!(run::<String>(&lua_second, ask), "second");
    }
    // Their pools have nothing to do with each other.
    run::<()>(&lua_first, "goroutine.pool_create('shared name')");
    assert!(run::<bool>(&lua_second, "return goroutine.pool_stats('shared name') == nil"));
    // The end of one is not the end of the other.
    assert_eq!(first.shutdown(PATIENCE), Shutdown::Complete);
    assert_eq!(run::<String>(&lua_second, ask), "second");
    drop(first);
    drop(lua_first);
    assert_eq!(run::<String>(&lua_second, ask), "second");
    assert_eq!(second.shutdown(PATIENCE), Shutdown::Complete);
}

#[test]
fn the_types_can_be_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Goroutines>();
    check::<BuildError>();
    check::<goroutine::InstallError>();
}

#[cfg(any(feature = "backend-smol", feature = "backend-threads", feature = "backend-tokio"))]
#[test]
fn without_a_choice_there_is_a_backend_and_at_least_one_isolate() {
    let goroutines = Goroutines::builder().build().unwrap();
    let lua = home(&goroutines);
    let wanted = match () {
        () if cfg!(feature = "backend-tokio") => "tokio",
        () if cfg!(feature = "backend-threads") => "threads",
        () => "smol",
    };
    assert_eq!(run::<String>(&lua, "return goroutine.backend()"), wanted);
    assert!(format!("{goroutines:?}").contains(wanted), "{goroutines:?}");
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
}

#[cfg(not(any(feature = "backend-smol", feature = "backend-threads", feature = "backend-tokio")))]
#[test]
fn without_any_backend_building_says_so() {
    let error = Goroutines::builder().build().unwrap_err();
    assert!(matches!(error, BuildError::NoBackend), "{error:?}");
}
