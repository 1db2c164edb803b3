//! [`Ledger`]: which tasks have ended, and how, and which have not.

use std::time::{Duration, Instant};

use crate::event::{Event, Status, TaskResult};

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Those that have ended, in that order.
    pub(crate) ended: Vec<TaskResult>,
    /// Those that have not.
    pub(crate) coming: Vec<Coming>,
    /// Whether the rest was given up.
    cancelled: bool,
}

/// A task that has not ended.
#[derive(Debug)]
pub(crate) struct Coming {
    workflow: String,
    task: String,
    /// When its first attempt began, if it has, and how many there were.
    begun: Option<Instant>,
    attempts: u64,
}

impl Coming {
    pub(crate) fn new(workflow: String, task: String) -> Self {
        Self { workflow, task, begun: None, attempts: 0 }
    }
}

impl Ledger {
    /// Notes what happened. Whether it is to be told: nothing of a task is once that was given up.
    pub(crate) fn takes(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::TaskStart { workflow, task, attempt } => {
                if let Some(at) = self.find(workflow, task) {
                    let coming = &mut self.coming[at];
                    coming.begun.get_or_insert_with(Instant::now);
                    coming.attempts = *attempt;
                }
                !self.cancelled
            }
            Event::TaskRetry { .. } => !self.cancelled,
            Event::TaskEnd(result) => {
                if let Some(at) = self.find(&result.workflow, &result.task) {
                    self.coming.remove(at);
                }
                if !self.cancelled {
                    self.ended.push((*result).clone());
                }
                !self.cancelled
            }
            _ => true,
        }
    }

    /// A task that has ended has failed once more.
    pub(crate) fn add_error(&mut self, workflow: &str, task: &str, error: &str) {
        let ended = self.ended.iter_mut().find(|result| result.task == task && result.workflow == workflow);
        if let Some(result) = ended {
            let before = result.error.take().map(|error| error + "\n").unwrap_or_default();
            result.error = Some(before + error);
        }
    }

    /// What becomes of those that have not ended, if the program does now, for this reason. `stuck`: a task that cannot be stopped.
    pub(crate) fn cancel_rest(&mut self, why: &str, stuck: Option<&str>) -> Vec<TaskResult> {
        self.cancelled = true;
        let is_stuck = |coming: &Coming| coming.begun.is_some() && stuck == Some(&*coming.task);
        let rest = std::mem::take(&mut self.coming).into_iter().map(|coming| TaskResult {
            status: if is_stuck(&coming) { Status::Timeout } else { Status::Cancelled },
            error: Some(if is_stuck(&coming) { "timeout exceeded" } else { why }.into()),
            workflow: coming.workflow,
            task: coming.task,
            attempts: coming.attempts,
            duration: coming.begun.map_or(Duration::ZERO, |begun| begun.elapsed()),
            place: if coming.attempts > 0 { "local".into() } else { String::new() },
            message: None,
            traceback: None,
            artifacts: Vec::new(),
        });
        let rest: Vec<_> = rest.collect();
        self.ended.extend(rest.iter().cloned());
        rest
    }

    fn find(&self, workflow: &str, task: &str) -> Option<usize> {
        self.coming.iter().position(|coming| coming.task == task && coming.workflow == workflow)
    }
}
