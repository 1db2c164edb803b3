//! The backend together with tokio itself: inside its context, and with an embedder's runtime.

use std::sync::Arc;
use std::time::Duration;

use backend_tokio::{Tokio, Unsuitable};
use runtime_core::{Backend, WorkerHandle, block_on};
use tokio::runtime::{Builder, Handle, Runtime};

const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(5);

fn embedder() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"))
}

fn start<F: Future<Output = ()> + 'static>(
    backend: &Tokio,
    body: impl FnOnce() -> F + Send + 'static,
) -> Box<dyn WorkerHandle> {
    backend
        .start_worker("worker", Box::new(move |_| Box::pin(body())))
        .unwrap_or_else(|error| panic!("no worker: {error}"))
}

#[test]
fn what_needs_tokios_context_works_on_a_worker() {
    let (done, heard) = flume::bounded(1);
    let mut worker = start(&Tokio::new(), move || async move {
        tokio::time::sleep(SHORT).await;
        let spawned = tokio::spawn(async { 1 }).await.unwrap();
        let local = tokio::task::spawn_local(async { 2 }).await.unwrap();
        let blocking = tokio::task::spawn_blocking(|| 3).await.unwrap();
        done.send(spawned + local + blocking).unwrap();
    });
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(6));
    assert!(worker.join_timeout(PATIENCE));
}

#[test]
fn a_workers_end_does_not_wait_for_the_blocking_jobs_of_its_runtime() {
    let (release, blocked) = flume::bounded::<()>(0);
    let mut worker = start(&Tokio::new(), move || async move {
        let (started, is_started) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            started.send(()).unwrap();
            blocked.recv()
        });
        is_started.await.unwrap();
    });
    assert!(worker.join_timeout(PATIENCE));
    drop(release);
}

#[test]
fn a_backend_may_be_used_and_dropped_inside_a_runtime() {
    let current_thread = Builder::new_current_thread().enable_time().build().unwrap();
    for runtime in [&embedder(), &current_thread] {
        runtime.block_on(async {
            let backend = Tokio::new();
            let sleep = backend.sleep_until(backend.now() + SHORT);
            // Parks the thread that should drive this runtime's timers.
            block_on(&backend, backend.sleep_until(backend.now() + SHORT));
            backend.sleep_until(backend.now() + SHORT).await;
            let (done, heard) = flume::bounded(1);
            backend.run_blocking(Box::new(move || done.send(()).unwrap()));
            heard.recv_async().await.unwrap();
            drop(backend);
            sleep.await;
        });
    }
}

#[test]
fn a_blocked_task_is_not_stopped_by_its_budget() {
    let backend = Tokio::new();
    let blocking = backend.clone();
    let mut worker = start(&backend, move || async move {
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        (0..10_000).for_each(|n| send.send(n).unwrap());
        // Each receive takes from the budget of the task that is blocked here.
        block_on(&blocking, async {
            for n in 0..10_000 {
                assert_eq!(receive.recv().await, Some(n));
            }
        });
    });
    assert!(worker.join_timeout(PATIENCE), "the task waits for its budget");
}

#[test]
fn an_embedders_runtime_runs_the_blocking_jobs() {
    let runtime = embedder();
    let backend = Tokio::on(runtime.handle().clone()).unwrap();
    let (done, heard) = flume::bounded(1);
    backend.run_blocking(Box::new(move || done.send(Handle::current().id()).unwrap()));
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(runtime.handle().id()));
    block_on(&backend, backend.sleep_until(backend.now() + SHORT));
}

#[test]
fn an_embedder_may_block_all_its_threads_on_a_backend_that_shares_them() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let backend = Arc::new(Tokio::on(runtime.handle().clone()).unwrap());
    let task = runtime.spawn(async move {
        block_on(&*backend, backend.sleep_until(backend.now() + SHORT));
        backend.sleep_until(backend.now() + SHORT).await;
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn a_current_thread_runtime_is_refused() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let refused = Tokio::on(runtime.handle().clone()).unwrap_err();
    assert_eq!(refused, Unsuitable::CurrentThread);
    assert_eq!(
        refused.to_string(),
        "the backend can't share a current-thread runtime; give it a multi-thread one, or none"
    );
}
