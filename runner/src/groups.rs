//! [`Groups`]: the process groups of the commands that run, so that none of them outlives the program.
//!
//! Who drops a [`Group`] ends that command. At the end of the program that would come too late, since other threads drop them:
//! there [`Groups::end`] kills what is left, before the process goes.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::process::{Child, Command};

/// Those that run.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The numbers of processes that have begun a group and were not waited for: no other process can have one of these. So a
    /// process is waited for, and its number taken from here, under one lock.
    leaders: HashSet<u32>,
    ended: bool,
}

impl Groups {
    /// Kills what runs, at once. Nothing more is started from now on.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        for leader in state.leaders.drain() {
            kill(leader);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command and what it has started. Dropped before it has ended, all of that is killed.
pub(crate) struct Group {
    pub(crate) child: Child,
    groups: Arc<Groups>,
    /// `None` once it was waited for.
    leader: Option<u32>,
}

impl Group {
    pub(crate) fn start(command: &mut Command, groups: &Arc<Groups>) -> Result<Self, String> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let folder = command.as_std().get_current_dir().map(std::path::Path::to_owned);
        // Under the lock, so that the end of the program comes before it or finds it.
        let mut state = groups.lock();
        if state.ended {
            return Err("the runner is ending".into());
        }
        let child = command.process_group(0).spawn().map_err(|error| match folder {
            Some(folder) if !folder.is_dir() => format!("cannot run in {}: no such folder", folder.display()),
            _ => format!("cannot run {program}: {error}"),
        })?;
        let leader = child.id();
        state.leaders.extend(leader);
        drop(state);
        Ok(Self { child, groups: Arc::clone(groups), leader })
    }

    /// Waits for its end. May be dropped, and called again.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, String> {
        let Self { child, groups, leader } = self;
        let mut wait = pin!(child.wait());
        let status = poll_fn(|context| {
            let mut state = groups.lock();
            let polled = wait.as_mut().poll(context);
            if let Poll::Ready(Ok(_)) = polled
                && let Some(leader) = leader.take()
            {
                state.leaders.remove(&leader);
            }
            polled
        });
        status.await.map_err(|error| error.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut state = self.groups.lock();
        if let Some(leader) = self.leader.take() {
            state.leaders.remove(&leader);
            kill(leader);
        }
    }
}

/// Kills a process that has not been waited for, with its group.
pub(crate) fn kill(leader: u32) {
    let leader = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(leader) = leader {
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
}
