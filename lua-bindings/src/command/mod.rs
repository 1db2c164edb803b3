//! Commands whose output a script reads, or that it writes to, without holding up its isolate: what `io.popen` gives in a
//! goroutine.
//!
//! Our end of the pipe does not block: what can be read or written at once is. Else a job of the backend's waits until the
//! system says that there is more to be had, and whoever reads or writes tries again.
//!
//! **Who wakes whom.** Each wait has a job of its own, whose end wakes that wait alone. A wait that is dropped, because its
//! goroutine was cancelled, leaves nothing behind but its job: what was read stays in the buffer, what was written in the
//! queue, for the next call. The job ends when the command does something, or ends; it has a share in the pipe until then.

mod format;
mod list;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use futures_lite::future;
use parking_lot::Mutex;
use runtime_core::Backend;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

pub(crate) use format::{Format, Piece};
pub use list::Commands;

use crate::raw;

/// How much is read from a pipe at once; more than most pipes hold.
const CHUNK: usize = 64 << 10;
/// How often a call reads on at once, because there is more, before others have their turn.
const CHUNKS: usize = 16;

/// Which way a command's pipe goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The script reads what the command prints.
    Read,
    /// The script writes what the command reads.
    Write,
}

/// Why an operation on such a file came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is closed.
    Closed,
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// A command that runs, with our end of its pipe.
pub(crate) struct CommandFile {
    open: Mutex<Open>,
    /// Its jobs count as something that could wake a goroutine.
    backend: Arc<dyn Backend>,
    /// Its jobs do not.
    reaper: Arc<dyn Backend>,
    /// Where it is listed, if it is to be killed when a goroutine is cancelled that waits for it.
    commands: Option<Arc<Commands>>,
}

struct Open {
    direction: Direction,
    /// `None` once the file is closed. Jobs that wait for it have a share.
    pipe: Option<Arc<OwnedFd>>,
    child: Child,
    closed: bool,
    /// What was read and not taken, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Whether there is nothing more to be read.
    ended: bool,
    /// What is to be written.
    queue: Vec<u8>,
}

/// What a job waits for.
enum Until {
    Readable(Arc<OwnedFd>),
    Writable(Arc<OwnedFd>),
    Ended(Pid),
}

impl Until {
    fn wait(&self) {
        // A signal that comes in between is no matter: whoever waits looks, and waits again.
        let _ = match self {
            Self::Readable(pipe) => poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], None),
            Self::Writable(pipe) => poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)], None),
            // It stays what it is, a process that has ended and was not waited for, so that its number stays its own.
            Self::Ended(pid) => {
                waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map(|_| 0)
            }
        };
    }
}

impl CommandFile {
    /// Starts the command.
    pub(crate) fn start(
        mut command: Command,
        direction: Direction,
        [backend, reaper]: [Arc<dyn Backend>; 2],
        commands: Option<Arc<Commands>>,
    ) -> io::Result<Self> {
        match direction {
            Direction::Read => command.stdout(Stdio::piped()),
            Direction::Write => command.stdin(Stdio::piped()),
        };
        let mut child = match &commands {
            Some(commands) => {
                command.process_group(0);
                commands.start(|| command.spawn(), |child| Some(child.id()))?
            }
            None => command.spawn()?,
        };
        let pipe: Option<OwnedFd> = match direction {
            Direction::Read => child.stdout.take().map(OwnedFd::from),
            Direction::Write => child.stdin.take().map(OwnedFd::from),
        };
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let open = Open {
            direction,
            pipe: pipe.map(Arc::new),
            child,
            closed: false,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            queue: Vec::new(),
        };
        Ok(Self { open: Mutex::new(open), backend, reaper, commands })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.open.lock().closed
    }

    /// Reads what the formats ask for. Nothing is taken before all of it is there.
    pub(crate) async fn read(&self, formats: &[Format]) -> Result<Vec<Piece>, Failure> {
        let mut scanned = 0;
        let mut chunks = 0;
        loop {
            let until = {
                let mut open = self.open.lock();
                let pipe = open.pipe(Direction::Read)?;
                if let Some(pieces) = open.take(formats, &mut scanned) {
                    return Ok(pieces);
                }
                match open.fill(&pipe) {
                    Ok(()) => None,
                    Err(rustix::io::Errno::AGAIN) => Some(Until::Readable(pipe)),
                    Err(rustix::io::Errno::INTR) => None,
                    Err(error) => return Err(Failure::System(error.into())),
                }
            };
            match until {
                Some(until) => self.wait(until).await,
                None if chunks == CHUNKS => {
                    chunks = 0;
                    future::yield_now().await;
                }
                None => chunks += 1,
            }
        }
    }

