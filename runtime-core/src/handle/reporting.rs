//! [`Reporting`]: what becomes of a failure that nobody awaits.

/// Told of a failure that nobody will await. A plain function, so that a task carries no count of those who share it:
/// whatever else the report needs is for the failure to know.
pub type Report<E> = fn(&E);

/// When a failure is reported.
#[derive(Debug)]
pub enum Reporting<E> {
    /// Never; whoever holds the handle sees to it.
    Never,
    /// When the task fails, awaited or not.
    AtOnce(Report<E>),
    /// Once nobody can await it any more: the last handle is gone and the failure was never seen.
    IfUnseen(Report<E>),
}

impl<E> Reporting<E> {
    /// What is told, and whether at once: apart, two words of a task become one and a bit.
    pub(super) fn into_parts(self) -> (Option<Report<E>>, bool) {
        match self {
            Self::Never => (None, false),
            Self::AtOnce(report) => (Some(report), true),
            Self::IfUnseen(report) => (Some(report), false),
        }
    }
}
