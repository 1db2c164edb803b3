//! [`Output`]: standard output and standard error, written to by threads of their own, so that a reader who is slow, or has stopped
//! to read, holds up nobody but those who print.
//!
//! **Who waits for whom.** [`Lane::put`] never waits: what is told about tasks, reports and dumps is taken however much there is. It is
//! not much: there is a bounded number of such lines for each task, goroutine or request. Whoever prints or logs puts its line first and then, if more than
//! [`FULL`] bytes are there, waits for [`Output::room`]: a goroutine parks, a command is not read on, a printer's thread sleeps. So there
//! is at most one line more than that for each of these; nothing is lost, and nothing cut in half, if one is cancelled while it waits. The lane's
//! thread wakes all of them when half of that is left. If it stands still because nobody reads, they wait on, and are cancelled or
//! overdue meanwhile as in every other wait. When nobody reads any more at all, what is there is dropped, and all are woken.
//!
//! Where both streams lead to the same file, terminal or pipe, one thread writes both, in the order in which things happen. While there is a
//! live display, lines come when they have an end, or get one.

use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::Notify;

use crate::pipe;
use crate::progress::{Draw, Progress};
use crate::whole_lines::WholeLines;

/// Whoever prints waits while there is more than this.
const FULL: u64 = 1 << 20;
/// As much is written at once; whether anybody reads is seen by that.
const PIECE: usize = 16 << 10;
/// While there is a live display, a line that has no end for that long is given one: it may be a question.
const UNFINISHED: Duration = Duration::from_millis(500);
/// Short lines are written together, up to what a pipe takes in one piece.
const TOGETHER: usize = 4 << 10;

/// One of the program's streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Output {
    errors: Arc<Lane>,
    /// The same, or another.
    out: Arc<Lane>,
}

/// What one thread writes.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    /// For the lane's thread: there is something.
    filled: Condvar,
    /// For those who wait for all to be written by blocking their thread.
    moved: Condvar,
    /// The same for those who do not block.
    progressed: Notify,
    /// For those who wait for room.
    room: Notify,
    live: OnceLock<Progress>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Item>,
    /// Sizes of all that was put there, and of all that is written or dropped.
    put: u64,
    done: u64,
    /// Whether the lane's thread sleeps.
    idle: bool,
    /// Those who wait for `moved`.
    watching: usize,
    /// Whether nobody is made to wait any more.
    open: bool,
    /// Why nothing more can be written.
    broken: Option<io::Error>,
}

#[derive(Debug)]
enum Item {
    Bytes(Stream, Vec<u8>),
    Draw(Draw),
}

impl Item {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(_, bytes) => bytes.len() as u64,
            Self::Draw(_) => 1,
        }
    }
}

impl Output {
    pub(crate) fn new() -> io::Result<Self> {
        let errors = Lane::begin(write_to)?;
        let out =
            if is_same(io::stdout(), io::stderr()) { Arc::clone(&errors) } else { Lane::begin(write_to)? };
        Ok(Self { errors, out })
    }

    /// Shows a live display on standard error from now on.
    pub(crate) fn show(&self, live: Progress) {
        let _ = self.errors.live.set(live);
    }

    pub(crate) fn is_live(&self) -> bool {
        self.errors.live.get().is_some()
    }

    pub(crate) fn draw(&self, draw: Draw) {
        self.errors.put(Item::Draw(draw));
    }

    /// Writes this, when what came before is written. Never waits.
    pub(crate) fn put(&self, stream: Stream, bytes: Vec<u8>) {
        self.lane(stream).put(Item::Bytes(stream, bytes));
    }

    /// Ready when those who print may go on. `None`: they may.
    pub(crate) fn room(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.lanes().all(Lane::has_room) {
            return None;
        }
        let (errors, out) = (Arc::clone(&self.errors), Arc::clone(&self.out));
        Some(async move {
            errors.room().await;
            out.room().await;
        })
    }

    /// The same for those who write to standard error alone.
    pub(crate) fn room_for_errors(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let errors = Arc::clone(&self.errors);
        (!errors.has_room()).then_some(async move { errors.room().await })
    }

