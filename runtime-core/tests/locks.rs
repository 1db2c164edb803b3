//! What locks promise.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use runtime_core::conformance::MovedClock;
use runtime_core::locks::{
    Barrier, Cond, HeldByCaller, Holder, Lock, Locked, Mutex, Once, ReleasedTooOften, RwMutex, Semaphore,
    TryLockError, Turn, UnlockError, Woken,
};
use runtime_core::testing::BareBackend;
use runtime_core::{Backend, block_on, deadline};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn waiting(mut lock: Lock) -> Lock {
    assert!(poll(&mut lock).is_pending());
    lock
}

fn clock() -> MovedClock {
    MovedClock::new(Arc::new(BareBackend::new()))
}

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(n - 1)
}

const IN_ORDER: Poll<Result<Locked, HeldByCaller>> = Poll::Ready(Ok(Locked::InOrder));

#[test]
fn a_mutex_is_handed_on_in_the_order_of_asking() {
    let mutex = Mutex::new();
    let holders: Vec<Holder> = (0..5).map(|_| Holder::new()).collect();
    mutex.try_lock(&holders[0]).unwrap();
    let mut waits: Vec<Lock> = holders[1..].iter().map(|holder| waiting(mutex.lock(holder))).collect();
    for index in 0..4 {
        mutex.unlock(&holders[index]).unwrap();
        // It is the next one's before that has run: nobody can come between.
        assert_eq!(mutex.try_lock(&Holder::new()), Err(TryLockError::Busy));
        for later in &mut waits[index + 1..] {
            assert!(poll(later).is_pending());
        }
        assert_eq!(poll(&mut waits[index]), IN_ORDER);
    }
    mutex.unlock(&holders[4]).unwrap();
    assert!(!mutex.is_locked());
}

#[test]
fn misuse_of_a_mutex_is_told_and_changes_nothing() {
    let mutex = Mutex::new();
    let (here, there) = (Holder::new(), Holder::new());
    assert_eq!(mutex.unlock(&here), Err(UnlockError::NotLocked));
    mutex.try_lock(&here).unwrap();
    assert_eq!(mutex.unlock(&there), Err(UnlockError::NotHeld));
    assert_eq!(mutex.try_lock(&here), Err(TryLockError::HeldByCaller));
    assert_eq!(poll(&mut mutex.lock(&here)), Poll::Ready(Err(HeldByCaller)));
    assert_eq!((mutex.waiting(), here.held()), (0, 1));
    mutex.unlock(&here).unwrap();
    assert_eq!(here.held(), 0);
}

#[test]
fn a_holder_that_ends_gives_back_all_and_one_is_told_of_each() {
    let (mutex, other, rw) = (Mutex::new(), Mutex::new(), RwMutex::new());
    let (ending, next) = (Holder::new(), Holder::new());
    mutex.try_lock(&ending).unwrap();
    rw.try_lock(&ending).unwrap();
    other.try_lock(&ending).unwrap();
    other.unlock(&ending).unwrap();
    let mut wait = waiting(mutex.lock(&next));
    assert_eq!(ending.held(), 2);
    drop(ending);
    assert_eq!(poll(&mut wait), Poll::Ready(Ok(Locked::Abandoned)));
    assert_eq!(rw.try_rlock(&next), Ok(Locked::Abandoned));
    assert_eq!(rw.try_rlock(&Holder::new()), Ok(Locked::InOrder));
    assert_eq!(other.try_lock(&next), Ok(Locked::InOrder));
    mutex.unlock(&next).unwrap();
    assert_eq!(mutex.try_lock(&next), Ok(Locked::InOrder));
}

