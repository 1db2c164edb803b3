//! The backend together with smol itself: inside its context, and beside other users of the reactor.

use std::io;
use std::time::Duration;

use backend_smol::Smol;
use runtime_core::{Backend, block_on};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, LocalExecutor, Timer};

const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn what_is_made_for_smol_works_on_a_worker() {
    let (done, heard) = flume::bounded(1);
    let worker = Smol::new().start_worker(
        "worker",
        Box::new(move |_| {
            Box::pin(async move {
                Timer::after(SHORT).await;
                let blocking = smol::unblock(|| 1).await;
                let executor = LocalExecutor::new();
                let local = executor.run(executor.spawn(async { 2 })).await;
                done.send(blocking + local).unwrap();
            })
        }),
    );
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(3));
    assert!(worker.unwrap().join_timeout(PATIENCE));
}

#[test]
fn a_backend_may_be_used_and_dropped_inside_smol() {
    let executor = Executor::new();
    let task = executor.spawn(async {
        let backend = Smol::new();
        let sleep = backend.sleep_until(backend.now() + SHORT);
        // Parks the thread that waits in the reactor otherwise.
        block_on(&backend, backend.sleep_until(backend.now() + SHORT));
        backend.sleep_until(backend.now() + SHORT).await;
        let (done, heard) = flume::bounded(1);
        backend.run_blocking(Box::new(move || done.send(()).unwrap()));
        heard.recv_async().await.unwrap();
        sleep.await;
    });
    smol::block_on(executor.run(task));
}

#[test]
fn a_blocked_worker_keeps_no_others_from_the_reactor() {
    let backend = Smol::new();
    let (go, told) = flume::bounded::<()>(0);
    let mut blocked = backend
        .start_worker(
            "blocked",
            Box::new(move |_| {
                Box::pin(async move {
                    Timer::after(SHORT).await;
                    // Without a look at the reactor until the others are through.
                    let _ = told.recv();
                })
            }),
        )
        .unwrap();
    for _ in 0..10 {
        block_on(&backend, backend.sleep_until(backend.now() + SHORT));
        smol::block_on(Timer::after(SHORT));
    }
    assert!(!blocked.is_finished());
    drop(go);
    assert!(blocked.join_timeout(PATIENCE));
}

#[test]
fn a_worker_and_a_task_of_smol_talk_over_a_socket() {
    let backend = Smol::new();
    let served = smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        // A task of smol's own threads serves one client.
        let server = smol::spawn(async move {
            let (mut client, _) = listener.accept().await?;
            let mut asked = [0; 4];
            client.read_exact(&mut asked).await?;
            client.write_all(b"pong").await?;
            io::Result::Ok(asked)
        });
        let (done, heard) = flume::bounded(1);
        let mut worker = backend.start_worker(
            "client",
            Box::new(move |_| {
                Box::pin(async move {
                    let talk = async {
                        let mut server = TcpStream::connect(address).await?;
                        server.write_all(b"ping").await?;
                        let mut answer = [0; 4];
                        server.read_exact(&mut answer).await?;
                        io::Result::Ok(answer)
                    };
                    done.send(talk.await.unwrap()).unwrap();
                })
            }),
        )?;
        assert_eq!(heard.recv_async().await.unwrap(), *b"pong");
        assert!(smol::unblock(move || worker.join_timeout(PATIENCE)).await);
        server.await
    });
    assert_eq!(served.unwrap(), *b"ping");
}