    /// Writes these bytes, and what was to be written before.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        {
            let mut open = self.open.lock();
            open.pipe(Direction::Write)?;
            open.queue.extend_from_slice(bytes);
        }
        self.flush().await
    }

    pub(crate) async fn flush(&self) -> Result<(), Failure> {
        loop {
            let until = {
                let mut open = self.open.lock();
                if open.direction == Direction::Read && !open.closed {
                    return Ok(());
                }
                let pipe = open.pipe(Direction::Write)?;
                if open.send(&pipe)? { None } else { Some(Until::Writable(pipe)) }
            };
            match until {
                Some(until) => self.wait(until).await,
                None => return Ok(()),
            }
        }
    }

    /// Closes the file, and waits for the end of the command.
    pub(crate) async fn close(&self) -> Result<ExitStatus, Failure> {
        let written = self.flush().await;
        if let Err(Failure::Closed) = written {
            return Err(Failure::Closed);
        }
        {
            let mut open = self.open.lock();
            if open.closed {
                return Err(Failure::Closed); // by another, while this one wrote
            }
            open.close();
        }
        loop {
            let pid = {
                let mut open = self.open.lock();
                if let Some(status) = try_wait(&mut open.child, self.commands.as_deref()) {
                    return Ok(status?);
                }
                Pid::from_child(&open.child)
            };
            self.wait(Until::Ended(pid)).await;
        }
    }

    /// Waits on another thread.
    async fn wait(&self, until: Until) {
        let (tell, done) = flume::bounded(1);
        self.backend.run_blocking(Box::new(move || {
            until.wait();
            drop(until);
            let _ = tell.send(());
        }));
        if done.recv_async().await.is_err() {
            future::pending::<()>().await; // the backend is being shut down
        }
    }

    /// The goroutine that waited for it was cancelled.
    fn cancelled(&self) {
        if let Some(commands) = &self.commands {
            commands.kill(self.open.lock().child.id());
        }
    }
}

impl Open {
    fn pipe(&self, direction: Direction) -> Result<Arc<OwnedFd>, Failure> {
        match &self.pipe {
            None => Err(Failure::Closed),
            Some(_) if self.direction != direction => Err(Failure::System(rustix::io::Errno::BADF.into())),
            Some(pipe) => Ok(Arc::clone(pipe)),
        }
    }

    /// Reads what there is, at most a chunk.
    fn fill(&mut self, pipe: &OwnedFd) -> rustix::io::Result<()> {
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = rustix::io::read(pipe, &mut self.buffer[before..]);
        self.buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
        self.ended = read? == 0;
        Ok(())
    }

    /// What the formats ask for, if all of it is there. `scanned`: how many bytes hold no end of the line that is wanted.
    fn take(&mut self, formats: &[Format], scanned: &mut usize) -> Option<Vec<Piece>> {
        let (pieces, taken) = format::read_all(&self.buffer[self.at..], self.ended, formats, scanned)?;
        self.at += taken;
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        } else if self.at >= CHUNK {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        Some(pieces)
    }

    /// Writes what can be written at once. Whether that was all.
    fn send(&mut self, pipe: &OwnedFd) -> io::Result<bool> {
        let mut sent = 0;
        let result = loop {
            if sent == self.queue.len() {
                break Ok(true);
            }
            match raw::without_sigpipe(|| rustix::io::write(pipe, &self.queue[sent..])) {
                Ok(more) => sent += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break Ok(false),
                Err(error) => {
                    sent = self.queue.len(); // nobody will read it
                    break Err(error.into());
                }
            }
        };
        self.queue.drain(..sent);
        result
    }

    fn close(&mut self) {
        self.closed = true;
        self.pipe = None;
        self.buffer = Vec::new();
        self.queue = Vec::new();
    }
}

impl Drop for CommandFile {
    /// A file that was not closed: what is left to be written is, and the command is waited for, elsewhere.
    fn drop(&mut self) {
        let open = self.open.get_mut();
        let left = std::mem::take(&mut open.queue);
        let pipe = open.pipe.take().filter(|_| !left.is_empty());
        let commands = self.commands.take();
        if pipe.is_none() && matches!(try_wait(&mut open.child, commands.as_deref()), Some(Ok(_))) {
            return;
        }
        let pid = Pid::from_child(&open.child);
        let number = open.child.id();
        self.reaper.run_blocking(Box::new(move || {
            if let Some(pipe) = pipe {
                let mut rest = &left[..];
                let write = |rest: &[u8]| raw::without_sigpipe(|| rustix::io::write(&pipe, rest));
                while !rest.is_empty() {
                    match write(rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(rustix::io::Errno::AGAIN) => Until::Writable(Arc::clone(&pipe)).wait(),
                        Err(rustix::io::Errno::INTR) => {}
                        Err(_) => break,
                    }
                }
            }
            Until::Ended(pid).wait();
            let reap = || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).ok().flatten();
            let _ = commands.map_or_else(reap, |commands| commands.reap(number, reap));
        }));
    }
}

/// The end of a command, if it has ended or that cannot be told.
fn try_wait(child: &mut Child, commands: Option<&Commands>) -> Option<io::Result<ExitStatus>> {
    let number = child.id();
    let mut look = || child.try_wait().transpose();
    match commands {
        Some(commands) => commands.reap(number, look),
        None => look(),
    }
}

/// A wait for a command: says so if it is dropped before it is over.
pub(crate) struct Waiting(Option<Arc<CommandFile>>);

impl Waiting {
    pub(crate) fn new(file: &Arc<CommandFile>) -> Self {
        Self(file.commands.is_some().then(|| Arc::clone(file)))
    }

    pub(crate) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            file.cancelled();
        }
    }
}
