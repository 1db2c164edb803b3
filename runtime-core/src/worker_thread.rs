//! [`worker_thread`]: what the workers of most backends have in common.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::backend::WorkerHandle;
use crate::contain_panic::contained;

/// Starts a thread called `name` that calls `run`, and gives the handle that joins it. For backends.
///
/// The worker counts as ended when `run` has returned or panicked. What `run` owns is dropped before that; the
/// destructors of thread-local values run after it.
///
/// **Who wakes whom.** Who joins waits on a condition, which the last act of the thread notifies under its lock.
///
/// # Errors
/// When the operating system refuses the thread; [`InvalidInput`](io::ErrorKind::InvalidInput) when `name` holds a
/// zero byte.
pub fn worker_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Box<dyn WorkerHandle>> {
    if name.contains('\0') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the name of a worker can't hold a zero byte: {name:?}"),
        ));
    }
    let end = Arc::new(End::default());
    let announced = Arc::clone(&end);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        contained(run);
        *announced.ended.lock() = true;
        announced.came.notify_all();
    })?;
    Ok(Box::new(Joiner { end }))
}

#[derive(Default)]
struct End {
    ended: Mutex<bool>,
    came: Condvar,
}

struct Joiner {
    end: Arc<End>,
}

impl WorkerHandle for Joiner {
    fn is_finished(&self) -> bool {
        *self.end.ended.lock()
    }

    fn join_timeout(&mut self, bound: Duration) -> bool {
        let mut ended = self.end.ended.lock();
        match Instant::now().checked_add(bound) {
            Some(limit) => {
                self.end.came.wait_while_until(&mut ended, |ended| !*ended, limit);
            }
            None => self.end.came.wait_while(&mut ended, |ended| !*ended),
        }
        *ended
    }
}
