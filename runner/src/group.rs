//! [`Group`]: a command of ours, which leads a process group, so that what it has started ends with it.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::Poll;

use goroutine::Commands;
use rustix::fs::{Access, access};
use tokio::process::{Child, Command};

use crate::io::without_mask;
use crate::modules::fs::reason;

/// A command and what it has started. Dropped before it has ended, all of that is killed: but at the end of the program, where that would
/// come too late, by [`Commands::end`].
pub(crate) struct Group {
    pub(crate) child: Child,
    commands: Arc<Commands>,
    /// `None` once it was waited for.
    leader: Option<u32>,
}

impl Group {
    pub(crate) fn start(command: &mut Command, commands: &Arc<Commands>) -> Result<Self, String> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let folder = command.as_std().get_current_dir().map(std::path::Path::to_owned);
        let child = commands.start(|| without_mask(|| command.process_group(0).spawn()), Child::id);
        let child = child.map_err(|error| match folder {
            Some(folder) if !folder.is_dir() => format!("cannot run in {}: no such folder", folder.display()),
            Some(folder) if access(&folder, Access::EXEC_OK).is_err() => {
                format!("cannot run in {}: permission denied", folder.display())
            }
            _ if error.kind() == ErrorKind::NotFound => format!("cannot run {program}: no such program"),
            _ => format!("cannot run {program}: {}", reason(&error)),
        })?;
        Ok(Self { leader: child.id(), child, commands: Arc::clone(commands) })
    }

    /// Waits for its end. May be dropped, and called again.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, String> {
        let Self { child, commands, leader } = self;
        let mut wait = pin!(child.wait());
        let status = poll_fn(|context| {
            let Some(number) = *leader else { return wait.as_mut().poll(context) };
            let ended = commands.reap(number, || match wait.as_mut().poll(context) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            });
            let Some(ended) = ended else { return Poll::Pending };
            *leader = None;
            Poll::Ready(ended)
        });
        status.await.map_err(|error| error.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.take() {
            self.commands.give_up(leader);
        }
    }
}
