//! Where something stands in a script.

use std::sync::Arc;

use crate::raw::Position;

/// The place that was asked for last: a loop starts its goroutines from one line.
#[derive(Default)]
pub(crate) struct LastPlace {
    last: Option<(Position, Arc<str>)>,
}

impl LastPlace {
    /// The last place, if it was on this line. That it was in the same function is the caller's to know.
    pub(crate) fn on_line(&self, line: i32) -> Option<Arc<str>> {
        self.last.as_ref().filter(|(position, _)| position.line == line).map(|(_, place)| Arc::clone(place))
    }

    /// `file:line` for a position; `?` where Lua cannot tell.
    pub(crate) fn of(&mut self, position: Option<Position>) -> Arc<str> {
        let Some(position) = position else {
            return Arc::from("?");
        };
        if let Some((last, place)) = &self.last
            && *last == position
        {
            return Arc::clone(place);
        }
        let place: Arc<str> = Arc::from(format!("{}:{}", position.source(), position.line));
        self.last = Some((position, Arc::clone(&place)));
        place
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
