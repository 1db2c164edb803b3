//! [`Reading`]: one of the streams of a command, which is read as long as anybody has it open.
//!
//! **Who waits for whom.** A task of the thread for I/O reads; it ends when nobody has the stream open any more, which may be long after the
//! command: what that has started in the background may have it. Whoever runs the command waits for that a little, and takes what there is.
//! From then on, and if it is cancelled, nothing is kept, but the lines of a shell line are passed on as before; what else comes is read
//! and dropped, so that nobody is held up by a full pipe, or ended by a broken one. At the end of the program background processes
//! are killed, and the last lines awaited, by [`Shared::printed`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

use crate::shared::Shared;
use crate::sink::Stream;

/// How much of what a command prints is kept, and how long a line may be that is passed on in one piece.
const MOST: usize = 64 << 20;

/// See the module's page. Dropping it keeps nothing any more.
pub(super) struct Reading {
    kept: Arc<Kept>,
    reader: Option<JoinHandle<Result<(), String>>>,
}

#[derive(Default)]
struct Kept {
    bytes: Mutex<Bytes>,
    /// Whether the reader waits for somebody who reads slowly what it passes on.
    is_held: AtomicBool,
}

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// How much came before that.
    dropped: u64,
    /// Whether nobody needs it any more.
    closed: bool,
}

impl Reading {
    /// Begins, on the thread for I/O. `name`: the task under whose name lines are passed on, if they are.
    pub(super) fn begin(
        from: Option<impl AsyncRead + Unpin + Send + 'static>,
        stream: Stream,
        name: Option<&str>,
        shared: &Arc<Shared>,
    ) -> Self {
        let kept = Arc::new(Kept::default());
        let reader = from.map(|from| {
            let (kept, name, shared) = (Arc::clone(&kept), name.map(str::to_owned), Arc::clone(shared));
            let reading = shared.reading();
            tokio::spawn(async move {
                let read = read(from, &kept, stream, name.as_deref(), &shared).await;
                drop(reading);
                read
            })
        });
        Self { kept, reader }
    }

    /// Waits until nobody has the stream open any more. May be dropped, and called again.
    ///
    /// # Errors
    /// When it cannot be read, or there is too much to keep.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let ended = reader.await.unwrap_or_else(|_| Err("an internal error".into()));
        self.reader = None;
        ended
    }

    /// Whether it goes on as soon as somebody has read what was passed on.
    pub(super) fn is_held(&self) -> bool {
        self.reader.is_some() && self.kept.is_held.load(Ordering::SeqCst)
    }

    /// What is kept. Of what is too long to be kept the end, with a line in front that says so.
    pub(super) fn take(self) -> Vec<u8> {
        let Bytes { mut bytes, dropped, .. } = std::mem::take(&mut *self.kept.lock());
        if dropped > 0 {
            bytes.splice(..0, format!("... {dropped} bytes that came before are not kept\n").into_bytes());
        }
        bytes
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        *self.kept.lock() = Bytes { closed: true, ..Bytes::default() };
    }
}

impl Kept {
    /// Keeps this, too. If that is too much and was passed on, the first half is given up.
    fn keep(&self, more: &[u8], is_passed_on: bool) -> Result<(), String> {
        let mut kept = self.lock();
        if kept.closed {
            return Ok(());
        }
        kept.bytes.extend_from_slice(more);
        if kept.bytes.len() > MOST {
            if !is_passed_on {
                return Err(format!("the command has printed more than {} MiB", MOST >> 20));
            }
            let half = kept.bytes.len() / 2;
            let line =
                kept.bytes[half..].iter().position(|byte| *byte == b'\n').map_or(half, |end| half + end + 1);
            kept.bytes.drain(..line);
            kept.dropped += line as u64;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps what comes, and passes each line on if there is a name for that.
async fn read(
    mut from: impl AsyncRead + Unpin,
    kept: &Kept,
    stream: Stream,
    name: Option<&str>,
    shared: &Shared,
) -> Result<(), String> {
    let mut buffer = vec![0; 16 << 10];
    // Of a line that has not ended.
    let mut begun = Vec::new();
    loop {
        let count = from.read(&mut buffer).await.map_err(|error| error.to_string())?;
        let Some(name) = name else {
            if count == 0 {
                return Ok(());
            }
            kept.keep(&buffer[..count], false)?;
            continue;
        };
        if count == 0 {
            if !begun.is_empty() {
                shared.sink.shell(name, stream, &begun);
            }
            return Ok(());
        }
        kept.keep(&buffer[..count], true)?;
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if begun.pop_if(|last| *last == b'\n').is_some() || begun.len() > MOST {
                shared.sink.shell(name, stream, &begun);
                begun.clear();
            }
        }
        // Then the command is held up, and its time limit goes on.
        if let Some(room) = shared.sink.room() {
            kept.is_held.store(true, Ordering::SeqCst);
            room.await;
            kept.is_held.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_too_long_and_was_passed_on_whole_lines_at_the_end_are_kept() {
        let kept = Arc::new(Kept::default());
        let lines = b"0123456\n".repeat(1 << 13);
        for _ in 0..MOST / lines.len() {
            kept.keep(&lines, true).unwrap();
        }
        assert_eq!(kept.lock().dropped, 0);
        kept.keep(b"the last\n", true).unwrap();
        let bytes = Reading { kept, reader: None }.take();
        let text = format!("... {} bytes that came before are not kept\n0123456\n", MOST / 2 + 8);
        assert!(bytes.starts_with(text.as_bytes()), "{}", String::from_utf8_lossy(&bytes[..100]));
        assert!(bytes.ends_with(b"\n0123456\nthe last\n"));
    }

    #[test]
    fn what_nobody_needs_is_not_kept() {
        let kept = Arc::new(Kept::default());
        let reading = Reading { kept: Arc::clone(&kept), reader: None };
        kept.keep(b"some", false).unwrap();
        drop(reading);
        kept.keep(b"more", false).unwrap();
        assert!(kept.lock().bytes.is_empty());
    }
}