#[test]
fn many_locks_are_found_counted_and_given_back_the_newest_first() {
    let holder = Holder::new();
    let (locks, readers): (Vec<Mutex>, Vec<RwMutex>) =
        (0..500).map(|_| (Mutex::new(), RwMutex::new())).unzip();
    let once = Once::new();
    assert_eq!(once.try_begin(&holder), Ok(Turn::Run));
    for (lock, reader) in locks.iter().zip(&readers) {
        lock.try_lock(&holder).unwrap();
        for _ in 0..3 {
            reader.try_rlock(&holder).unwrap();
        }
    }
    assert_eq!(holder.held(), 1001);
    // In the order of coming, so that most are found far from the end.
    for (lock, reader) in locks.iter().zip(&readers).take(400) {
        assert_eq!(lock.try_lock(&holder), Err(TryLockError::HeldByCaller));
        assert_eq!(reader.unlock(&holder), Err(UnlockError::NotHeld));
        lock.unlock(&holder).unwrap();
        assert_eq!(lock.unlock(&holder), Err(UnlockError::NotLocked));
        for left in [1, 1, 0] {
            reader.runlock(&holder).unwrap();
            assert_eq!(reader.readers(), left);
        }
    }
    assert_eq!(once.try_begin(&holder), Err(TryLockError::HeldByCaller));
    once.finish(&holder);
    assert!(once.is_done());
    assert_eq!(holder.held(), 200);
    drop(holder);
    assert!(locks.iter().all(|lock| !lock.is_locked()) && readers.iter().all(|lock| lock.readers() == 0));
}

#[test]
fn permits_of_one_semaphore_are_given_back_one_by_one_however_many_are_held() {
    let (semaphore, holder) = (Semaphore::new(count(100)), Holder::new());
    for _ in 0..100 {
        assert!(semaphore.try_acquire_for(&holder));
    }
    for left in (0..100).rev() {
        semaphore.release_for(&holder).unwrap();
        assert_eq!(holder.held(), left);
    }
    assert!(semaphore.release_for(&holder).is_err());
}

#[test]
fn locks_that_nobody_can_unlock_any_more_are_forgotten_and_no_others() {
    let (holder, mut kept) = (Holder::new(), Vec::new());
    for n in 0..100_000 {
        let (lock, reader) = (Mutex::new(), RwMutex::new());
        lock.try_lock(&holder).unwrap();
        reader.try_rlock(&holder).unwrap();
        if n % 1000 == 0 {
            kept.push((lock, reader));
        }
    }
    assert!(holder.held() < 1000, "{} are held", holder.held());
    let waits: Vec<Lock> = kept.iter().map(|(lock, _)| waiting(lock.lock(&Holder::new()))).collect();
    assert!(
        kept.iter().all(|(lock, reader)| lock.unlock(&holder).is_ok() && reader.runlock(&holder).is_ok())
    );
    assert!(waits.into_iter().all(|mut wait| poll(&mut wait) == IN_ORDER));
}

#[test]
fn a_wait_keeps_its_holder_until_it_is_dropped() {
    let mutex = Mutex::new();
    let (here, there) = (Holder::new(), Holder::new());
    mutex.try_lock(&here).unwrap();
    let mut wait = waiting(mutex.lock(&there));
    drop(there);
    mutex.unlock(&here).unwrap();
    assert_eq!(poll(&mut wait), IN_ORDER);
    assert!(mutex.is_locked());
    drop(wait);
    assert_eq!(mutex.try_lock(&here), Ok(Locked::Abandoned));
}

#[test]
fn what_a_dropped_wait_was_given_goes_to_the_next() {
    let mutex = Mutex::new();
    let (here, first, second) = (Holder::new(), Holder::new(), Holder::new());
    mutex.try_lock(&here).unwrap();
    let given = waiting(mutex.lock(&first));
    let mut next = waiting(mutex.lock(&second));
    drop(here);
    drop(given);
    // Also the news that the lock was abandoned, which the first has not seen.
    assert_eq!(poll(&mut next), Poll::Ready(Ok(Locked::Abandoned)));
}

