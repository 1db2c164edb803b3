//! The program's own input, which all states of the process share: who may read it, and whether there is any.
//!
//! A goroutine that wants to read waits until something can be read, and then reads in place, by Lua's own function: what that
//! has read ahead belongs to the process, not to a state. One reads at a time, so that two do not find the same line to be there.
//!
//! **Who wakes whom.** Whoever has had the turn wakes one who waits for it; one that is cancelled then passes that on. Whether
//! there is anything is found out by a job of the backend's, which takes nothing: so a wait that is dropped leaves nothing but the
//! job, which ends with the next input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;
use runtime_core::Backend;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::raw;

static TAKEN: AtomicBool = AtomicBool::new(false);
static FREED: Event = Event::new();

/// The right to read, until it is dropped.
pub(crate) struct Turn(());

impl Turn {
    fn try_take() -> Option<Self> {
        // Made only if it is taken: dropping it frees it.
        TAKEN.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst).is_ok().then(|| Self(()))
    }

    async fn take() -> Self {
        loop {
            if let Some(turn) = Self::try_take() {
                return turn;
            }
            let freed = FREED.listen();
            if let Some(turn) = Self::try_take() {
                return turn;
            }
            freed.await;
        }
    }

    /// Keeps it until [`Turn::give_back`].
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }

    /// Ends the turn that was kept.
    pub(crate) fn give_back() {
        drop(Self(()));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::SeqCst);
        FREED.notify(1);
    }
}

/// Whether the system has input, or the end of it, at this moment. What was read ahead it does not know of.
fn is_there() -> bool {
    let stdin = std::io::stdin();
    let mut input = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut input, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Waits for the turn, and then until there is something to be read, or nothing will be any more.
pub(crate) async fn wait(backend: Arc<dyn Backend>) -> Turn {
    let turn = Turn::take().await;
    if !is_there() {
        let (tell, ended) = flume::bounded(1);
        backend.run_blocking(Box::new(move || {
            // Lua's own way to ask for it, since what was read ahead is known to the C library alone.
            let asked = raw::new_state().load("io.stdin:read(0)").exec();
            let _ = tell.send(asked.is_ok());
        }));
        if ended.recv_async().await.is_err() {
            futures_lite::future::pending::<()>().await; // the backend is being shut down
        }
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reads_at_a_time() {
        let turn = Turn::try_take().unwrap();
        assert!(Turn::try_take().is_none());
        turn.keep();
        assert!(Turn::try_take().is_none());
        Turn::give_back();
        drop(Turn::try_take().unwrap());
        assert!(Turn::try_take().is_some());
    }
}
