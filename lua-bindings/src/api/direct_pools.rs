//! `pool_submit` and `pool_async` on the Lua stack (see [`super::direct`]).

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::HandleObject;
use super::direct::{FACED, prepare};
use super::pools::{Gives, Refused, Submitting, find, inside, refused};
use crate::object::Object;
use crate::pool::PoolTask;
use crate::raw::{Kind, Number, Stack, Went};
use crate::state::{DONE, State};

/// Submits to a pool that takes it, or refuses it, at once. Where it has to wait for room, the general primitive waits, with
/// what is prepared here.
pub(super) fn submit(stack: &mut Stack<'_>, state: &Rc<State>, gives: Gives) -> Went {
    // One that nobody has come for belongs to a call that ran out of memory.
    drop(state.submitting.take());
    if stack.kind(1) != Kind::String || stack.kind(2) != Kind::Function || !state.system.is_started() {
        return Went::General;
    }
    let mut recent = state.recent_pool.borrow_mut().take();
    if recent.as_ref().is_none_or(|pool| pool.name().as_bytes() != stack.string(1)) {
        recent = std::str::from_utf8(stack.string(1)).ok().and_then(|name| find(state, name));
    }
    // A pool that is not closed has its name still: it is taken over once the pool has ended.
    let Some(pool) = recent.filter(|pool| !pool.is_closed()) else {
        return Went::General;
    };
    stack.remove(1);
    let prepared = prepare(stack, state, gives.report(), FACED);
    let again = |stack: &mut Stack<'_>, went| {
        stack.push_bytes(pool.name().as_bytes());
        stack.insert(1);
        went
    };
    let (start, handle) = match prepared {
        Ok(prepared) => prepared,
        Err(went) => return again(stack, went),
    };
    let mut submit = pool.submit(PoolTask::new(start, &pool), 0, inside(state));
    let went = match Pin::new(&mut submit).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => {
            state.submitting.set(Some(Submitting { submit, handle }));
            again(stack, Went::General)
        }
        Poll::Ready(submitted) => {
            stack.truncate(0);
            stack.push_number(Number::Integer(DONE));
            match submitted.map_err(refused) {
                Ok(_) if gives == Gives::Handle => {
                    Object::Handle(HandleObject(handle)).push_new(stack, state);
                    Went::Done(2)
                }
                Ok(id) => {
                    stack.push_bytes(id.to_string().as_bytes());
                    Went::Done(2)
                }
                Err(Refused::Value(message)) => {
                    stack.push_nil();
                    stack.push_bytes(message.as_bytes());
                    Went::Done(3)
                }
                Err(Refused::Raise(message)) => Went::Wrong(message),
            }
        }
    };
    *state.recent_pool.borrow_mut() = Some(pool);
    went
}
