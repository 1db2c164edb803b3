//! [`Commands`]: the commands that run, so that none of them outlives the program.

use std::collections::HashSet;
use std::fmt;
use std::io;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

/// The commands that run, each of which leads a process group of its own: killing one kills with it what it has started, but not what has
/// left the group by `setsid` or `setpgid`, as daemons and interactive shells do.
///
/// At the end of the program, who owns a command may not get to end it: [`Commands::end`] kills all that are left, and lets none be
/// started from then on.
#[derive(Default)]
pub struct Commands(Mutex<State>);

#[derive(Default)]
struct State {
    /// The numbers of processes that have begun a group and were not waited for: no other process can have one of these. So a
    /// process is waited for, and its number taken from here, under one lock.
    leaders: HashSet<u32>,
    ended: bool,
}

impl Commands {
    /// Starts a command, which `spawn` has to make the leader of a group (`process_group(0)`). `number` is that of its process.
    ///
    /// # Errors
    /// Those of `spawn`; when the program is ending.
    pub fn start<T>(
        &self,
        spawn: impl FnOnce() -> io::Result<T>,
        number: impl FnOnce(&T) -> Option<u32>,
    ) -> io::Result<T> {
        // Under the lock, so that the end of the program comes before it or finds it.
        let mut state = self.0.lock();
        if state.ended {
            return Err(io::Error::other("the program is ending"));
        }
        let child = spawn()?;
        state.leaders.extend(number(&child));
        Ok(child)
    }

    /// Looks whether the command has ended, by what waits for it without blocking. If `look` gives something, it has.
    pub fn reap<T>(&self, leader: u32, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut state = self.0.lock();
        let ended = look();
        if ended.is_some() {
            state.leaders.remove(&leader);
        }
        ended
    }

    /// Kills a command with its group, if it was not waited for.
    pub fn kill(&self, leader: u32) {
        if self.0.lock().leaders.contains(&leader) {
            kill_group(leader);
        }
    }

    /// Does so for the last time: somebody else waits for it, at a time that is not known here.
    pub fn give_up(&self, leader: u32) {
        if self.0.lock().leaders.remove(&leader) {
            kill_group(leader);
        }
    }

    /// Kills all that run. From now on none is started.
    pub fn end(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.leaders.drain().for_each(kill_group);
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

/// Of a process that was not waited for.
fn kill_group(leader: u32) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(leader, Signal::KILL);
    }
}
