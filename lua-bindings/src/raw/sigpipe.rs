//! Writing to a pipe that nobody reads any more, without the signal that ends the process.

/// Calls `write`. If it writes to a pipe that nobody reads, that fails and nothing else happens: no `SIGPIPE` is left for this
/// thread, whatever the host has it do.
#[cfg(target_os = "linux")]
pub(crate) fn without_sigpipe<T>(write: impl FnOnce() -> T) -> T {
    // SAFETY: sets of signals, for which zero is a value before they are filled; each call gets valid pointers to them. What
    // this thread blocked before is blocked again after, and a signal that was pending before is left alone.
    unsafe {
        let mut pipe: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut pending);
        let was_pending = libc::sigismember(&pending, libc::SIGPIPE) == 1;
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut before);
        let written = write();
        if !was_pending {
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&pipe, std::ptr::null_mut(), &at_once);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        written
    }
}

/// Calls `write`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn without_sigpipe<T>(write: impl FnOnce() -> T) -> T {
    write()
}
