//! How a pool ends.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use runtime_core::{Cancel, Close, Ended, Slot, SubmitErrorKind, Task};

use crate::support::{Alarm, Yard, check, options, poll, poll_with, pool};

#[test]
fn a_finishing_close_refuses_from_the_call_on_and_runs_all_that_was_accepted() {
    let yard = Yard::new();
    let pool = pool(options(1, 2));
    for name in 0..3 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    let alarm = Arc::new(Alarm::default());
    let mut closed = Box::pin(pool.close(Close::Finish));
    assert!(pool.is_closed());
    let error = pool.try_submit(yard.job(3), 0).unwrap_err();
    assert_eq!((error.kind, error.to_string()), (SubmitErrorKind::Closed, "pool is closed".into()));
    assert!(poll_with(&mut closed, &alarm).is_pending());
    yard.end(0);
    yard.end(1);
    assert_eq!(alarm.rung(), 0);
    yard.end(2);
    assert_eq!(alarm.rung(), 1);
    assert!(poll(&mut closed).is_ready());
    assert_eq!((yard.started(), yard.dropped()), (vec![0, 1, 2], vec![]));
    assert_eq!((pool.stats().completed, pool.stats().rejected), (3, 1));
}

#[test]
fn a_cancelling_close_drops_the_queue_and_asks_the_running_to_stop() {
    let yard = Yard::new();
    let pool = pool(options(2, 2));
    for name in 0..4 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    let mut closed = Box::pin(pool.close(Close::Cancel));
    assert_eq!((yard.cancelled(), yard.dropped()), (vec![0, 1], vec![2, 3]));
    assert!(poll(&mut closed).is_pending());
    yard.slot(0).finish(Ended::Cancelled);
    yard.end(1);
    assert!(poll(&mut closed).is_ready());
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.cancelled, stats.queued), (1, 3, 0));
    assert_eq!(yard.started(), [0, 1]);
    check(&stats);
}

#[test]
fn submits_that_wait_get_their_tasks_back_when_it_closes() {
    for mode in [Close::Finish, Close::Cancel] {
        let yard = Yard::new();
        let pool = pool(options(1, 0));
        pool.try_submit(yard.job(0), 0).unwrap();
        let alarm = Arc::new(Alarm::default());
        let mut submits: Vec<_> = (1..4).map(|name| pool.submit(yard.job(name), 0, None)).collect();
        for submit in &mut submits {
            assert!(poll_with(submit, &alarm).is_pending());
        }
        let closed = pool.close(mode);
        assert_eq!(alarm.rung(), 3);
        for (name, submit) in (1..).zip(&mut submits) {
            let Poll::Ready(Err(error)) = poll(submit) else {
                panic!("it should be refused");
            };
            assert_eq!((error.kind, error.task.name), (SubmitErrorKind::Closed, name));
        }
        yard.end(0);
        assert!(poll(&mut Box::pin(closed)).is_ready());
        let stats = pool.stats();
        assert_eq!((stats.submitted, stats.rejected), (1, 3));
        assert!(yard.dropped().is_empty());
    }
}

#[test]
fn all_who_close_wait_and_a_finishing_close_can_become_a_cancelling_one() {
    let yard = Yard::new();
    let pool = pool(options(1, 2));
    for name in 0..3 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    let mut first = Box::pin(pool.close(Close::Finish));
    yard.end(0);
    let mut second = Box::pin(pool.close(Close::Cancel));
    let mut third = Box::pin(pool.close(Close::Finish));
    let mut fourth = Box::pin(pool.close(Close::Cancel));
    assert_eq!((yard.cancelled(), yard.dropped()), (vec![1], vec![2]));
    for closed in [&mut first, &mut second, &mut third, &mut fourth] {
        assert!(poll(closed).is_pending());
    }
    yard.end(1);
    assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready());
    assert!(poll(&mut third).is_ready() && poll(&mut fourth).is_ready());
}

#[test]
fn closing_need_not_be_awaited() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    drop(pool.close(Close::Finish));
    assert!(pool.is_closed());
    yard.end(0);
    assert_eq!(yard.started(), [0, 1]);
}

#[test]
fn a_pool_with_nothing_to_do_is_closed_at_once() {
    let pool = pool::<crate::support::Job>(options(1, 1));
    assert!(poll(&mut Box::pin(pool.close(Close::Finish))).is_ready());
    assert!(poll(&mut Box::pin(pool.close(Close::Cancel))).is_ready());
}

#[test]
fn who_waits_for_a_cancelled_pool_finds_every_task_told() {
    /// Notes, as it is dropped, how many of those who wait have been woken.
    struct Late(Arc<Alarm>, Arc<Notes>);
    #[derive(Default)]
    struct Notes {
        held: Mutex<Option<Slot<Late>>>,
        rung: Mutex<Vec<usize>>,
    }
    impl Task for Late {
        type Canceller = ();
        fn canceller(&self) {}
        fn start(self, slot: Slot<Self>) {
            *self.1.held.lock().unwrap() = Some(slot);
        }
        fn dropped(self) {
            // Now the one that ran has ended, too.
            let held = self.1.held.lock().unwrap().take();
            drop(held);
            self.1.rung.lock().unwrap().push(self.0.rung());
        }
    }

    let pool = pool(options(1, 2));
    let (alarm, notes) = (Arc::new(Alarm::default()), Arc::new(Notes::default()));
    for _ in 0..3 {
        pool.try_submit(Late(Arc::clone(&alarm), Arc::clone(&notes)), 0).unwrap();
    }
    let mut idle = Box::pin(pool.wait());
    assert!(poll_with(&mut idle, &alarm).is_pending());
    let mut closed = Box::pin(pool.close(Close::Cancel));
    assert_eq!((&*notes.rung.lock().unwrap(), alarm.rung()), (&vec![0, 0], 1));
    assert!(poll(&mut idle).is_ready() && poll(&mut closed).is_ready());
}

#[test]
fn a_panic_in_one_task_keeps_no_other_from_being_told() {
    struct Rude(Arc<Alarm>);
    struct RudeCancel(Arc<Alarm>);
    impl Task for Rude {
        type Canceller = RudeCancel;
        fn canceller(&self) -> RudeCancel {
            RudeCancel(Arc::clone(&self.0))
        }
        fn start(self, slot: Slot<Self>) {
            std::mem::forget(slot);
        }
        fn dropped(self) {
            std::task::Wake::wake(self.0);
            panic!("a test panics in dropped");
        }
    }
    impl Cancel for RudeCancel {
        fn cancel(&self) {
            std::task::Wake::wake(Arc::clone(&self.0));
            panic!("a test panics in cancel");
        }
    }
    let pool = pool(options(2, 2));
    let alarm = Arc::new(Alarm::default());
    for _ in 0..4 {
        pool.try_submit(Rude(Arc::clone(&alarm)), 0).unwrap();
    }
    drop(pool.close(Close::Cancel));
    assert_eq!(alarm.rung(), 4);
    assert_eq!((pool.stats().cancelled, pool.stats().active), (2, 2));
}
