//! Resuming a goroutine's coroutine, and what comes of it: it has parked, returned or failed.

use mlua::{Lua, MultiValue, Value};

use super::{Driven, End, Task};
use crate::fault;
use crate::goroutine::Shipped;
use crate::interrupt::Yielded;
use crate::isolate::Isolate;
use crate::packet::{self, Packet, Plain, Refusal, Roots, quick};
use crate::raw::{Coroutine, Kind, Resumed, Stack, protected, protected_bare};
use crate::state::State;

impl Task {
    /// Resumes the coroutine. `None` if it yielded.
    pub(super) fn resume(&mut self, first: Option<Shipped>) -> Option<(End, bool)> {
        let coroutine = self.coroutine;

        let Isolate { lua, state, .. } = &*self.isolate;
        let mut went = None;
        if first.is_none() {
            state.interrupts().into_iter().for_each(|interrupts| interrupts.take_up(coroutine));
            went = match coroutine.resume(lua) {
                // Most often it parks again: nothing then needs a protected call.
                Resumed::Yielded(_) => return None,
                ended => Some(ended),
            };
        }
        let mut came = Came::Raised(1);
        let lent = &mut self.lent;
        let code = self.member.as_ref().and_then(|member| member.code.as_deref());
        let resumed = protected_bare(lua, &mut |stack| {
            let resumed = match (went, &first) {
                (Some(went), _) => went,
                (None, first) => {
                    // Its globals are made while the packet is decoded: it is the running goroutine already.
                    let arrived = match (first, code) {
                        (Some(Shipped::Packet(packet)), _) => {
                            packet::decode_onto(stack, lua, state, packet, coroutine)
                        }
                        (Some(Shipped::Quick(values)), Some(code)) => {
                            quick::arrive(stack, state, code, values, coroutine)
                        }
                        _ => Err(packet::Malformed::NoFunction),
                    };
                    let arguments = match arrived {
                        Ok((arguments, given)) => {
                            *lent = given;
                            arguments
                        }
                        Err(why) => {
                            came = Came::Malformed(why.to_string());
                            return;
                        }
                    };
                    state.interrupts().into_iter().for_each(|interrupts| interrupts.take_up(coroutine));
                    stack.resume(coroutine, arguments)
                }
            };
            if let (Resumed::Returned(_) | Resumed::Failed, Some(interrupts)) = (&resumed, state.interrupts())
            {
                stack.goes_on_here(interrupts);
            }
            came = match resumed {
                Resumed::Returned(count) => results(stack, lua, state, coroutine, count),
                Resumed::Yielded(_) => Came::Yielded,
                Resumed::Failed => Came::Failed,
            };
            match came {
                Came::Yielded => {}
                Came::Returned(_) => {
                    lent.take().into_iter().for_each(|lent| state.loaded().take_back(stack, state, lent))
                }
                _ => lent.take().into_iter().for_each(|lent| state.loaded().forget(stack, state, lent)),
            }
        });
        drop(first);
        if let Err(message) = resumed {
            return Some((self.failed_with(&fault::clean(&message)), false));
        }
        match came {
            Came::Yielded => None,
            Came::Malformed(message) => Some((self.failed_with(&message), false)),
            Came::Returned(Ok(packet)) => Some((End::Done(packet), true)),
            Came::Returned(Err(Refusal::Cancelled)) => Some((End::Cancelled, true)),
            Came::Returned(Err(refusal)) => Some((self.failed_after(&refusal.to_string()), true)),
            Came::Raised(count) => {
                let values = protected(&self.isolate.lua, (), |stack| {
                    stack.take_from(coroutine, count);
                });
                match values {
                    Ok(values) => Some((self.returned(values), true)),
                    Err(error) => Some((self.failed_with(&fault::text(&error)), false)),
                }
            }
            Came::Failed => {
                let values = protected(&self.isolate.lua, (), |stack| {
                    if stack.reserve(4) {
                        stack.push_traceback(coroutine, 0);
                        stack.take_from(coroutine, 1);
                    }
                });
                let mut values = match values {
                    Ok(values) => values,
                    Err(error) => return Some((self.failed_with(&fault::text(&error)), false)),
                };
                let error = values.pop_back().unwrap_or(Value::Nil);
                if let Some(Value::String(traceback)) = values.pop_front() {
                    *self.running.rare().traceback.borrow_mut() =
                        Some(fault::traceback(&traceback.to_string_lossy()));
                }
                Some((self.raised(error), false))
            }
        }
    }

    /// Looks at why the coroutine yielded. `Some` if that was its end.
    pub(super) fn parked(&mut self) -> Option<(End, bool)> {
        let yielded = self.take_yielded();
        self.interrupted = yielded != Yielded::No;
        if yielded == Yielded::Here {
            return None; // its registers are on its stack
        }
        self.wait = self.running.take_wait();
        if self.wait.is_some() || self.driven.is_some() || self.interrupted {
            if self.driven.is_none() {
                self.coroutine.clear();
            }
            return None;
        }
        let coroutine = self.coroutine;
        let mut awaits_mlua = false;
        let _ = protected(&self.isolate.lua, (), |stack| {
            awaits_mlua = stack.awaits_mlua(coroutine);
            coroutine.clear();
        });
        if !awaits_mlua {
            return Some((self.failed_with("attempt to yield from outside a coroutine"), false));
        }
        let driven =
            self.isolate.thread(self.running.slot).and_then(|thread| thread.into_async::<MultiValue>(()));
        match driven {
            Ok(driven) => {
                let awaits_outside = self.isolate.state.system.woken_from_outside();
                let driven = Driven { future: Box::pin(driven), _awaits_outside: awaits_outside };
                self.driven = Some(Box::new(driven));
                None
            }
            Err(error) => Some((self.failed_with(&fault::text(&error)), false)),
        }
    }
}

/// What came of resuming a goroutine.
enum Came {
    Yielded,
    /// It returned; its results as a packet, or why they cannot be one.
    Returned(Result<Packet, Refusal>),
    /// `xpcall` returned so many values that tell of an error; they are on the coroutine's stack.
    Raised(i32),
    /// An error that nothing has caught; it is on the coroutine's stack.
    Failed,
    /// It could not be started.
    Malformed(String),
}

/// Takes the results of a coroutine that has returned.
fn results(stack: &mut Stack<'_>, lua: &Lua, state: &State, coroutine: Coroutine, count: i32) -> Came {
    if !stack.take_from(coroutine, count) {
        coroutine.clear();
        return Came::Malformed("the Lua stack is full".into());
    }
    for index in 1..=count {
        if stack.kind(index) == Kind::Userdata && stack.push_failure_text(index) {
            stack.replace(index);
        }
    }
    // Except on Lua 5.1 these are the results of `xpcall`.
    let mut values = count;
    if !cfg!(feature = "lua51") {
        if !stack.boolean(1) {
            stack.move_to(coroutine, count);
            return Came::Raised(count);
        }
        values -= 1;
    }
    if values == 0 {
        return Came::Returned(Ok(Packet::Empty));
    }
    if values == 1
        && let Some(value) = Plain::on_top(stack)
    {
        return Came::Returned(Ok(Packet::One(value)));
    }
    if values < count {
        stack.remove(1);
    }
    Came::Returned(packet::encode_stack(stack, lua, state, Roots::Values("result")))
}
