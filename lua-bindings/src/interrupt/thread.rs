//! An isolate's thread as the system knows it: whether it computes, and a signal to it.
#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use std::time::Duration;

/// What a thread is doing, as far as the system can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// On a processor, or waiting for one.
    Computing,
    /// Asleep in the kernel.
    Sleeping,
    /// This system does not say.
    Unknown,
}

/// The thread that called [`ThreadId::current`]. Only valid while that thread lives.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadId {
    thread: libc::pthread_t,
    id: libc::pid_t,
}

#[cfg(target_os = "linux")]
impl ThreadId {
    pub(super) fn current() -> Self {
        // SAFETY: neither call has preconditions.
        unsafe { Self { thread: libc::pthread_self(), id: libc::gettid() } }
    }

    /// The number that `pthread_self` gives on this thread.
    pub(super) fn as_number(self) -> usize {
        self.thread as usize
    }

    /// Sends a signal to this thread, which must not have ended.
    pub(super) fn signal(self, signal: i32) {
        // SAFETY: the caller's promise. A signal number that does not exist gives an error, and nothing happens.
        unsafe {
            libc::pthread_kill(self.thread, signal);
        }
    }

    pub(super) fn doing(self) -> Doing {
        // The state is the first field after the name, which stands in parentheses and may hold any character.
        let Ok(stat) = std::fs::read(format!("/proc/self/task/{}/stat", self.id)) else {
            return Doing::Unknown;
        };
        let state = stat.iter().rposition(|&byte| byte == b')').and_then(|end| stat.get(end + 2));
        match state {
            Some(b'R') => Doing::Computing,
            Some(b'S' | b'D') => Doing::Sleeping,
            _ => Doing::Unknown,
        }
    }

    /// How long this thread has been on a processor since it began.
    pub(super) fn processor_time(self) -> Option<Duration> {
        // The kernel's number for the clock of a thread: its id inverted, then two bits for "scheduler's clock" and one for
        // "of a thread". It is part of the system-call interface; pthread_getcpuclockid computes the same.
        let clock = (!self.id << 3) | 0b110;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: fills the record that is passed; a thread that is no more gives an error.
        let failed = unsafe { libc::clock_gettime(clock, &mut time) } != 0;
        (!failed).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

/// Nothing is known of threads here, and no signals are sent.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadId;

#[cfg(not(target_os = "linux"))]
impl ThreadId {
    pub(super) fn current() -> Self {
        Self
    }

    pub(super) fn doing(self) -> Doing {
        Doing::Unknown
    }

    pub(super) fn processor_time(self) -> Option<Duration> {
        None
    }
}
