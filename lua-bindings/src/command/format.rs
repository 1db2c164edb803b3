//! What `file:read` is asked for, found in what has been read so far.

/// One thing to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line, with its end or without.
    Line { keep_end: bool },
    /// Everything up to the end.
    All,
    /// What looks like a number.
    Number,
    /// So many bytes; for 0, whether there is anything.
    Count(usize),
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    /// Text that may be a number.
    Numeral(Vec<u8>),
    /// There was nothing.
    None,
}

/// The longest numeral that Lua reads.
const LONGEST: usize = 200;

impl Format {
    /// As Lua writes it. A star in front, which Lua up to 5.2 wants, is no matter.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        match *text.strip_prefix(b"*").unwrap_or(text).first()? {
            b'l' => Some(Self::Line { keep_end: false }),
            b'L' => Some(Self::Line { keep_end: true }),
            b'a' => Some(Self::All),
            b'n' => Some(Self::Number),
            _ => None,
        }
    }

    /// The first such thing of `bytes`, and how many of them it takes. `None`: that cannot be said before more is read.
    fn read(self, bytes: &[u8], ended: bool, scanned: &mut usize) -> Option<(Piece, usize)> {
        match self {
            Self::Line { keep_end } => match bytes[*scanned..].iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let end = *scanned + end;
                    Some((Piece::Text(bytes[..end + usize::from(keep_end)].to_vec()), end + 1))
                }
                None if !ended => {
                    *scanned = bytes.len();
                    None
                }
                None => Some(rest(bytes)),
            },
            Self::All => ended.then(|| (Piece::Text(bytes.to_vec()), bytes.len())),
            Self::Count(0) if bytes.is_empty() => ended.then_some((Piece::None, 0)),
            Self::Count(count) if count <= bytes.len() => Some((Piece::Text(bytes[..count].to_vec()), count)),
            Self::Count(_) => ended.then(|| rest(bytes)),
            Self::Number => number(bytes, ended),
        }
    }
}

/// All of it, or nothing if there is nothing.
fn rest(bytes: &[u8]) -> (Piece, usize) {
    if bytes.is_empty() { (Piece::None, 0) } else { (Piece::Text(bytes.to_vec()), bytes.len()) }
}

/// The longest beginning that could be one of a number, by Lua's own rules, white space in front of it aside.
fn number(bytes: &[u8], ended: bool) -> Option<(Piece, usize)> {
    let space = bytes.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    let text = &bytes[space..];
    let mut at = 0;
    let is = |at: usize, set: &[u8]| text.get(at).is_some_and(|byte| set.contains(byte));
    at += usize::from(is(at, b"+-"));
    let (mut digits, mut hex) = (0, false);
    if is(at, b"0") {
        at += 1;
        hex = is(at, b"xX");
        at += usize::from(hex);
        digits += usize::from(!hex);
    }
    let run = |at: &mut usize, hex: bool| {
        let fits = |byte: &u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        let run = text[(*at).min(text.len())..].iter().take_while(|byte| fits(byte)).count();
        *at += run;
        run
    };
    digits += run(&mut at, hex);
    if is(at, b".") {
        at += 1;
        digits += run(&mut at, hex);
    }
    if digits > 0 && is(at, if hex { b"pP" } else { b"eE" }) {
        at += 1;
        at += usize::from(is(at, b"+-"));
        run(&mut at, false);
    }
    if at > LONGEST {
        return Some((Piece::Numeral(Vec::new()), space + LONGEST));
    }
    if at == text.len() && !ended {
        return None;
    }
    Some((Piece::Numeral(text[..at].to_vec()), space + at))
}

/// What the formats ask for, in order, and how many bytes that takes: up to the first that finds nothing. `None`: more has to be
/// read. `scanned` is kept between such calls on the same, growing bytes.
pub(super) fn read_all(
    bytes: &[u8],
    ended: bool,
    formats: &[Format],
    scanned: &mut usize,
) -> Option<(Vec<Piece>, usize)> {
    let mut pieces = Vec::with_capacity(formats.len());
    let mut taken = 0;
    for (index, format) in formats.iter().enumerate() {
        let last = index + 1 == formats.len();
        let mut none = 0;
        // What was scanned for is the last thing's end: those before it are found at once, again.
        let scanned = if last { &mut *scanned } else { &mut none };
        *scanned = (*scanned).min(bytes.len() - taken);
        let (piece, more) = format.read(&bytes[taken..], ended, scanned)?;
        taken += more;
        let stop = match &piece {
            Piece::None => true,
            Piece::Numeral(text) => !is_number(text),
            Piece::Text(_) => false,
        };
        pieces.push(piece);
        if stop {
            break;
        }
    }
    Some((pieces, taken))
}

