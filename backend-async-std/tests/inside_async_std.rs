//! The backend together with async-std itself: inside its context, and with its own tasks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_std::task;
use backend_async_std::AsyncStd;
use runtime_core::{Backend, block_on};

const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(5);

async_std::task_local! {
    static NUMBER: Cell<u32> = Cell::new(0);
}

#[test]
fn what_needs_async_stds_context_works_on_a_worker() {
    let (done, heard) = flume::bounded(1);
    let worker = AsyncStd::new().start_worker(
        "worker",
        Box::new(move |_| {
            Box::pin(async move {
                task::sleep(SHORT).await;
                let spawned = task::spawn(async { 1 }).await;
                let local = task::spawn_local(async { 2 }).await;
                let blocking = task::spawn_blocking(|| 3).await;
                done.send(spawned + local + blocking).unwrap();
            })
        }),
    );
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(6));
    assert!(worker.unwrap().join_timeout(PATIENCE));
}

#[test]
fn each_future_of_a_worker_is_a_task_with_locals_of_its_own() {
    let (done, heard) = flume::unbounded();
    let worker = AsyncStd::new().start_worker(
        "worker",
        Box::new(move |spawner| {
            Box::pin(async move {
                let left = Rc::new(Cell::new(10));
                for n in 1..=10 {
                    let (done, left) = (done.clone(), Rc::clone(&left));
                    spawner.spawn_local(Box::pin(async move {
                        NUMBER.with(|number| number.set(number.get() + n));
                        task::yield_now().await;
                        done.send(NUMBER.with(Cell::get) == n).unwrap();
                        left.set(left.get() - 1);
                    }));
                }
                while left.get() > 0 {
                    task::yield_now().await;
                }
            })
        }),
    );
    assert!(worker.unwrap().join_timeout(PATIENCE));
    assert_eq!(heard.drain().collect::<Vec<_>>(), [true; 10]);
}

#[test]
fn a_backend_may_be_used_and_dropped_inside_async_std() {
    task::block_on(task::spawn(async {
        let backend = AsyncStd::new();
        let sleep = backend.sleep_until(backend.now() + SHORT);
        // Parks the thread that waits in the reactor otherwise.
        block_on(&backend, backend.sleep_until(backend.now() + SHORT));
        backend.sleep_until(backend.now() + SHORT).await;
        let (done, heard) = flume::bounded(1);
        backend.run_blocking(Box::new(move || done.send(()).unwrap()));
        heard.recv_async().await.unwrap();
        sleep.await;
    }));
}
