//! The end of the program by signals that end it at once: when nobody reads what it prints, and by `SIGQUIT`.

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
/// handler for is at its default in what it runs. `SIGQUIT` does what `quit` does, which is to end the program.
pub(crate) fn watch(commands: &Arc<Commands>, quit: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut broken, mut quits) = {
        let _entered = runtime.enter();
        (signal(SignalKind::pipe())?, signal(SignalKind::quit())?)
    };
    let commands = Arc::clone(commands);
    thread::Builder::new().name("pipe".into()).spawn(move || {
        // Nobody ends this wait but the signals; without one the thread goes with the program.
        let is_broken = runtime.block_on(async {
            tokio::select! {
                got = broken.recv() => got.map(|()| true),
                got = quits.recv() => got.map(|()| false),
            }
        });
        let Some(is_broken) = is_broken else { return };
        commands.end();
        if !is_broken {
            return quit();
        }
        sigpipe::reset();
        // It fails for a wrong argument only.
        let _ = raise(Signal::SIGPIPE);
    })?;
    Ok(())
}
