//! What is said of servers that refuse, fail, or are not there, on real sockets.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use holdfast_model::stack::Reference;

use crate::{Cause, Credentials, Error, SourceLimits, Sources};

/// A server that answers every request with the same text until the process ends; its port.
fn server(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

fn ask(url: &str, credentials: Option<&Credentials>, timeout: Duration) -> Error {
    let data = tempfile::tempdir().expect("a temporary folder");
    let limits = SourceLimits {
        timeout,
        ..SourceLimits::default()
    };
    let sources = Sources::new(data.path().to_owned(), limits);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let wanted = BTreeSet::from([Reference::Head]);
    let answer = runtime.block_on(sources.resolve(url, credentials, &wanted));
    runtime.shutdown_background();
    answer.expect_err("it fails")
}

fn check(url: &str, credentials: Option<&Credentials>, cause: Cause, words: &str) {
    let error = ask(url, credentials, Duration::from_secs(60));
    let text = error.to_string();
    assert_eq!(error.cause(), Some(cause), "{text}");
    assert!(text.contains(words) && text.contains(url), "{text}");
    assert!(
        !text.contains("hunter2") && error.hint().is_some(),
        "{text}"
    );
}

fn login() -> Credentials {
    Credentials::Basic {
        username: "robot".to_owned(),
        password: "hunter2".to_owned(),
    }
}

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ABSENT: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const AWAY: &str =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\
    connection: close\r\n\r\n<html>";

#[test]
fn absent_and_wrong_credentials_differ() {
    let url = |port: u16| format!("http://127.0.0.1:{port}/shop.git");
    let login = login();
    let closed = url(server(UNAUTHORIZED));
    check(&closed, None, Cause::NoCredentials, "401 Unauthorized");
    check(
        &closed,
        Some(&login),
        Cause::WrongCredentials,
        "401 Unauthorized",
    );
    let forbidden = url(server(FORBIDDEN));
    check(
        &forbidden,
        Some(&login),
        Cause::WrongCredentials,
        "403 Forbidden",
    );
}

#[test]
fn what_a_server_answers_is_said() {
    let url = |port: u16| format!("http://127.0.0.1:{port}/shop.git");
    check(&url(server(ABSENT)), None, Cause::NotFound, "404 Not Found");
    check(
        &url(server(AWAY)),
        None,
        Cause::Status,
        "503 Service Unavailable",
    );
    check(&url(server(PAGE)), None, Cause::NotGit, "no git server");
}

#[test]
fn what_keeps_a_server_from_answering_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = free.local_addr().expect("it has an address").port();
    drop(free);
    let url = format!("http://127.0.0.1:{port}/shop.git");
    check(&url, None, Cause::Refused, "refused");
    check(
        "http://nowhere.invalid/shop.git",
        None,
        Cause::Unresolved,
        "DNS",
    );
    let plain = format!("https://127.0.0.1:{}/shop.git", server(ABSENT));
    check(&plain, None, Cause::Tls, "TLS");
    check(
        "file:///nowhere/shop.git",
        None,
        Cause::NotFound,
        "no such folder",
    );
    let empty = tempfile::tempdir().expect("a temporary folder");
    let empty = format!("file://{}", empty.path().display());
    check(&empty, None, Cause::NotFound, "no git repository");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = listener.local_addr().expect("it has an address").port();
    let url = format!("http://127.0.0.1:{port}/shop.git");
    let error = ask(&url, None, Duration::from_millis(300));
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn an_address_of_scp_goes_by_ssh_and_what_is_missing_is_said() {
    // Nothing of the machine answers by that name, so that only ssh itself says something.
    let url = "git@nowhere.invalid:team/shop.git";
    let key = Credentials::Ssh {
        identity: "no key".to_owned(),
        known_hosts: "nowhere.invalid ssh-ed25519 AAAA".to_owned(),
    };
    check(
        url,
        Some(&key),
        Cause::Unresolved,
        "ssh: Could not resolve hostname",
    );
    assert_eq!(key.misfit(url), None);
    assert!(key.misfit("https://git.example/shop.git").is_some());
    let login = login();
    let why = login.misfit(url).expect("a password is none of ssh");
    assert!(why.contains("identity"), "{why}");
    assert_eq!(login.misfit("https://git.example/shop.git"), None);
}
