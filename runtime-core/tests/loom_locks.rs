//! Locks under every interleaving:
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-core --test loom_locks --release`.
#![cfg(loom)]

mod explore;

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use explore::{model, model_of_three};
use loom::future::block_on;
use loom::thread;
use runtime_core::locks::{
    Barrier, Cond, Holder, Locked, Mutex, Once, RwMutex, Semaphore, TryLockError, Turn, Woken,
};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

/// Counts who is inside. Not a loom atomic: the lock itself has to keep the others out.
#[derive(Clone, Default)]
struct Room(Arc<AtomicUsize>);

impl Room {
    fn alone(&self) {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "somebody is in here");
        thread::yield_now();
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn one_is_in_a_mutex_at_a_time_and_all_come_in() {
    model_of_three(|| {
        let (mutex, room) = (Mutex::new(), Room::default());
        let enter = |mutex: Mutex, room: Room| {
            move || {
                let holder = Holder::new();
                assert_eq!(block_on(mutex.lock(&holder)), Ok(Locked::InOrder));
                room.alone();
                assert_eq!(mutex.unlock(&holder), Ok(()));
            }
        };
        let others = [0, 1].map(|_| thread::spawn(enter(mutex.clone(), room.clone())));
        enter(mutex.clone(), room)();
        for other in others {
            other.join().unwrap();
        }
        assert!(!mutex.is_locked());
        assert_eq!(mutex.waiting(), 0);
    });
}

#[test]
fn an_unlock_meets_a_lock_that_is_being_dropped() {
    model(|| {
        let mutex = Mutex::new();
        let (here, there) = (Holder::new(), Holder::new());
        assert_eq!(mutex.try_lock(&here), Ok(Locked::InOrder));
        let mut waiting = Box::pin(mutex.lock(&there));
        assert!(poll(waiting.as_mut()).is_pending());
        let dropper = thread::spawn(move || drop(waiting));
        assert_eq!(mutex.unlock(&here), Ok(()));
        dropper.join().unwrap();
        assert!(!mutex.is_locked());
        assert_eq!(there.held(), 0);
    });
}

#[test]
fn a_lock_that_is_dropped_lets_the_next_one_in() {
    model_of_three(|| {
        let mutex = Mutex::new();
        let (here, there) = (Holder::new(), Holder::new());
        assert_eq!(mutex.try_lock(&here), Ok(Locked::InOrder));
        let mut first = Box::pin(mutex.lock(&there));
        assert!(poll(first.as_mut()).is_pending());
        let next = thread::spawn({
            let mutex = mutex.clone();
            move || {
                let holder = Holder::new();
                let locked = block_on(mutex.lock(&holder));
                (locked, mutex.unlock(&holder))
            }
        });
        let dropper = thread::spawn(move || drop(first));
        assert_eq!(mutex.unlock(&here), Ok(()));
        dropper.join().unwrap();
        assert_eq!(next.join().unwrap(), (Ok(Locked::InOrder), Ok(())));
    });
}

#[test]
fn the_end_of_a_holder_is_told_to_one_of_two() {
    model_of_three(|| {
        let mutex = Mutex::new();
        let ending = Holder::new();
        assert_eq!(mutex.try_lock(&ending), Ok(Locked::InOrder));
        let ender = thread::spawn(move || drop(ending));
        let lock = |mutex: Mutex| {
            let holder = Holder::new();
            let locked = block_on(mutex.lock(&holder)).unwrap();
            assert_eq!(mutex.unlock(&holder), Ok(()));
            locked
        };
        let other = thread::spawn({
            let mutex = mutex.clone();
            move || lock(mutex)
        });
        let here = lock(mutex.clone());
        let there = other.join().unwrap();
        ender.join().unwrap();
        assert!((here == Locked::Abandoned) != (there == Locked::Abandoned));
    });
}

#[test]
fn what_was_told_to_a_lock_that_is_dropped_is_told_to_the_next() {
    model(|| {
        let mutex = Mutex::new();
        let (ending, there, next) = (Holder::new(), Holder::new(), Holder::new());
        assert_eq!(mutex.try_lock(&ending), Ok(Locked::InOrder));
        let mut waiting = Box::pin(mutex.lock(&there));
        assert!(poll(waiting.as_mut()).is_pending());
        let ender = thread::spawn(move || drop(ending));
        drop(waiting);
        assert_eq!(block_on(mutex.lock(&next)), Ok(Locked::Abandoned));
        ender.join().unwrap();
    });
}

#[test]
fn a_writer_keeps_readers_out_and_none_waits_for_ever() {
    model_of_three(|| {
        let (lock, room) = (RwMutex::new(), Room::default());
        let reader = thread::spawn({
            let lock = lock.clone();
            move || {
                let holder = Holder::new();
                block_on(lock.rlock(&holder)).unwrap();
                assert!(!lock.is_locked());
                lock.runlock(&holder).unwrap();
            }
        });
        let writer = thread::spawn({
            let (lock, room) = (lock.clone(), room.clone());
            move || {
                let holder = Holder::new();
                block_on(lock.lock(&holder)).unwrap();
                room.alone();
                lock.unlock(&holder).unwrap();
            }
        });
        let holder = Holder::new();
        block_on(lock.lock(&holder)).unwrap();
        room.alone();
        lock.unlock(&holder).unwrap();
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!((lock.readers(), lock.waiting(), lock.is_locked()), (0, 0, false));
    });
}

#[test]
fn a_writer_that_gives_up_lets_readers_in() {
    model_of_three(|| {
        let lock = RwMutex::new();
        let (reading, writing) = (Holder::new(), Holder::new());
        lock.try_rlock(&reading).unwrap();
        let mut writer = Box::pin(lock.lock(&writing));
        assert!(poll(writer.as_mut()).is_pending());
        let reader = thread::spawn({
            let lock = lock.clone();
            move || {
                let holder = Holder::new();
                block_on(lock.rlock(&holder)).unwrap();
                lock.runlock(&holder).unwrap();
            }
        });
        // The first reader stays inside: only the writer's going can let the second one in.
        drop(writer);
        reader.join().unwrap();
        assert_eq!((lock.readers(), lock.waiting()), (1, 0));
    });
}

#[test]
fn permits_are_neither_lost_nor_made() {
    model_of_three(|| {
        let semaphore = Semaphore::new(NonZeroUsize::MIN);
        let others = [0, 1].map(|_| {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                block_on(semaphore.acquire());
                assert_eq!(semaphore.available(), 0);
                semaphore.release().unwrap();
            })
        });
        for other in others {
            other.join().unwrap();
        }
        assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
    });
}

#[test]
fn a_release_meets_an_acquire_that_is_being_dropped() {
    model_of_three(|| {
        let semaphore = Semaphore::new(NonZeroUsize::MIN);
        assert!(semaphore.try_acquire());
        let mut first = Box::pin(semaphore.acquire());
        assert!(poll(first.as_mut()).is_pending());
        let next = thread::spawn({
            let semaphore = semaphore.clone();
            move || block_on(semaphore.acquire())
        });
        let releaser = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.release()
        });
        drop(first);
        next.join().unwrap();
        assert_eq!(releaser.join().unwrap(), Ok(()));
        assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
    });
}

#[test]
fn all_who_come_to_a_once_go_on_when_it_is_done() {
    model_of_three(|| {
        let (once, ran) = (Once::new(), Arc::new(AtomicUsize::new(0)));
        let come = |once: Once, ran: Arc<AtomicUsize>| {
            move || {
                let holder = Holder::new();
                if block_on(once.begin(&holder)) == Ok(Turn::Run) {
                    ran.fetch_add(1, Ordering::SeqCst);
                    // Ending without a word is as good as finishing.
                    drop(holder);
                }
                assert!(once.is_done());
                assert_eq!(ran.load(Ordering::SeqCst), 1);
            }
        };
        let others = [0, 1].map(|_| thread::spawn(come(once.clone(), Arc::clone(&ran))));
        come(once, ran)();
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_change_that_is_made_under_the_lock_is_not_missed() {
    model(|| {
        let (cond, changed) = (Cond::new(), Arc::new(AtomicUsize::new(0)));
        let changer = thread::spawn({
            let (cond, changed) = (cond.clone(), Arc::clone(&changed));
            move || {
                let holder = Holder::new();
                block_on(cond.mutex().lock(&holder)).unwrap();
                changed.store(1, Ordering::SeqCst);
                cond.signal();
                cond.mutex().unlock(&holder).unwrap();
            }
        });
        let holder = Holder::new();
        block_on(async {
            cond.mutex().lock(&holder).await.unwrap();
            while changed.load(Ordering::SeqCst) == 0 {
                cond.wait(&holder).await.unwrap();
                assert!(cond.mutex().is_held_by(&holder));
            }
        });
        changer.join().unwrap();
        assert_eq!(cond.waiting(), 0);
    });
}

#[test]
fn a_signal_to_a_wait_that_is_being_dropped_reaches_the_next() {
    model(|| {
        let cond = Cond::new();
        let (first, second) = (Holder::new(), Holder::new());
        cond.mutex().try_lock(&first).unwrap();
        let mut dropped = Box::pin({
            let (cond, first) = (cond.clone(), first.clone());
            async move { cond.wait(&first).await }
        });
        assert!(poll(dropped.as_mut()).is_pending());
        cond.mutex().try_lock(&second).unwrap();
        let mut waiting = pin!(cond.wait(&second));
        assert!(poll(waiting.as_mut()).is_pending());
        let signaller = thread::spawn({
            let cond = cond.clone();
            move || cond.signal()
        });
        drop(dropped);
        assert_eq!(block_on(waiting), Ok(Locked::InOrder));
        signaller.join().unwrap();
        assert_eq!(cond.waiting(), 0);
        assert_eq!(cond.mutex().try_lock(&Holder::new()), Err(TryLockError::Busy));
    });
}

#[test]
fn a_wait_that_gives_up_holds_the_lock_and_takes_no_signal_with_it() {
    model_of_three(|| {
        let cond = Cond::new();
        let holder = Holder::new();
        cond.mutex().try_lock(&holder).unwrap();
        let signaller = thread::spawn({
            let cond = cond.clone();
            move || cond.signal()
        });
        let other = thread::spawn({
            let cond = cond.clone();
            move || {
                let holder = Holder::new();
                block_on(cond.mutex().lock(&holder)).unwrap();
                cond.mutex().unlock(&holder).unwrap();
            }
        });
        let woken = block_on(cond.wait_or(&holder, std::future::ready(())));
        assert!(matches!(woken, Ok(Woken::GaveUp(()) | Woken::Notified(Locked::InOrder))));
        assert!(cond.mutex().is_held_by(&holder));
        cond.mutex().unlock(&holder).unwrap();
        signaller.join().unwrap();
        other.join().unwrap();
        assert_eq!(cond.waiting(), 0);
    });
}

#[test]
fn a_broadcast_wakes_all() {
    model_of_three(|| {
        let cond = Cond::new();
        let (first, second) = (Holder::new(), Holder::new());
        cond.mutex().try_lock(&first).unwrap();
        let mut one = Box::pin({
            let (cond, first) = (cond.clone(), first.clone());
            async move {
                cond.wait(&first).await.unwrap();
                cond.mutex().unlock(&first).unwrap();
            }
        });
        assert!(poll(one.as_mut()).is_pending());
        cond.mutex().try_lock(&second).unwrap();
        let mut two = pin!(async {
            cond.wait(&second).await.unwrap();
            cond.mutex().unlock(&second).unwrap();
        });
        assert!(poll(two.as_mut()).is_pending());
        let broadcaster = thread::spawn({
            let cond = cond.clone();
            move || cond.broadcast()
        });
        let one = thread::spawn(move || block_on(one));
        block_on(two);
        one.join().unwrap();
        broadcaster.join().unwrap();
        assert!(!cond.mutex().is_locked());
    });
}

#[test]
fn a_barrier_has_one_leader_each_time() {
    model(|| {
        let barrier = Barrier::new(two());
        let other = thread::spawn({
            let barrier = barrier.clone();
            move || [block_on(barrier.wait()), block_on(barrier.wait())]
        });
        let here = [block_on(barrier.wait()), block_on(barrier.wait())];
        let there = other.join().unwrap();
        assert!(here[0] != there[0] && here[1] != there[1]);
        assert_eq!(barrier.waiting(), 0);
    });
}

#[test]
fn the_last_to_come_meets_one_who_gives_up() {
    model(|| {
        let barrier = Barrier::new(two());
        let mut waiting = barrier.wait();
        assert!(poll(Pin::new(&mut waiting)).is_pending());
        let leaver = thread::spawn(move || waiting.cancel());
        let mut last = barrier.wait();
        let leads = poll(Pin::new(&mut last)).is_ready();
        let had_come = leaver.join().unwrap();
        assert_eq!(leads, had_come);
        drop(last);
        assert_eq!(barrier.waiting(), 0);
    });
}
