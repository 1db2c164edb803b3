//! An HTTP server on hyper whose handlers are written in Lua, and start goroutines.
//!
//! ```text
//! cargo run --release -p lua-bindings --example server -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/fib/32
//! ```
//!
//! One thread takes the requests, and runs a handler for each in one Lua state, the home state. A handler that waits yields to
//! tokio, and the next request is taken meanwhile; what it computes, it computes in goroutines, on all cores. Where the client
//! goes away, hyper drops the handler's future, which ends its wait.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use goroutine::{Goroutines, Shutdown};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mlua::{Function, Lua, LuaString};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

/// Returns the handler: `handle(method, path, body)` gives a status and a text.
const SCRIPT: &str = include_str!("server/handlers.lua");

/// The longest body that is read.
const LONGEST: usize = 1 << 20;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    match run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let ctrl_c = async {
        // Without a handler for it, the server goes on until it is ended otherwise.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(address, |address| println!("http://{address}/"), ctrl_c)
}

/// Serves until `end` is ready. `listening` is told the address.
pub(crate) fn serve(
    address: &str,
    listening: impl FnOnce(SocketAddr),
    end: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    // The isolates have threads of their own. This one is for the connections, and for the home state.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let goroutines = Goroutines::builder().build()?;
    let lua = Lua::new();
    goroutines.install(&lua)?;
    let handler: Function = lua.load(SCRIPT).set_name("@handlers.lua").eval()?;

    // A Lua state stays on its thread, and so does whatever holds a part of it: local tasks.
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(address).await?;
        listening(listener.local_addr()?);
        tokio::select! {
            outcome = accept(listener, handler) => outcome,
            () = end => Ok(()),
        }
    })?;
    // This blocks until the goroutines have ended, and so comes when nothing is served any more.
    match goroutines.shutdown(Duration::from_secs(2)) {
        Shutdown::Complete => Ok(()),
        other => Err(format!("no clean end: {other:?}").into()),
    }
}

async fn accept(listener: TcpListener, handler: Function) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let handler = handler.clone();
        spawn_local(async move {
            let service = service_fn(|request| answer(&handler, request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("server: {error}");
            }
        });
    }
}

/// Calls the handler. Its errors are answers, too.
async fn answer(handler: &Function, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let method = request.method().as_str().to_owned();
    let path = request.uri().path().to_owned();
    let (status, text) = match Limited::new(request.into_body(), LONGEST).collect().await {
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n").into()),
        Ok(body) => {
            let body = mlua::BString::from(body.to_bytes().to_vec());
            match handler.call_async::<(u16, LuaString)>((method, path, body)).await {
                Ok((status, text)) => (
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                    Bytes::copy_from_slice(&text.as_bytes()),
                ),
                Err(error) => {
                    eprintln!("server: {error}");
                    (StatusCode::INTERNAL_SERVER_ERROR, "the handler has failed\n".into())
                }
            }
        }
    };
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}
