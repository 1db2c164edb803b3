//! The table at the end.

use std::fmt::Write;

use crate::duration;
use crate::event::TaskResult;
use crate::visible;

/// How much of an error stands in the table; all of it was told when it happened.
const ERROR: usize = 60;

/// A line a task, under a line of headings.
pub(crate) fn table(results: &[TaskResult], colour: bool) -> String {
    let workflows =
        results.first().is_some_and(|first| results.iter().any(|result| result.workflow != first.workflow));
    let name = |result: &TaskResult| {
        let task = visible::line(&result.task);
        if workflows { format!("{}: {task}", visible::line(&result.workflow)) } else { task.into_owned() }
    };
    let width = results.iter().map(|result| name(result).chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "\n{:width$}  {:9}  {:>8}  {:>9}  {:6}  error\n",
        "task", "status", "attempts", "duration", "where"
    );
    text = text.trim_end().to_owned() + "\n";
    for result in results {
        // The colour has no width.
        let status = result.status.shown(colour) + &" ".repeat(9 - result.status.name().len());
        let duration = if result.attempts > 0 { duration::show(result.duration) } else { "-".into() };
        let place = if result.place.is_empty() { "-" } else { &result.place };
        let error = short(result.error.as_deref().unwrap_or_default());
        let line = format!(
            "{:width$}  {status}  {:>8}  {duration:>9}  {place:6}  {error}",
            name(result),
            result.attempts
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.pop();
    text
}

/// The first line of an error, or the beginning of that.
fn short(error: &str) -> String {
    // Not by `lines`, which takes a CR for a part of the line break.
    let line = visible::line(error.split('\n').next().unwrap_or_default());
    match line.char_indices().nth(ERROR) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.into_owned(),
    }
}
