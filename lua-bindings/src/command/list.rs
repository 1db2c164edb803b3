//! [`Commands`]: the commands that run, so that none of them outlives the program.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

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
    /// The groups of those that were waited for and have left processes behind, which this process has [adopted](Commands::adopt).
    /// These were not waited for, so no other group can have one of these numbers. And whether they were killed.
    left: HashMap<u32, bool>,
    ended: bool,
}

impl Commands {
    /// From now on, what a command has left in the background when it ends belongs to this process, as its parent: so it is known to be
    /// there, and [`Commands::end`] kills it. For a program that has no other children than those that it waits for one by one. Linux
    /// only: elsewhere it goes on when the program ends.
    pub fn adopt(&self) {
        // If it is refused, it is as elsewhere.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }

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
        state.left.retain(|group, _| has_members(*group));
        let child = spawn()?;
        state.leaders.extend(number(&child));
        Ok(child)
    }

    /// Looks whether the command has ended, by what waits for it without blocking. If `look` gives something, it has.
    pub fn reap<T>(&self, leader: u32, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut state = self.0.lock();
        let ended = look();
        if ended.is_some() && state.leaders.remove(&leader) && has_members(leader) {
            state.left.insert(leader, false);
        }
        ended
    }

    /// Kills a command with its group, if it was not waited for.
    pub fn kill(&self, leader: u32) {
        if self.0.lock().leaders.contains(&leader) {
            kill_group(leader);
        }
    }

    /// Does so for the last time: somebody else waits for it, or finds that it was waited for here.
    pub fn give_up(&self, leader: u32) {
        let mut state = self.0.lock();
        if state.leaders.remove(&leader) {
            kill_group(leader);
            state.left.insert(leader, true);
        }
    }

    /// Kills all that run, and what they have left in the background. From now on none is started. Says how many had left something.
    pub fn end(&self) -> usize {
        let mut state = self.0.lock();
        state.ended = true;
        state.leaders.drain().for_each(kill_group);
        state.left.retain(|group, _| has_members(*group));
        let left = state.left.drain().inspect(|(group, _)| kill_group(*group));
        left.filter(|(_, killed)| !killed).count()
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

/// Whether there are processes in this group whose parent this process is, running or just killed. Those that have ended are waited for.
fn has_members(group: u32) -> bool {
    let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pgid(Some(group)), options) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Of a process, or a group, that was not waited for.
fn kill_group(leader: u32) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(leader, Signal::KILL);
    }
}
