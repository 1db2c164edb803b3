//! Servers that misbehave, and what `http` makes of them.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use support::{everywhere, sloth_script};

/// Reads the head of one request on each connection, then calls `answer` with its path. Gives the port.
fn serve(answer: fn(&str, &mut TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                answer(head.split(' ').nth(1).unwrap_or_default(), &mut stream);
            });
        }
    });
    port
}

/// The other side may have had enough.
fn misbehave(path: &str, stream: &mut TcpStream) {
    let mut say = |text: &[u8]| stream.write_all(text).is_ok();
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    match path {
        "/bad_chunk" => say(&[CHUNKED, b"5\r\nhello\r\nZZ\r\nfoo\r\n"].concat()),
        "/cut_chunk" => say(&[CHUNKED, b"5\r\nhel"].concat()),
        "/cut" => say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello"),
        "/garbage" => say(b"garbage\r\n\r\n"),
        "/endless" => {
            let chunk = [b"10000\r\n", &[b'x'; 65536][..], b"\r\n"].concat();
            say(CHUNKED) && (0..).all(|_| say(&chunk))
        }
        "/dripping" => {
            say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                && (0..1000).all(|_| {
                    thread::sleep(Duration::from_millis(20));
                    say(b"x")
                })
        }
        "/endless_head" => {
            say(b"HTTP/1.1 200 OK\r\n")
                && (0..).all(|n| say(format!("x-{n}: {}\r\n", "y".repeat(1000)).as_bytes()))
        }
        _ => true, // it hangs up
    };
}

#[test]
fn a_broken_answer_is_an_error_and_an_endless_one_is_bounded() {
    let begin = Instant::now();
    everywhere(
        r#"
        local function fails(path, text, options)
          local answer, err = http.get("http://127.0.0.1:" .. params.port .. path, options)
          assert(answer == nil and err:find(text, 1, true), path .. ": " .. tostring(err))
        end
        fails("/bad_chunk", "chunk size")
        fails("/cut_chunk", "error reading a body")
        fails("/cut", "end of file before message length reached")
        fails("/garbage", "invalid HTTP version")
        fails("/hangs_up", "connection closed before message completed")
        fails("/endless", "larger than 100000 bytes", { max_size = 100000 })
        fails("/dripping", "timeout exceeded", { timeout = "100ms" })
        fails("/endless_head", "") -- whatever it is called
        "#,
        &["-p", &format!("port={}", serve(misbehave))],
    );
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn what_cannot_be_a_request_is_told_before_anything_is_sent() {
    everywhere(
        r#"
        local function fails(text, url, options)
          local answer, err = http.get(url, options)
          assert(answer == nil and err:find(text, 1, true), tostring(err))
        end
        fails("'ftp://x/y' is no URL of HTTP: it begins with ftp:", "ftp://x/y")
        fails("it begins with file:", "file:///etc/passwd")
        fails("'/x' is no URL: ", "/x")
        fails("is no URL: ", "http://")
        fails("the value of the header 'X-Y' cannot be sent", "http://127.0.0.1:1/", { headers = { ["X-Y"] = "a\nX-Z: b" } })
        fails("'bad name' cannot be the name of a header", "http://127.0.0.1:1/", { headers = { ["bad name"] = "a" } })
        "#,
        &[],
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let pem = include_bytes!("support/self_signed.pem");
    let certificate = CertificateDer::from_pem_slice(pem).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
            let _ = tls.read(&mut [0; 1000]);
        }
    });
    let run = sloth_script(
        "local answer, err = http.get('https://localhost:' .. params.port .. '/') print(answer, err)",
        &["-p", &format!("port={port}")],
    );
    assert!(run.status.success(), "{run:#?}");
    assert!(run.stdout.starts_with("nil\t") && run.stdout.contains("certificate"), "{run:#?}");
}

#[test]
fn where_a_proxy_is_not_there_it_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), "print(http.get('http://example.invalid/'))").unwrap();
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
        .args(["run", "script.sloth"])
        .current_dir(folder.path())
        .env("http_proxy", format!("http://user:secret@127.0.0.1:{port}"))
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(printed.contains(&format!(" (http_proxy is set, to 127.0.0.1:{port})\n")), "{run:#?}");
    assert!(!printed.contains("secret"), "{run:#?}");
}
