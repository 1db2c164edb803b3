//! What stands between channels.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use runtime_core::testing::BareBackend;
use runtime_core::{Channel, TryReceiveError, block_on, fan_in, fan_out, stage};

fn spawn(future: impl Future<Output = ()> + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || block_on(&BareBackend::new(), future))
}

fn receive<T>(channel: &Channel<T>) -> Option<T> {
    block_on(&BareBackend::new(), channel.receive())
}

#[test]
fn each_output_gets_every_value_whichever_is_read_first() {
    let input = Channel::new(0);
    let outputs: Vec<_> = (0..3).map(|_| Channel::new(0)).collect();
    let flow = spawn(fan_out(input.clone(), outputs.clone()));
    let sender = spawn(async move {
        for n in 0..100 {
            input.send(n).await.unwrap();
        }
        input.close();
    });
    for n in 0..100 {
        for turn in 0..3 {
            assert_eq!(receive(&outputs[(n + turn) % 3]), Some(n));
        }
    }
    assert!(outputs.iter().all(|output| receive(output).is_none()));
    sender.join().unwrap();
    flow.join().unwrap();
}

#[test]
fn the_slowest_sets_the_pace() {
    let (input, quick, slow) = (Channel::new(5), Channel::new(5), Channel::new(0));
    for n in 0..3 {
        input.try_send(n).unwrap();
    }
    let mut flow = pin!(fan_out(input.clone(), vec![quick.clone(), slow.clone()]));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(flow.as_mut().poll(&mut cx).is_pending());
    assert_eq!((quick.len(), input.len()), (1, 2));
    assert_eq!(slow.try_receive(), Ok(0));
    assert!(flow.as_mut().poll(&mut cx).is_pending());
    assert_eq!((quick.len(), input.len()), (2, 1));
}

#[test]
fn one_that_is_closed_early_leaves_the_others_theirs_and_the_last_closes_the_input() {
    let (input, a, b) = (Channel::new(0), Channel::new(0), Channel::new(0));
    let flow = spawn(fan_out(input.clone(), vec![a.clone(), b.clone()]));
    let sender = {
        let input = input.clone();
        thread::spawn(move || (0..).find(|n| block_on(&BareBackend::new(), input.send(*n)).is_err()))
    };
    assert_eq!((receive(&a), receive(&b)), (Some(0), Some(0)));
    a.close();
    assert_eq!((receive(&b), receive(&b)), (Some(1), Some(2)));
    b.close();
    flow.join().unwrap();
    assert!(input.is_closed());
    assert!(sender.join().unwrap().is_some());
}

#[test]
fn values_of_each_input_keep_their_order() {
    let inputs: Vec<_> = [0, 1, 8].map(Channel::new).into();
    let output = Channel::new(0);
    let flow = spawn(fan_in(inputs.clone(), output.clone()));
    let senders: Vec<_> = inputs
        .into_iter()
        .enumerate()
        .map(|(index, input)| {
            spawn(async move {
                for n in 0..200 {
                    input.send((index, n)).await.unwrap();
                }
                input.close();
            })
        })
        .collect();
    let mut next = [0; 3];
    while let Some((index, n)) = receive(&output) {
        assert_eq!(n, next[index]);
        next[index] += 1;
    }
    assert_eq!(next, [200; 3]);
    flow.join().unwrap();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_reader_that_closes_early_ends_a_fan_in_and_a_stage() {
    let (a, b, output) = (Channel::new(1), Channel::new(1), Channel::new(0));
    a.try_send(1).unwrap();
    output.close();
    block_on(&BareBackend::new(), fan_in(vec![a.clone(), b.clone()], output));
    assert!(a.is_closed() && b.is_closed());

    let (input, output) = (Channel::new(2), Channel::<i32>::new(0));
    input.try_send(1).unwrap();
    output.close();
    block_on(&BareBackend::new(), stage(input.clone(), output, async |n| Some(n)));
    assert!(input.is_closed());
}

#[test]
fn one_that_is_dropped_closes_its_ends() {
    let (input, output) = (Channel::<i32>::new(0), Channel::new(0));
    {
        let mut flow = pin!(fan_in(vec![input.clone()], output.clone()));
        assert!(flow.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(input.is_closed() && output.is_closed());
    assert_eq!((input.waiting(), output.waiting()), ((0, 0), (0, 0)));
}

#[test]
fn what_is_left_when_the_last_is_dropped_is_handed_over() {
    let (tell, told) = std::sync::mpsc::channel();
    let channel = Channel::with_leftover(3, move |left: Vec<i32>| tell.send(left).unwrap());
    let other = channel.clone();
    for n in 1..=3 {
        channel.try_send(n).unwrap();
    }
    assert_eq!(channel.try_receive(), Ok(1));
    drop(channel);
    assert!(told.try_recv().is_err());
    drop(other);
    assert_eq!(told.try_recv(), Ok(vec![2, 3]));

    let (tell, told) = std::sync::mpsc::channel();
    let drained = Channel::with_leftover(1, move |left: Vec<i32>| tell.send(left).unwrap());
    drop(drained);
    assert!(told.try_recv().is_err());
}

#[test]
fn an_input_that_is_drained_is_done_with() {
    let input = Channel::<i32>::new(1);
    input.close();
    let output = Channel::new(1);
    let mut flow = pin!(fan_out(input.clone(), vec![output.clone()]));
    assert_eq!(flow.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    assert_eq!(output.try_receive(), Err(TryReceiveError::Closed));
}
