//! What others have written, as the runner shows it: control characters are seen and not obeyed, so that no name and no message can pass
//! for a line of the runner's own, or move the cursor.
//!
//! They are written as `\r` or `\u{1b}`, which Lua reads. Backslashes stay as they are: this is for people, and nothing reads it back.

use std::borrow::Cow;

/// How far lines after the first stand from the left: no line of the runner's own begins with as much and goes on with a name.
pub(crate) const INDENT: &str = "    ";

/// A name, or another text that is a part of a line.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// A message, which may have several lines, with tabs in them. Those after the first are indented; empty ones at the end are left out.
pub(crate) fn lines<'a>(text: &'a str, indent: &str) -> Cow<'a, str> {
    let text = escaped(text.trim_end_matches('\n'), |c| is_control(c) && c != '\n' && c != '\t');
    if text.contains('\n') { text.replace('\n', &format!("\n{indent}")).into() } else { text }
}

/// Also what separates lines, and what turns the direction of the text around.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, wrong: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&wrong) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if wrong(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_seen_and_text_is_as_it_was() {
        assert_eq!(
            line("a\nb\r\t\u{1b}[2J\u{7}\0\u{7f}\u{9b}"),
            "a\\nb\\r\\t\\u{1b}[2J\\u{7}\\u{0}\\u{7f}\\u{9b}"
        );
        assert_eq!(line("\u{202e}live\u{2028}"), "\\u{202e}live\\u{2028}");
        assert_eq!(line("größer \\n 'x' \"y\" 構"), "größer \\n 'x' \"y\" 構");
        assert_eq!(lines("one\n\ttwo\r\n", INDENT), "one\n    \ttwo\\r");
    }
}