/// Whether the text has what every number has. Lua decides for good.
fn is_number(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Format = Format::Line { keep_end: false };

    fn read(bytes: &[u8], ended: bool, formats: &[Format]) -> Option<(Vec<Piece>, usize)> {
        read_all(bytes, ended, formats, &mut 0)
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn numeral(text: &str) -> Piece {
        Piece::Numeral(text.into())
    }

    #[test]
    fn a_line_is_waited_for_until_it_ends() {
        assert_eq!(read(b"one", false, &[LINE]), None);
        assert_eq!(read(b"one\ntwo", false, &[LINE]), Some((vec![text("one")], 4)));
        assert_eq!(read(b"one\n", false, &[Format::Line { keep_end: true }]), Some((vec![text("one\n")], 4)));
        assert_eq!(read(b"one", true, &[LINE]), Some((vec![text("one")], 3)));
        assert_eq!(read(b"", true, &[LINE, LINE]), Some((vec![Piece::None], 0)));
    }

    #[test]
    fn what_was_searched_is_not_searched_again() {
        let mut scanned = 0;
        assert_eq!(read_all(b"abc", false, &[LINE], &mut scanned), None);
        assert_eq!(scanned, 3);
        assert_eq!(read_all(b"abcd\n", false, &[LINE], &mut scanned), Some((vec![text("abcd")], 5)));
        // Of two lines, only the second is waited for.
        scanned = 0;
        assert_eq!(read_all(b"a\nbc", false, &[LINE, LINE], &mut scanned), None);
        assert_eq!(
            read_all(b"a\nbc\n", false, &[LINE, LINE], &mut scanned),
            Some((vec![text("a"), text("bc")], 5))
        );
    }

    #[test]
    fn bytes_are_counted() {
        assert_eq!(read(b"ab", false, &[Format::Count(3)]), None);
        assert_eq!(read(b"abcd", false, &[Format::Count(3)]), Some((vec![text("abc")], 3)));
        assert_eq!(read(b"ab", true, &[Format::Count(3)]), Some((vec![text("ab")], 2)));
        assert_eq!(read(b"", false, &[Format::Count(0)]), None);
        assert_eq!(read(b"a", false, &[Format::Count(0)]), Some((vec![text("")], 0)));
        assert_eq!(read(b"", true, &[Format::Count(0)]), Some((vec![Piece::None], 0)));
        assert_eq!(read(b"", true, &[Format::All]), Some((vec![text("")], 0)));
        assert_eq!(read(b"ab", false, &[Format::All]), None);
    }

    #[test]
    fn numbers_end_where_lua_ends_them() {
        for (given, taken) in [
            (" 12 ", " 12"),
            ("\n-3.5e+7x", "\n-3.5e+7"),
            ("0x1Fp-2g", "0x1Fp-2"),
            ("00x1", "00"),
            (".5.5", ".5"),
            ("1e ", "1e"),
            ("+-1", "+"),
            ("nan", ""),
            ("0x ", "0x"),
        ] {
            let (pieces, count) = read(given.as_bytes(), false, &[Format::Number]).unwrap();
            assert_eq!(count, taken.len(), "{given}");
            assert_eq!(pieces, [numeral(taken.trim_start())], "{given}");
        }
        assert_eq!(read(b"  12", false, &[Format::Number]), None);
        assert_eq!(read(b"  12", true, &[Format::Number]), Some((vec![numeral("12")], 4)));
        assert_eq!(read(b"", true, &[Format::Number]), Some((vec![numeral("")], 0)));
        let long = "1".repeat(300);
        assert_eq!(read(long.as_bytes(), false, &[Format::Number]), Some((vec![numeral("")], LONGEST)));
    }

    #[test]
    fn formats_are_those_of_all_luas() {
        assert_eq!(Format::parse(b"*l"), Some(LINE));
        assert_eq!(Format::parse(b"line"), Some(LINE));
        assert_eq!(Format::parse(b"a"), Some(Format::All));
        assert_eq!(Format::parse(b"*n"), Some(Format::Number));
        assert_eq!(Format::parse(b"x"), None);
        assert_eq!(Format::parse(b""), None);
    }
}