#[test]
fn a_limit_leaves_nothing_behind() {
    let clock = clock();
    let mutex = Mutex::new();
    let (here, there) = (Holder::new(), Holder::new());
    mutex.try_lock(&here).unwrap();
    let wait = std::thread::spawn({
        let (clock, mutex) = (clock.clone(), mutex.clone());
        let limit = clock.now() + Duration::from_secs(5);
        move || block_on(&clock, deadline(&clock, Some(limit), mutex.lock(&there)))
    });
    clock.wait_for_sleepers(1);
    assert_eq!(mutex.waiting(), 1);
    clock.advance(Duration::from_secs(5));
    assert_eq!(wait.join().unwrap(), None);
    assert_eq!((mutex.waiting(), clock.sleepers()), (0, 0));
    mutex.unlock(&here).unwrap();
    assert!(!mutex.is_locked());
}

#[test]
fn writers_are_not_starved_and_readers_come_in_together() {
    let lock = RwMutex::new();
    let holders: Vec<Holder> = (0..5).map(|_| Holder::new()).collect();
    lock.try_rlock(&holders[0]).unwrap();
    let mut writer = waiting(lock.lock(&holders[1]));
    let mut readers = [waiting(lock.rlock(&holders[2])), waiting(lock.rlock(&holders[3]))];
    let mut last = waiting(lock.lock(&holders[4]));
    assert_eq!(lock.try_rlock(&Holder::new()), Err(TryLockError::Busy));
    lock.runlock(&holders[0]).unwrap();
    assert_eq!(poll(&mut writer), IN_ORDER);
    assert!(poll(&mut readers[0]).is_pending());
    lock.unlock(&holders[1]).unwrap();
    for reader in &mut readers {
        assert_eq!(poll(reader), IN_ORDER);
    }
    assert_eq!(lock.readers(), 2);
    lock.runlock(&holders[3]).unwrap();
    assert!(poll(&mut last).is_pending());
    lock.runlock(&holders[2]).unwrap();
    assert_eq!(poll(&mut last), IN_ORDER);
}

#[test]
fn one_who_reads_comes_in_again_and_goes_out_as_often() {
    let lock = RwMutex::new();
    let (reading, writing) = (Holder::new(), Holder::new());
    lock.try_rlock(&reading).unwrap();
    let mut writer = waiting(lock.lock(&writing));
    assert_eq!(poll(&mut lock.rlock(&reading)), IN_ORDER);
    assert_eq!(lock.try_rlock(&reading), Ok(Locked::InOrder));
    assert_eq!((lock.readers(), reading.held()), (1, 1));
    for _ in 0..2 {
        lock.runlock(&reading).unwrap();
        assert!(poll(&mut writer).is_pending());
    }
    assert_eq!(lock.unlock(&reading), Err(UnlockError::NotHeld));
    lock.runlock(&reading).unwrap();
    assert_eq!(poll(&mut writer), IN_ORDER);
    assert_eq!(lock.runlock(&reading), Err(UnlockError::NotHeld));
}

