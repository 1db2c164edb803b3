//! stub
pub(crate) struct Slot;
impl Slot {
    pub(crate) fn begin(&self) {}
    pub(crate) fn finish(self, _e: Ended) {}
}
pub(crate) enum Ended {
    Completed,
    Failed,
    Cancelled,
}
pub(crate) type LuaPool = ();
