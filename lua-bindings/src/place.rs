//! Where something stands in a script.

use std::sync::Arc;

use crate::raw::Position;

/// The places that were asked for last: a loop starts its goroutines from one line.
#[derive(Default)]
pub(crate) struct LastPlace {
    /// By primitives on the Lua stack. Its text is lent, and [given back](Self::give_back): a reference to it would have to be
    /// counted each time.
    last: Option<Position>,
    text: Option<Arc<str>>,
    /// By others.
    other: Option<(Position, Arc<str>)>,
}

impl LastPlace {
    /// The last place that was lent, if it was on this line. That it was in the same function is the caller's to know.
    pub(crate) fn lend_on_line(&mut self, line: i32) -> Option<Arc<str>> {
        let same = self.last.as_ref().is_some_and(|last| last.line == line);
        if same { self.text.take() } else { None }
    }

    /// `file:line` for a position; `?` where Lua cannot tell.
    pub(crate) fn lend(&mut self, position: Option<Position>) -> Arc<str> {
        let text = self.text.take().filter(|_| position.is_some() && self.last == position);
        self.last = position;
        text.unwrap_or_else(|| text_of(position))
    }

    /// Takes back what was lent last.
    pub(crate) fn give_back(&mut self, text: Arc<str>) {
        self.text = Some(text);
    }

    /// The same text to keep.
    pub(crate) fn of(&mut self, position: Option<Position>) -> Arc<str> {
        match (&self.other, position) {
            (Some((last, text)), Some(position)) if *last == position => Arc::clone(text),
            (_, position) => {
                let text = text_of(position);
                self.other = position.map(|position| (position, Arc::clone(&text)));
                text
            }
        }
    }
}

fn text_of(position: Option<Position>) -> Arc<str> {
    match position {
        Some(position) => Arc::from(format!("{}:{}", position.source(), position.line)),
        None => Arc::from("?"),
    }
}

/// A chunk's name as messages show it: a file's path, `[string "..."]` for code from a string.
pub(crate) fn short_source(source: &str) -> String {
    if let Some(name) = source.strip_prefix(['@', '=']) {
        return name.to_owned();
    }
    let first = source.lines().next().unwrap_or("");
    if first.len() == source.len() && first.chars().count() <= 40 {
        format!("[string \"{first}\"]")
    } else {
        let head: String = first.chars().take(37).collect();
        format!("[string \"{head}...\"]")
    }
}
