//! [`WholeLines`]: lines that have no end yet are kept back. A live display is drawn from the beginning of a line on, over what is there.

use crate::output::Stream;

/// A line that is longer than this is no line.
const LONGEST: usize = 64 << 10;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct WholeLines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl WholeLines {
    /// What can be written now.
    pub(crate) fn add(&mut self, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let kept = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        kept.extend_from_slice(bytes);
        let end = kept.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
        let end = if kept.len() - end.unwrap_or(0) > LONGEST { kept.len() } else { end.unwrap_or(0) };
        kept.drain(..end).collect()
    }

    /// Whether anything is kept back.
    pub(crate) fn keeps(&self) -> bool {
        !(self.stdout.is_empty() && self.stderr.is_empty())
    }

    /// What was kept back, as lines: they have waited for their end for too long.
    pub(crate) fn ended(&mut self) -> [(Stream, Vec<u8>); 2] {
        self.rest().map(|(stream, mut line)| {
            if !line.is_empty() {
                line.push(b'\n');
            }
            (stream, line)
        })
    }

    /// What was kept back.
    pub(crate) fn rest(&mut self) -> [(Stream, Vec<u8>); 2] {
        [
            (Stream::Stdout, std::mem::take(&mut self.stdout)),
            (Stream::Stderr, std::mem::take(&mut self.stderr)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_when_it_has_an_end_and_nothing_is_lost() {
        let mut lines = WholeLines::default();
        assert_eq!(lines.add(Stream::Stdout, b"one\ntw"), b"one\n");
        assert_eq!(lines.add(Stream::Stderr, b"other"), b"");
        assert_eq!(lines.add(Stream::Stdout, b"o\n"), b"two\n");
        assert_eq!(lines.add(Stream::Stdout, &vec![b'x'; LONGEST + 1]).len(), LONGEST + 1);
        assert_eq!(lines.ended(), [(Stream::Stdout, Vec::new()), (Stream::Stderr, b"other\n".to_vec())]);
        assert!(!lines.keeps() && lines.add(Stream::Stderr, b"other").is_empty() && lines.keeps());
        assert_eq!(lines.add(Stream::Stdout, b"end"), b"");
        assert_eq!(lines.rest(), [(Stream::Stdout, b"end".to_vec()), (Stream::Stderr, b"other".to_vec())]);
        assert_eq!(lines.rest(), [(Stream::Stdout, Vec::new()), (Stream::Stderr, Vec::new())]);
    }
}
