//! The example server: its handlers wait at once on one thread, and its goroutines compute.
#![cfg(test)]
#![cfg(all(feature = "backend-tokio", feature = "vendored"))]

#[allow(dead_code, reason = "an example has a main function")]
#[path = "../examples/server.rs"]
mod server;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a thread of its own.
struct Running {
    address: SocketAddr,
    end: Option<flume::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Running {
    fn start() -> Self {
        let (tell, told) = mpsc::channel();
        let (end, ended) = flume::bounded::<()>(0);
        let thread = thread::spawn(move || {
            let ended = async move {
                let _ = ended.recv_async().await;
            };
            let listening = move |address| tell.send(address).unwrap();
            server::serve("127.0.0.1:0", listening, ended).map_err(|error| error.to_string())
        });
        Self { address: told.recv_timeout(PATIENCE).unwrap(), end: Some(end), thread: Some(thread) }
    }

    fn send(&self, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    }

    fn ask(&self, path: &str, body: &str) -> (u16, String) {
        answer(self.send(path, body))
    }

    /// Ends it, and waits for that.
    fn end(mut self) -> Result<(), String> {
        self.end = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

/// The status of an answer, and its text.
fn answer(stream: TcpStream) -> (u16, String) {
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    (status, rest.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn handlers_start_goroutines_and_answer_with_what_they_give() {
    let server = Running::start();
    assert_eq!(server.ask("/fib/20", ""), (200, "6765\n".into()));
    assert_eq!(server.ask("/words", "one two three\nfour five\nsix"), (200, "6\n".into()));
    assert_eq!(server.ask("/fib/many", "").0, 400);
    assert_eq!(server.ask("/elsewhere", "").0, 404);
    assert_eq!(server.ask("/served", ""), (200, "5\n".into()));
    assert_eq!(server.end(), Ok(()));
}

#[test]
fn a_handler_that_waits_holds_up_no_other_request() {
    let server = Running::start();
    // More than there are isolates, and all on one thread: they wait for what comes after them.
    let waiting: Vec<_> = (0..50).map(|n| server.send(&format!("/receive/{n}"), "")).collect();
    for n in (0..50).rev() {
        assert_eq!(server.ask(&format!("/send/{n}"), &format!("for {n}")).0, 202);
    }
    for (n, stream) in waiting.into_iter().enumerate() {
        assert_eq!(answer(stream), (200, format!("for {n}")));
    }
    assert_eq!(server.end(), Ok(()));
}

#[test]
fn a_handler_that_fails_is_an_answer_and_the_server_goes_on() {
    let server = Running::start();
    assert_eq!(server.ask("/fail", "").0, 500);
    assert_eq!(server.ask("/fib/10", ""), (200, "55\n".into()));
    assert_eq!(server.end(), Ok(()));
}

#[test]
fn a_client_that_goes_takes_no_message_with_it() {
    let server = Running::start();
    let gone = server.send("/receive/one", "");
    // The handler has begun to wait once the server has served others after it.
    while server.ask("/served", "").1.trim().parse::<u32>().unwrap() < 3 {}
    drop(gone);
    let stays = server.send("/receive/one", "");
    // Both may still be waiting when the first of these arrives: the server may not have seen yet that the client has gone.
    let mut sent = 0;
    stays.set_nonblocking(true).unwrap();
    while stays.peek(&mut [0]).is_err() {
        sent += 1;
        assert!(sent < 1000, "nobody gets a message");
        assert!([202, 503].contains(&server.ask("/send/one", "here").0));
    }
    stays.set_nonblocking(false).unwrap();
    assert_eq!(answer(stays), (200, "here".into()));
    assert_eq!(server.end(), Ok(()));
}

#[test]
fn the_server_ends_with_handlers_that_wait() {
    let server = Running::start();
    let waiting = server.send("/receive/never", "");
    while server.ask("/served", "").1.trim().parse::<u32>().unwrap() < 2 {}
    assert_eq!(server.end(), Ok(()));
    drop(waiting);
}
