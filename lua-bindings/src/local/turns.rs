//! Turns: how a home state's thread serves the queue of its goroutines.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use mlua::Lua;

use super::Local;
use super::goroutine::Goroutine;
use super::post::Turn;
use crate::goroutine::Waiting;
use crate::inquiry::look;
use crate::raw::protected_bare;
use crate::state::State;

impl Local {
    /// Waits for `future`, and runs goroutines meanwhile.
    ///
    /// Woken by what the future waits for, by the [`Post`] when there is something to run, and when the system is closing: then
    /// all goroutines are cancelled. Dropping it leaves all as it
    /// is: the next one who waits serves the queue.
    pub(crate) fn drive<'a, T: 'a>(
        &'a self,
        lua: &'a Lua,
        state: &'a Rc<State>,
        future: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = T> + 'a {
        let mut future = Box::pin(future);
        let mut ran = false;
        // Only who really blocks has to hear of it.
        let mut closing = None;
        let mut asked = None;
        poll_fn(move |cx| {
            loop {
                let polled = future.as_mut().poll(cx);
                if polled.is_ready() {
                    // A loop of calls that need not wait lets others run, too.
                    if !ran {
                        self.round(lua, state);
                    }
                    return polled;
                }
                ran = true;
                self.answer_if_asked(lua, state);
                if self.round(lua, state) || !self.post.listen(cx.waker()) {
                    continue;
                }
                let inquiries = &state.system.inquiries;
                let is_asked = asked.get_or_insert_with(|| Box::pin(inquiries.asked_after(&self.answered)));
                if is_asked.as_mut().poll(cx).is_ready() {
                    asked = None;
                    continue;
                }
                let closing = closing.get_or_insert_with(|| Box::pin(state.system.closing()));
                if self.cancelled.get() || closing.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
    }

    /// Answers the questions that are open: its goroutines stand still meanwhile.
    pub(crate) fn answer_if_asked(&self, lua: &Lua, state: &State) {
        let inquiries = &state.system.inquiries;
        if inquiries.are_open() {
            inquiries.answer(&self.answered, || look(lua, &state.system, self.living(state)));
        }
    }

    /// How many turns its goroutines have had.
    pub(crate) fn turns(&self) -> u64 {
        self.turn_count.get()
    }

    /// Gives everyone who is ready a turn. False if nobody was.
    fn round(&self, lua: &Lua, state: &Rc<State>) -> bool {
        if state.system.is_closing() {
            self.cancel_for_closing();
        }
        let mut ran = false;
        {
            let mut turns = self.turns.borrow_mut();
            if turns.is_empty() {
                self.post.take(&mut turns);
            }
        }
        let next = || self.post.take_ahead().or_else(|| self.turns.borrow_mut().pop_front());
        while let Some(turn) = next() {
            ran = true;
            self.give(lua, state, turn);
        }
        if ran {
            let _ = protected_bare(lua, &mut |stack| self.sweep(stack));
        }
        ran
    }

    /// Gives whoever has this turn its time, until it parks.
    pub(super) fn give(&self, lua: &Lua, state: &Rc<State>, turn: Turn) {
        self.turn_count.set(self.turn_count.get() + 1);
        match turn {
            Turn::Start(waiting, ahead) => self.begin(lua, state, waiting, ahead),
            Turn::Woken(bell) => {
                bell.answer();
                let goroutine = {
                    let mut parked = self.parked.borrow_mut();
                    // Another one may have the slot by now; or it has its turn already, further out on the call stack.
                    parked.get_mut(bell.slot).and_then(|place| place.take_if(|one| one.has(&bell)))
                };
                if let Some(goroutine) = goroutine {
                    self.waiting.set(self.waiting.get() - 1);
                    self.go_on(lua, state, goroutine, true);
                }
            }
        }
    }

    /// Starts a goroutine, if it has not been cancelled, and runs it until it parks.
    fn begin(&self, lua: &Lua, state: &Rc<State>, waiting: Waiting, ahead: bool) {
        let Some(start) = waiting.take() else {
            return;
        };
        let mut goroutine = match self.worker(lua) {
            Ok((slot, coroutine)) => Goroutine::new(start, slot, coroutine, &self.post),
            Err(why) => return start.fail(&why),
        };
        goroutine.set_ahead(ahead);
        if !goroutine.run(self, lua, state) {
            self.go_on(lua, state, Box::new(goroutine), false);
        }
    }

    fn go_on(&self, lua: &Lua, state: &Rc<State>, mut goroutine: Box<Goroutine>, woken: bool) {
        if goroutine.poll(self, lua, state, woken) {
            return;
        }
        let slot = goroutine.slot();
        let mut parked = self.parked.borrow_mut();
        if parked.len() <= slot {
            parked.resize_with(slot + 1, || None);
        }
        parked[slot] = Some(goroutine);
        self.waiting.set(self.waiting.get() + 1);
    }
}
