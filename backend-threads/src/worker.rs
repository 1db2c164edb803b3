//! A worker: a named thread with an [`Executor`], and the handle to wait for its end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use runtime_core::{WorkerBody, WorkerHandle};

use crate::executor::Executor;

/// Starts a thread called `name` that runs `body`.
pub(crate) fn start(name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
    if name.contains('\0') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the name of a worker can't hold a zero byte: {name:?}"),
        ));
    }
    let end = Arc::new(End::default());
    let at_end = SayEnd(Arc::clone(&end));
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Dropped last, whatever happens.
        let _at_end = at_end;
        Executor::run(body);
    })?;
    Ok(Box::new(Handle { end }))
}

/// Whether the worker has ended. Who joins waits on the condition; the worker's thread notifies it, once, under the
/// lock.
#[derive(Default)]
struct End {
    ended: Mutex<bool>,
    came: Condvar,
}

struct SayEnd(Arc<End>);

impl Drop for SayEnd {
    fn drop(&mut self) {
        *self.0.ended.lock() = true;
        self.0.came.notify_all();
    }
}

struct Handle {
    end: Arc<End>,
}

impl WorkerHandle for Handle {
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
