//! What the engine tells, as events.

use std::time::Duration;

use mlua::{LuaString, Table};

use crate::event::{Event, Status, TaskResult};
use crate::sink::{Origin, Sink};

pub(super) fn tell(sink: &Sink, kind: &str, fields: &Table) -> mlua::Result<()> {
    // What a script says may be any bytes: text is told as far as it is text.
    let optional = |name: &str| {
        let text = fields.raw_get::<Option<LuaString>>(name)?;
        Ok::<_, mlua::Error>(text.map(|text| text.to_string_lossy()))
    };
    let text = |name: &str| optional(name).map(Option::unwrap_or_default);
    let seconds = |name: &str| {
        let seconds = fields.raw_get::<Option<f64>>(name)?.unwrap_or_default();
        Ok::<_, mlua::Error>(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    };
    let count = |name: &str| fields.raw_get::<Option<u64>>(name).map(Option::unwrap_or_default);
    let (workflow, task) = (text("workflow")?, text("task")?);
    let (workflow, task) = (workflow.as_str(), task.as_str());
    match kind {
        "workflow_start" => sink.tell(&Event::WorkflowStart { workflow, tasks: count("tasks")? }),
        "workflow_end" => sink.tell(&Event::WorkflowEnd {
            workflow,
            success: fields.raw_get("success")?,
            duration: seconds("duration")?,
            error: optional("error")?.as_deref(),
        }),
        "warning" => {
            let origin = Origin { task: Some(task.to_owned()), ..Origin::default() };
            sink.log("warn", text("message")?.as_bytes(), &origin);
        }
        // The table has it, too.
        "hook_failed" => {
            let error = text("error")?;
            sink.add_error(workflow, task, &error);
            let trace = optional("traceback")?.map(|trace| format!("\n{trace}")).unwrap_or_default();
            let origin = Origin { task: Some(task.to_owned()), ..Origin::default() };
            sink.log("error", format!("{error}{trace}").as_bytes(), &origin);
        }
        "task_start" => sink.tell(&Event::TaskStart { workflow, task, attempt: count("attempt")? }),
        "task_retry" => sink.tell(&Event::TaskRetry {
            workflow,
            task,
            attempt: count("attempt")?,
            error: &text("error")?,
            delay: seconds("delay")?,
        }),
        _ => sink.tell(&Event::TaskEnd(&TaskResult {
            workflow: workflow.into(),
            task: task.into(),
            status: Status::of(&text("status")?),
            attempts: count("attempts")?,
            duration: seconds("duration")?,
            place: text("where")?,
            message: optional("message")?,
            error: optional("error")?,
            traceback: optional("traceback")?,
            artifacts: fields.raw_get::<Option<Vec<String>>>("artifacts")?.unwrap_or_default(),
        })),
    }
    Ok(())
}
