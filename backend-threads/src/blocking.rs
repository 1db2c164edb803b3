//! [`BlockingPool`]: threads for jobs that may block.
//!
//! **Who wakes whom.** There are never fewer waiting (or starting) threads than queued jobs, unless all
//! [`MOST_THREADS`] are busy: whoever queues a job either notifies a waiting thread or starts a new one, and a thread
//! that is done with its job looks into the queue before it waits. So jobs that wait for each other all get to run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use runtime_core::{BlockingJob, contained};

/// Past this many threads jobs wait for each other.
pub(crate) const MOST_THREADS: usize = 512;

/// How long a thread waits for a job before it ends.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct BlockingPool {
    state: Mutex<State>,
    /// There is a job, or the backend is gone.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Not bounded: to refuse or block here would hold up a worker, and whoever starts jobs waits for what they give.
    jobs: VecDeque<BlockingJob>,
    /// All threads.
    threads: usize,
    /// Those without a job: waiting, starting, or about to look into the queue.
    free: usize,
    backend_gone: bool,
}

impl BlockingPool {
    /// Queues `job`. When no thread can be had at all it is run in place.
    pub(crate) fn run(self: &Arc<Self>, job: BlockingJob) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        if state.free >= state.jobs.len() {
            drop(state);
            self.changed.notify_one();
            return;
        }
        if state.threads >= MOST_THREADS {
            return;
        }
        let pool = Arc::clone(self);
        // Started under the lock, so that the counts below are right by the time the thread looks.
        match std::thread::Builder::new().name("blocking".to_owned()).spawn(move || pool.work()) {
            Ok(_detached) => {
                state.threads += 1;
                state.free += 1;
            }
            Err(_) if state.threads > 0 => {}
            Err(_) => {
                let job = state.jobs.pop_back();
                drop(state);
                if let Some(job) = job {
                    contained(job);
                }
            }
        }
    }

    /// Tells idle threads to end. Jobs that are queued are still run.
    pub(crate) fn backend_gone(&self) {
        self.state.lock().backend_gone = true;
        self.changed.notify_all();
    }

    /// A thread.
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.free -= 1;
                parking_lot::MutexGuard::unlocked(&mut state, || contained(job));
                state.free += 1;
            } else if state.backend_gone
                || (self.changed.wait_for(&mut state, IDLE).timed_out() && state.jobs.is_empty())
            {
                break;
            }
        }
        state.free -= 1;
        state.threads -= 1;
    }

    /// The number of threads.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// Whether no thread has a job.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.free == state.threads && state.jobs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::BlockingPool;

    #[test]
    fn a_thread_is_used_again() {
        let pool = Arc::new(BlockingPool::default());
        for _ in 0..100 {
            pool.run(Box::new(|| {}));
            while !pool.is_idle() {
                std::thread::yield_now();
            }
        }
        assert_eq!(pool.threads(), 1);
        pool.backend_gone();
    }

    #[test]
    fn threads_end_with_the_backend_and_run_what_is_queued() {
        let pool = Arc::new(BlockingPool::default());
        let (done, wait) = flume::unbounded();
        for n in 0..10 {
            let done = done.clone();
            pool.run(Box::new(move || done.send(n).unwrap()));
        }
        pool.backend_gone();
        assert_eq!(wait.iter().take(10).count(), 10);
        while pool.threads() > 0 {
            std::thread::yield_now();
        }
    }
}
