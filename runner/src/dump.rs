//! The goroutine dump of a running program: SIGUSR1 makes it write the dump to its standard error; `sloth-runner dump PID` asks for
//! it over a socket, which lies where only the same user can reach it.

use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use goroutine::Observer;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::shared::Shared;
use crate::visible;

/// How long whoever asks waits: isolates that are busy have 1 s to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers from now on. Its socket goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Answering {
    socket: Option<PathBuf>,
}

impl Answering {
    /// Where there can be no socket, there is none. It is there, and the signal is ours, when this returns: the script may tell somebody.
    pub(crate) fn begin(shared: &Arc<Shared>, observer: &Observer) -> Self {
        let folder = folder().ok();
        if let Some(folder) = &folder {
            remove_stale(folder);
        }
        let socket = folder.map(|folder| folder.join(format!("{}.socket", std::process::id())));
        let made = shared.io.within(|| {
            let listener = socket.as_ref().and_then(|at| {
                let _ = std::fs::remove_file(at); // of a process that had this number, and was killed
                UnixListener::bind(at).ok()
            });
            (listener, signal(SignalKind::user_defined1()))
        });
        let Ok((listener, usr1)) = made else { return Self { socket: None } };
        let (observer, told) = (observer.clone(), Arc::clone(shared));
        let listening = shared.io.start(async move {
            let answer = async {
                let Some(listener) = listener else { return std::future::pending().await };
                loop {
                    let Ok((mut stream, _)) = listener.accept().await else { continue };
                    let observer = observer.clone();
                    tokio::spawn(async move {
                        let _ = stream.write_all(dump(observer).await.as_bytes()).await;
                    });
                }
            };
            let print = async {
                let Ok(mut usr1) = usr1 else { return std::future::pending().await };
                while usr1.recv().await.is_some() {
                    told.sink.note(dump(observer.clone()).await.trim_end());
                }
            };
            tokio::join!(answer, print)
        });
        // It goes on until the program ends.
        if let Ok(job) = listening {
            job.leave();
        }
        Self { socket }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
    }
}

async fn dump(observer: Observer) -> String {
    let text = tokio::task::spawn_blocking(move || observer.dump()).await.unwrap_or_default();
    if text.is_empty() {
        return "no goroutines\n".into();
    }
    visible::lines(&without_ours(&text), "").into_owned() + "\n"
}

/// A dump without the frames of what calls the functions of tasks, which tell nobody anything, and without what is left of a stack that
/// was made of these.
fn without_ours(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let frame = line.trim_start();
        if frame.starts_with("[runner:") {
            continue;
        }
        let is_calling = |line: &str| matches!(line.trim(), "[C]: in ?" | "[C]: in upvalue 'pcall'");
        let is_ours = |line: &str| line.trim_start().starts_with("[runner:") || is_calling(line);
        if is_calling(line) && lines.peek().is_none_or(|next| !next.starts_with(' ') || is_ours(next)) {
            continue;
        }
        if frame.starts_with("goroutine ")
            && let Some("  stack traceback:\n") = kept.last().copied()
        {
            kept.pop();
        }
        kept.push(line);
    }
    if let Some("  stack traceback:\n") = kept.last().copied() {
        kept.pop();
    }
    kept.concat()
}

/// Removes the sockets of processes that were killed, and so could not do it themselves.
fn remove_stale(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".socket")?.parse().ok());
        let process = number.and_then(rustix::process::Pid::from_raw);
        // One of another user's that has the number by now keeps it.
        if process.is_some_and(|process| {
            rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        }) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A folder of this user's alone.
fn folder() -> std::io::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let above = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = above.join(format!("sloth-runner-{user}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let data = std::fs::symlink_metadata(&folder)?;
    if data.is_dir() && data.uid() == user && data.mode() & 0o077 == 0 {
        return Ok(folder);
    }
    Err(std::io::Error::other(format!("{} is not this user's alone", folder.display())))
}

/// Prints the dump of another process.
pub(crate) fn ask(pid: u32) -> ExitCode {
    let asked = folder().and_then(|folder| asked(&folder.join(format!("{pid}.socket"))));
    match asked {
        Ok(text) => ExitCode::from(u8::from(!crate::written(std::io::stdout().write_all(text.as_bytes())))),
        Err(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                    "it is no sloth-runner of this user's that runs a script".into()
                }
                // Either, by the system.
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                    format!("it does not answer within {} s; it may be stopped", PATIENCE.as_secs())
                }
                _ => error.to_string(),
            };
            crate::script::fail(1, format_args!("cannot ask process {pid}: {why}"))
        }
    }
}

fn asked(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_ours_are_left_out() {
        let dump = "goroutine 1 'task a' (started at x:1): waiting in await for 5 ms\n  stack traceback:\n  \t[C]: in ?\n  \
                    \t[runner:strand]:1: in ?\n  \t[C]: in upvalue 'pcall'\n  \t[runner:engine]:2: in ?\n  \t[C]: in ?\ngoroutine 2 \
                    (started at x:2): running\n  stack traceback:\n  \t[C]: in function 'exec.run'\n  \tx:2: in ?\n  \
                    \t[runner:strand]:3: in ?\n  \t[C]: in ?\n";
        let left = "goroutine 1 'task a' (started at x:1): waiting in await for 5 ms\ngoroutine 2 (started at x:2): running\n  \
                    stack traceback:\n  \t[C]: in function 'exec.run'\n  \tx:2: in ?\n";
        assert_eq!(without_ours(dump), left);
    }
}