#[test]
fn permits_are_handed_out_in_the_order_of_asking() {
    let semaphore = Semaphore::new(count(2));
    assert!(semaphore.try_acquire() && semaphore.try_acquire());
    let mut waits: Vec<_> = (0..3).map(|_| semaphore.acquire()).collect();
    for wait in &mut waits {
        assert!(poll(wait).is_pending());
    }
    drop(waits.remove(1));
    semaphore.release().unwrap();
    assert!(poll(&mut waits[1]).is_pending());
    assert!(poll(&mut waits[0]).is_ready());
    // Given, and not looked at: back it comes.
    semaphore.release().unwrap();
    drop(waits);
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
    semaphore.release().unwrap();
    assert_eq!(semaphore.release(), Err(ReleasedTooOften));
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_permit_that_is_taken_for_a_holder_ends_with_it() {
    let semaphore = Semaphore::new(count(2));
    let holder = Holder::new();
    assert!(semaphore.try_acquire_for(&holder) && semaphore.try_acquire_for(&holder));
    semaphore.release_for(&holder).unwrap();
    assert_eq!(semaphore.available(), 1);
    drop(holder);
    assert_eq!(semaphore.available(), 2);
    assert_eq!(semaphore.release_for(&Holder::new()), Err(ReleasedTooOften));
}

#[test]
fn a_once_is_done_when_its_runner_ends_without_a_word() {
    let once = Once::new();
    let (first, second) = (Holder::new(), Holder::new());
    assert_eq!(once.try_begin(&first), Ok(Turn::Run));
    assert_eq!(once.try_begin(&first), Err(TryLockError::HeldByCaller));
    let mut wait = Box::pin(once.begin(&second));
    assert!(poll(&mut wait).is_pending());
    once.finish(&second); // has not begun it
    assert!(!once.is_done());
    drop(first);
    assert_eq!(poll(&mut wait), Poll::Ready(Ok(Turn::Done)));
}

#[test]
fn a_wait_at_a_cond_that_gives_up_has_the_lock() {
    let clock = clock();
    let cond = Cond::new();
    let holder = Holder::new();
    assert_eq!(block_on(&clock, cond.wait(&holder)), Err(UnlockError::NotLocked));
    assert_eq!(cond.waiting(), 0);
    cond.mutex().try_lock(&holder).unwrap();
    let limit = clock.sleep_until(clock.now() + Duration::from_secs(1));
    let mut wait = Box::pin(cond.wait_or(&holder, limit));
    assert!(poll(&mut wait).is_pending());
    assert_eq!((cond.waiting(), cond.mutex().is_locked()), (1, false));
    let other = Holder::new();
    cond.mutex().try_lock(&other).unwrap();
    clock.advance(Duration::from_secs(1));
    // The time is over, and the lock is another's: it waits for that.
    assert!(poll(&mut wait).is_pending());
    assert_eq!((cond.waiting(), cond.mutex().waiting()), (0, 1));
    // That the other has ended is for the next one to hear, since a wait that gave up has no way to tell it.
    drop(other);
    assert_eq!(poll(&mut wait), Poll::Ready(Ok(Woken::GaveUp(()))));
    assert!(cond.mutex().is_held_by(&holder));
    cond.mutex().unlock(&holder).unwrap();
    assert_eq!(cond.mutex().try_lock(&holder), Ok(Locked::Abandoned));
}

#[test]
fn a_signal_to_one_who_is_dropped_before_it_has_the_lock_goes_on() {
    let cond = Cond::new();
    let holders = [Holder::new(), Holder::new()];
    let mut waits: Vec<_> = holders
        .iter()
        .map(|holder| {
            cond.mutex().try_lock(holder).unwrap();
            let mut wait = Box::pin(cond.wait(holder));
            assert!(poll(&mut wait).is_pending());
            wait
        })
        .collect();
    let locking = Holder::new();
    cond.mutex().try_lock(&locking).unwrap();
    cond.signal();
    // Woken, it waits for the lock.
    assert!(poll(&mut waits[0]).is_pending());
    assert_eq!(cond.waiting(), 1);
    drop(waits.remove(0));
    assert_eq!(cond.waiting(), 0);
    cond.mutex().unlock(&locking).unwrap();
    assert_eq!(poll(&mut waits[0]), IN_ORDER_OF_COND);
}

const IN_ORDER_OF_COND: Poll<Result<Locked, UnlockError>> = Poll::Ready(Ok(Locked::InOrder));

#[test]
fn a_barrier_counts_those_who_are_there() {
    let barrier = Barrier::new(count(3));
    let mut one = barrier.wait();
    let mut two = barrier.wait();
    assert!(poll(&mut one).is_pending() && poll(&mut two).is_pending());
    drop(one);
    assert_eq!(barrier.waiting(), 1);
    let mut three = barrier.wait();
    assert!(poll(&mut three).is_pending());
    assert_eq!(poll(&mut barrier.wait()), Poll::Ready(true));
    assert_eq!(poll(&mut two), Poll::Ready(false));
    // It had come: the others have gone on.
    assert!(three.cancel());
    assert_eq!(barrier.waiting(), 0);
    let mut anew = barrier.wait();
    assert!(poll(&mut anew).is_pending());
    assert!(!anew.cancel());
}