    /// Ready when all that was put there before is written.
    pub(crate) fn written(&self) -> impl Future<Output = ()> + Send + 'static {
        let (errors, out) = (Arc::clone(&self.errors), Arc::clone(&self.out));
        async move {
            errors.written().await;
            out.written().await;
        }
    }

    /// From now on nobody is made to wait.
    pub(crate) fn open(&self) {
        self.lanes().for_each(|lane| {
            lane.lock().open = true;
            lane.room.notify_waiters();
        });
    }

    /// Blocks until all is written, or until nothing of it was for that long. How many bytes are left then of each stream.
    pub(crate) fn drain(&self, patience: Duration) -> (u64, u64) {
        let errors = self.errors.drain(patience);
        (if Arc::ptr_eq(&self.errors, &self.out) { 0 } else { self.out.drain(patience) }, errors)
    }

    /// Why standard output cannot be written to, unless that is because nobody reads it.
    pub(crate) fn failed(&self) -> Option<String> {
        self.out
            .lock()
            .broken
            .as_ref()
            .filter(|why| why.kind() != io::ErrorKind::BrokenPipe)
            .map(|why| why.to_string())
    }

    fn lane(&self, stream: Stream) -> &Lane {
        if stream == Stream::Stdout { &self.out } else { &self.errors }
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        [&*self.errors, &*self.out].into_iter()
    }
}

