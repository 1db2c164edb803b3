//! Locks between threads whose waits are dropped at random: 100,000 of each, and afterwards everything is as it was.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use runtime_core::block_on;
use runtime_core::locks::{Barrier, Cond, Holder, Mutex, RwMutex, Semaphore};
use runtime_core::testing::BareBackend;

const THREADS: usize = 4;
const EACH: usize = 25_000;

/// A random number below `n`.
fn random(seed: &mut u64, n: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % n
}

/// Polls a few times, and drops the future then, unless `through`: what came of it, if something did.
fn try_for_a_while<F: Future>(future: F, seed: &mut u64, through: bool) -> Option<F::Output> {
    if through {
        return Some(block_on(&BareBackend::new(), future));
    }
    let mut future = Box::pin(future);
    for _ in 0..=random(seed, 3) {
        let polled = Pin::as_mut(&mut future).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        if random(seed, 4) == 0 {
            thread::yield_now();
        }
    }
    None
}

fn storm(work: impl Fn(&mut u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || {
                let mut seed = 0x9e37_79b9_7f4a_7c15 + thread as u64;
                for _ in 0..EACH {
                    work(&mut seed);
                }
            });
        }
    });
}

/// Whether this one waits as long as it takes. Most do not.
fn through(seed: &mut u64) -> bool {
    random(seed, 16) == 0
}

#[test]
fn a_mutex_is_free_after_a_storm() {
    let (mutex, inside) = (Mutex::new(), AtomicUsize::new(0));
    storm(|seed| {
        let holder = Holder::new();
        let wait = through(seed);
        if try_for_a_while(mutex.lock(&holder), seed, wait).is_some() {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            inside.fetch_sub(1, Ordering::SeqCst);
            // Or the end of the holder does it.
            if random(seed, 2) == 0 {
                mutex.unlock(&holder).unwrap();
            }
        }
    });
    assert_eq!((mutex.is_locked(), mutex.waiting()), (false, 0));
}

#[test]
fn a_rwmutex_is_free_after_a_storm() {
    let (lock, writers) = (RwMutex::new(), AtomicUsize::new(0));
    storm(|seed| {
        let holder = Holder::new();
        let wait = through(seed);
        if random(seed, 3) == 0 {
            if try_for_a_while(lock.lock(&holder), seed, wait).is_some() {
                assert_eq!(writers.fetch_add(1, Ordering::SeqCst), 0);
                writers.fetch_sub(1, Ordering::SeqCst);
                lock.unlock(&holder).unwrap();
            }
        } else if try_for_a_while(lock.rlock(&holder), seed, wait).is_some() {
            assert_eq!(writers.load(Ordering::SeqCst), 0);
            if random(seed, 2) == 0 {
                lock.runlock(&holder).unwrap();
            }
        }
    });
    assert_eq!((lock.is_locked(), lock.readers(), lock.waiting()), (false, 0, 0));
}

#[test]
fn a_semaphore_has_all_its_permits_after_a_storm() {
    let semaphore = Semaphore::new(NonZeroUsize::new(2).unwrap());
    storm(|seed| {
        let wait = through(seed);
        if try_for_a_while(semaphore.acquire(), seed, wait).is_some() {
            semaphore.release().unwrap();
        }
    });
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}

#[test]
fn a_cond_loses_no_signal_in_a_storm() {
    let cond = Cond::new();
    // Each signal is for one of those who wait to the end: there are as many as of these, and one that is lost, or taken
    // along by a wait that is dropped, leaves a thread behind.
    let ready = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..2 {
            let (cond, ready) = (&cond, &ready);
            scope.spawn(move || {
                let backend = BareBackend::new();
                for _ in 0..EACH / 5 {
                    let holder = Holder::new();
                    block_on(&backend, cond.mutex().lock(&holder)).unwrap();
                    while ready.load(Ordering::SeqCst) == 0 {
                        block_on(&backend, cond.wait(&holder)).unwrap();
                    }
                    ready.fetch_sub(1, Ordering::SeqCst);
                    cond.mutex().unlock(&holder).unwrap();
                }
                thread
            });
            scope.spawn(move || {
                let backend = BareBackend::new();
                for _ in 0..EACH / 5 {
                    let holder = Holder::new();
                    block_on(&backend, cond.mutex().lock(&holder)).unwrap();
                    ready.fetch_add(1, Ordering::SeqCst);
                    cond.signal();
                    cond.mutex().unlock(&holder).unwrap();
                }
            });
            scope.spawn(move || {
                let (backend, mut seed) = (BareBackend::new(), 77 + thread);
                for _ in 0..EACH {
                    let holder = Holder::new();
                    block_on(&backend, cond.mutex().lock(&holder)).unwrap();
                    // Dropped, it does not hold the lock; through, it does, and the holder's end gives it back.
                    if try_for_a_while(cond.wait(&holder), &mut seed, false).is_some() {
                        // It has no use for the signal that it has had.
                        cond.signal();
                    }
                }
            });
        }
    });
    assert_eq!((cond.waiting(), cond.mutex().is_locked()), (0, false));
    assert_eq!(ready.load(Ordering::SeqCst), 0);
}

#[test]
fn a_barrier_is_empty_after_a_storm() {
    let barrier = Barrier::new(NonZeroUsize::new(3).unwrap());
    let went_on = AtomicUsize::new(0);
    storm(|seed| {
        if try_for_a_while(barrier.wait(), seed, false).is_some() {
            went_on.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert_eq!(barrier.waiting(), 0);
}
