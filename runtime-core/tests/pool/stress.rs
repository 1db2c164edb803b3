//! A pool under many threads.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use futures_lite::future::poll_once;
use runtime_core::testing::BareBackend;
use runtime_core::{Close, Ended, Pool, PoolOptions, Slot, SubmitErrorKind, Task, block_on};

use crate::support::check;

const TASKS: usize = 10_000;
const STARTED: u8 = 1;
const DROPPED: u8 = 16;

/// Writes down what became of it, and runs on the threads behind `executor`.
struct Marked {
    number: usize,
    fates: Arc<Vec<AtomicU8>>,
    executor: mpsc::Sender<Slot<Marked>>,
}

impl Task for Marked {
    type Canceller = ();

    fn canceller(&self) {}

    fn start(self, slot: Slot<Self>) {
        self.fates[self.number].fetch_add(STARTED, Ordering::SeqCst);
        if self.number.is_multiple_of(3) {
            slot.finish(Ended::Failed);
        } else {
            self.executor.send(slot).unwrap();
        }
    }

    fn dropped(self) {
        self.fates[self.number].fetch_add(DROPPED, Ordering::SeqCst);
    }
}

fn fates() -> Arc<Vec<AtomicU8>> {
    Arc::new((0..TASKS).map(|_| AtomicU8::new(0)).collect())
}

/// Threads that end every task they are sent, until nobody can send any.
fn executor(threads: usize) -> (mpsc::Sender<Slot<Marked>>, Vec<thread::JoinHandle<()>>) {
    let (sender, receiver) = mpsc::channel::<Slot<Marked>>();
    let receiver = Arc::new(std::sync::Mutex::new(receiver));
    let run = move |receiver: Arc<std::sync::Mutex<mpsc::Receiver<Slot<Marked>>>>| {
        loop {
            let next = receiver.lock().unwrap().recv();
            match next {
                Ok(mut slot) => {
                    slot.begin();
                    slot.finish(Ended::Completed);
                }
                Err(_) => return,
            }
        }
    };
    let threads = (0..threads).map(|_| {
        let receiver = Arc::clone(&receiver);
        thread::spawn(move || run(receiver))
    });
    (sender, threads.collect())
}

#[test]
fn ten_thousand_tasks_run_exactly_once_while_the_numbers_always_add_up() {
    let mut options = PoolOptions::default();
    options.workers = 10;
    let pool = Pool::new("many", options, Arc::new(BareBackend::new()));
    let (executor, threads) = executor(4);
    let fates = fates();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    check(&pool.stats());
                }
            });
        }
        let submitters: Vec<_> = (0..4)
            .map(|submitter| {
                let (pool, fates, executor) = (&pool, &fates, executor.clone());
                scope.spawn(move || {
                    for number in (submitter..TASKS).step_by(4) {
                        let (fates, executor) = (Arc::clone(fates), executor.clone());
                        let task = Marked { number, fates, executor };
                        block_on(&BareBackend::new(), pool.submit(task, 0, None)).unwrap();
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        block_on(&BareBackend::new(), pool.wait());
        done.store(true, Ordering::SeqCst);
    });
    drop(executor);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(fates.iter().all(|fate| fate.load(Ordering::SeqCst) == STARTED));
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.rejected), (TASKS as u64, 0));
    assert_eq!(stats.completed + stats.failed, TASKS as u64);
    check(&stats);
}

#[test]
fn a_close_in_the_middle_leaves_every_accepted_task_started_or_dropped_once() {
    for mode in [Close::Finish, Close::Cancel] {
        let mut options = PoolOptions::default();
        options.queue = Some(50);
        let pool = Pool::new("closing", options, Arc::new(BareBackend::new()));
        let (executor, threads) = executor(2);
        let fates = fates();
        let accepted: Vec<AtomicBool> = (0..TASKS).map(|_| AtomicBool::new(false)).collect();
        thread::scope(|scope| {
            for submitter in 0..4 {
                let (pool, fates, accepted, executor) = (&pool, &fates, &accepted, executor.clone());
                scope.spawn(move || {
                    for number in (submitter..TASKS).step_by(4) {
                        let (fates, executor) = (Arc::clone(fates), executor.clone());
                        let task = Marked { number, fates, executor };
                        match block_on(&BareBackend::new(), pool.submit(task, 0, None)) {
                            Ok(_) => accepted[number].store(true, Ordering::SeqCst),
                            Err(error) => assert_eq!(error.kind, SubmitErrorKind::Closed),
                        }
                    }
                });
            }
            while pool.stats().submitted < TASKS as u64 / 4 {
                thread::yield_now();
            }
            block_on(&BareBackend::new(), pool.close(mode));
            let stats = pool.stats();
            assert_eq!((stats.active, stats.queued), (0, 0));
            check(&stats);
        });
        drop(executor);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for (accepted, fate) in accepted.iter().zip(fates.iter()) {
            match (accepted.load(Ordering::SeqCst), fate.load(Ordering::SeqCst)) {
                (true, STARTED) | (false, 0) => {}
                (true, DROPPED) => assert_eq!(mode, Close::Cancel),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn submits_that_are_given_up_while_they_wait_run_once_or_not_at_all() {
    let mut options = PoolOptions::default();
    options.workers = 2;
    options.queue = Some(1);
    let pool = Pool::new("fickle", options, Arc::new(BareBackend::new()));
    let (executor, threads) = executor(2);
    let fates = fates();
    thread::scope(|scope| {
        for submitter in 0..4 {
            let (pool, fates, executor) = (&pool, &fates, executor.clone());
            scope.spawn(move || {
                for number in (submitter..TASKS).step_by(4) {
                    let (fates, executor) = (Arc::clone(fates), executor.clone());
                    let task = Marked { number, fates, executor };
                    let mut submit = pool.submit(task, 0, None);
                    block_on(&BareBackend::new(), async {
                        if number % 2 == 0 {
                            submit.await.unwrap();
                        } else if poll_once(&mut submit).await.is_none() {
                            thread::yield_now();
                            drop(submit);
                        }
                    });
                }
            });
        }
    });
    block_on(&BareBackend::new(), pool.close(Close::Finish));
    drop(executor);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut started = 0;
    for (number, fate) in fates.iter().enumerate() {
        let fate = fate.load(Ordering::SeqCst);
        assert!(fate == STARTED || (fate == 0 && number % 2 == 1));
        started += u64::from(fate);
    }
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.rejected), (started, 0));
    check(&stats);
}