impl Lane {
    /// Starts the thread. It ends with the program: nothing waits for it but by [`drain`](Lane::drain).
    fn begin(write: impl FnMut(Stream, &[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Arc<Self>> {
        let lane = Arc::new(Self::default());
        let mut write = write;
        let own = Arc::clone(&lane);
        thread::Builder::new().name("output".into()).spawn(move || {
            // `None` when the live display is over.
            let mut lines = Some(WholeLines::default());
            loop {
                own.work(&mut write, &mut lines);
            }
        })?;
        Ok(lane)
    }

    fn put(&self, item: Item) {
        let mut state = self.lock();
        if state.broken.is_some() && matches!(item, Item::Bytes(..)) {
            return;
        }
        state.put += item.size();
        match (state.queue.back_mut(), item) {
            (Some(Item::Bytes(last, together)), Item::Bytes(stream, bytes))
                if *last == stream && together.len() + bytes.len() <= TOGETHER =>
            {
                together.extend_from_slice(&bytes);
            }
            (_, item) => state.queue.push_back(item),
        }
        if state.idle {
            self.filled.notify_one();
        }
    }

    /// Takes the next of what there is, when there is something, and writes it.
    fn work(&self, write: &mut impl FnMut(Stream, &[u8]) -> io::Result<()>, lines: &mut Option<WholeLines>) {
        let mut state = self.lock();
        let item = loop {
            if let Some(item) = state.queue.pop_front() {
                break Some(item);
            }
            state.idle = true;
            let mut is_over = false;
            state = if lines.as_ref().is_some_and(WholeLines::keeps) {
                let (state, waited) =
                    self.filled.wait_timeout(state, UNFINISHED).unwrap_or_else(PoisonError::into_inner);
                is_over = waited.timed_out() && state.queue.is_empty();
                state
            } else {
                self.filled.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
            state.idle = false;
            if is_over {
                break None;
            }
        };
        drop(state);
        let mut left = item.as_ref().map_or(0, Item::size);
        let ready = match (item, self.live.get(), lines.as_mut()) {
            (None, _, kept) => kept.map(WholeLines::ended).into_iter().flatten().collect(),
            (Some(item), live, kept) => match (item, live, kept) {
                (Item::Draw(Draw::Nothing), Some(live), Some(kept)) => {
                    live.draw(Draw::Nothing);
                    let rest = kept.rest();
                    *lines = None;
                    Vec::from(rest)
                }
                (Item::Draw(draw), live, _) => {
                    if let Some(live) = live {
                        live.draw(draw);
                    }
                    Vec::new()
                }
                (Item::Bytes(stream, bytes), Some(_), Some(kept)) => vec![(stream, kept.add(stream, &bytes))],
                (Item::Bytes(stream, bytes), ..) => vec![(stream, bytes)],
            },
        };
        for (stream, bytes) in &ready {
            for piece in bytes.chunks(PIECE) {
                let mut written = Ok(());
                match self.live.get() {
                    Some(live) => live.suspend(|| written = write(*stream, piece)),
                    None => written = write(*stream, piece),
                }
                if let Err(why) = written {
                    return self.give_up(why);
                }
                // What was kept back before is counted.
                let size = left.min(piece.len() as u64);
                left -= size;
                self.advance(size);
            }
        }
        self.advance(left);
    }

    fn advance(&self, size: u64) {
        let mut state = self.lock();
        let before = state.put - state.done;
        state.done += size;
        let now = state.put - state.done;
        if state.watching > 0 {
            self.moved.notify_all();
        }
        drop(state);
        self.progressed.notify_waiters();
        // `put` may have come in between, which makes it no smaller: whoever is woken looks for itself.
        if before > FULL / 2 && now <= FULL / 2 {
            self.room.notify_waiters();
        }
    }

    /// Nothing can be written any more.
    fn give_up(&self, why: io::Error) {
        let nobody_reads = why.kind() == io::ErrorKind::BrokenPipe;
        let mut state = self.lock();
        state.broken = Some(why);
        state.queue.retain(|item| matches!(item, Item::Draw(_)));
        state.done = state.put - state.queue.iter().map(Item::size).sum::<u64>();
        self.moved.notify_all();
        drop(state);
        self.progressed.notify_waiters();
        self.room.notify_waiters();
        if nobody_reads {
            pipe::broken();
        }
    }

    fn has_room(&self) -> bool {
        let state = self.lock();
        state.open || state.put - state.done <= FULL
    }

    async fn room(&self) {
        loop {
            let woken = self.room.notified();
            let mut woken = std::pin::pin!(woken);
            // From here on it is woken, before it has looked.
            woken.as_mut().enable();
            {
                let state = self.lock();
                if state.open || state.put - state.done <= FULL / 2 {
                    return;
                }
            }
            woken.await;
        }
    }

    async fn written(&self) {
        let until = self.lock().put;
        loop {
            let woken = self.progressed.notified();
            let mut woken = std::pin::pin!(woken);
            woken.as_mut().enable();
            if self.lock().done >= until {
                return;
            }
            woken.await;
        }
    }

    fn drain(&self, patience: Duration) -> u64 {
        let mut state = self.lock();
        let (mut seen, mut since) = (state.done, Instant::now());
        state.watching += 1;
        while state.done < state.put {
            if state.done != seen {
                (seen, since) = (state.done, Instant::now());
            }
            let Some(left) = patience.checked_sub(since.elapsed()) else { break };
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.watching -= 1;
        state.put - state.done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_to(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => write_all(io::stdout().as_fd(), bytes),
        Stream::Stderr => write_all(io::stderr().as_fd(), bytes),
    }
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever has started the program may have made it so that it does not block.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether both lead to the same file, terminal or pipe.
fn is_same(one: impl AsFd, other: impl AsFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _, pipe};

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    /// A lane whose other end nobody reads.
    fn stalled() -> (Arc<Lane>, PipeReader) {
        let (from, to) = pipe().unwrap();
        (Lane::begin(move |_, bytes| write_all(to.as_fd(), bytes)).unwrap(), from)
    }

    fn fill(lane: &Lane) -> Vec<u8> {
        let mut all = Vec::new();
        for number in 0.. {
            let line = format!("{number} {}\n", "x".repeat(5000));
            all.extend_from_slice(line.as_bytes());
            lane.put(Item::Bytes(Stream::Stdout, line.into_bytes()));
            if !lane.has_room() && all.len() > 3 << 20 {
                return all;
            }
        }
        unreachable!()
    }

    #[test]
    fn whoever_prints_waits_for_a_reader_and_nobody_else_does() {
        let (lane, mut reader) = stalled();
        let all = fill(&lane);
        let mut room = Box::pin(lane.room());
        assert!(block_on(poll_once(&mut room)).is_none());
        let reading = thread::spawn(move || {
            let mut read = vec![0; all.len()];
            reader.read_exact(&mut read).unwrap();
            assert_eq!(read, all);
        });
        block_on(room);
        block_on(lane.written());
        reading.join().unwrap();
        assert_eq!(lane.drain(Duration::from_secs(60)), 0);
    }

    #[test]
    fn the_end_waits_for_who_reads_slowly_and_not_for_who_does_not_read() {
        let (lane, mut reader) = stalled();
        let all = fill(&lane);
        assert!(lane.drain(Duration::from_millis(1)) > 0);
        let reading = thread::spawn(move || reader.read_to_end(&mut Vec::with_capacity(all.len())).is_ok());
        assert_eq!(lane.drain(Duration::from_secs(60)), 0);
        drop(lane);
        drop(reading);
    }

    #[test]
    fn whoever_waits_goes_on_at_the_end() {
        let (lane, _reader) = stalled();
        fill(&lane);
        let mut room = Box::pin(lane.room());
        assert!(block_on(poll_once(&mut room)).is_none());
        lane.lock().open = true;
        lane.room.notify_waiters();
        block_on(room);
    }

    #[test]
    fn what_cannot_be_written_holds_up_nobody() {
        let lane = Lane::begin(|_, _| Err(io::Error::other("full"))).unwrap();
        lane.put(Item::Bytes(Stream::Stdout, b"lost".to_vec()));
        assert_eq!(lane.drain(Duration::from_secs(60)), 0);
        assert!(lane.lock().broken.is_some());
    }
}
