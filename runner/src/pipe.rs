//! The end of the program when nobody reads what it prints.

use std::io;
use std::sync::Arc;
use std::thread;

use goroutine::Commands;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Ends the program as that signal does, for threads that do not get it themselves.
pub(crate) fn broken() {
    // It fails for a wrong argument only.
    let _ = kill(Pid::this(), Signal::SIGPIPE);
}

/// From now on `SIGPIPE` still ends the program, but its commands before that. Those get the signal as ever: what a program has a
/// handler for is at its default in what it runs.
pub(crate) fn watch(commands: &Arc<Commands>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let mut broken = {
        let _entered = runtime.enter();
        signal(SignalKind::pipe())?
    };
    let commands = Arc::clone(commands);
    thread::Builder::new().name("pipe".into()).spawn(move || {
        // Nobody ends this wait but the signal; without one the thread goes with the program.
        if runtime.block_on(broken.recv()).is_none() {
            return;
        }
        commands.end();
        sigpipe::reset();
        // It fails for a wrong argument only.
        let _ = raise(Signal::SIGPIPE);
    })?;
    Ok(())
}
