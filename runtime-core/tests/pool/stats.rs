//! What a pool knows of its tasks.

use std::sync::Arc;

use runtime_core::{Backend, Ended, Percentiles, Pool};

use crate::support::{Clock, Yard, check, options, pool};

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= expected * 0.01
}

#[test]
fn every_way_to_end_is_counted() {
    let yard = Yard::new();
    let pool = pool(options(4, 0));
    for name in 0..4 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    yard.slot(0).finish(Ended::Completed);
    yard.slot(1).finish(Ended::Failed);
    yard.slot(2).finish(Ended::Cancelled);
    check(&pool.stats());
    // Nobody said how it ended.
    drop(yard.slot(3));
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.failed, stats.cancelled), (1, 2, 1));
    assert_eq!((&*stats.name, stats.submitted, stats.active), ("test", 4, 0));
}

#[test]
fn waiting_ends_and_running_begins_where_the_task_says_so() {
    let (yard, clock) = (Yard::new(), Clock::new());
    let pool = Pool::new("test", options(1, 1), Arc::clone(&clock) as Arc<dyn Backend>);
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    clock.advance(100);
    let mut slot = yard.slot(0);
    slot.begin();
    clock.advance(50);
    slot.begin();
    slot.finish(Ended::Completed);
    clock.advance(1000);
    // The second waited 150 for its slot and never said that it began.
    yard.end(1);
    let stats = pool.stats();
    assert!(near(stats.wait_ms.p50, 100.0) && near(stats.wait_ms.max, 150.0));
    assert!(near(stats.run_ms.p50, 50.0) && near(stats.run_ms.max, 1000.0));
}

#[test]
fn percentiles_are_in_milliseconds_and_the_longest_is_exact() {
    let (yard, clock) = (Yard::new(), Clock::new());
    let pool = Pool::new("test", options(1, 0), Arc::clone(&clock) as Arc<dyn Backend>);
    assert_eq!(pool.stats().run_ms, Percentiles::default());
    for name in 1..=1000 {
        pool.try_submit(yard.job(name), 0).unwrap();
        clock.advance(name.into());
        yard.end(name);
    }
    let Percentiles { p50, p95, p99, max, .. } = pool.stats().run_ms;
    assert!(near(p50, 500.0) && near(p95, 950.0) && near(p99, 990.0), "{p50} {p95} {p99}");
    assert_eq!(max, 1000.0);
    pool.try_submit(yard.job(0), 0).unwrap();
    clock.advance(30 * 86_400_000);
    yard.end(0);
    assert_eq!(pool.stats().run_ms.max, 30.0 * 86_400_000.0);
    assert_eq!(pool.stats().wait_ms, Percentiles::default());
}

#[test]
fn utilisation_is_the_share_of_time_in_which_slots_were_held() {
    let (yard, clock) = (Yard::new(), Clock::new());
    let pool = Pool::new("test", options(2, 1), Arc::clone(&clock) as Arc<dyn Backend>);
    assert_eq!(pool.stats().utilisation, 0.0);
    clock.advance(100);
    assert_eq!(pool.stats().utilisation, 0.0);
    pool.try_submit(yard.job(0), 0).unwrap();
    clock.advance(100);
    assert_eq!(pool.stats().utilisation, 0.25);
    pool.try_submit(yard.job(1), 0).unwrap();
    clock.advance(200);
    yard.end(0);
    yard.end(1);
    assert_eq!(pool.stats().utilisation, 500.0 / 800.0);
    clock.advance(100);
    assert_eq!(pool.stats().utilisation, 0.5);
}
