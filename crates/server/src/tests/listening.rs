//! Real connections: streams of changes, readers that are slow or say nothing, and what is too much.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::world::{key, ready};
use super::{Hand, page};

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);

async fn served() -> (Arc<Hand>, std::net::SocketAddr) {
    let hand = Hand::new(vec![ready("shop"), ready("other")]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener.local_addr().expect("it has an address");
    let page = page(Arc::clone(&hand), None);
    tokio::spawn(crate::serve(listener, page, None));
    (hand, address)
}

async fn ask(address: std::net::SocketAddr, path: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it answers");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is sent");
    stream
}

/// Reads until some words have come.
async fn until(stream: &mut TcpStream, words: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        let mut part = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if text.contains(words) {
                return text;
            }
            let count = stream.read(&mut part).await.expect("it can be read");
            assert!(count > 0, "it ended without {words}: {text}");
            all.extend_from_slice(&part[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the words come")
}

#[tokio::test]
async fn a_stream_says_that_a_stack_has_changed_and_not_that_another_has() {
    let (hand, address) = served().await;
    let mut one = ask(address, "/events/team-a/shop", "Accept-Encoding: gzip\r\n").await;
    let mut all = ask(address, "/events", "").await;
    let head = until(&mut one, "data: 3").await;
    assert!(
        head.contains("content-type: text/event-stream") && !head.contains("gzip"),
        "{head}"
    );
    until(&mut all, "data: 7").await;
    hand.change(8, "other");
    until(&mut all, "\"stack\":\"team-a/other\"").await;
    hand.change(9, "shop");
    let said = until(&mut one, "\"stack\":\"team-a/shop\"").await;
    assert!(!said.contains("other"), "{said}");
}

#[tokio::test]
async fn who_falls_behind_is_told_to_read_anew_and_who_does_not_read_holds_nobody_up() {
    let (hand, address) = served().await;
    let mut slow = ask(address, "/events", "").await;
    until(&mut slow, "data: 7").await;
    let silent = TcpStream::connect(address).await.expect("it answers");
    for round in 0..200 {
        for number in 0..40 {
            hand.change(8 + round * 40 + number, "shop");
        }
        tokio::task::yield_now().await;
    }
    let mut quick = ask(address, "/stacks/team-a/shop", "Connection: close\r\n").await;
    until(&mut quick, "</html>").await;
    until(&mut slow, "event: change").await;
    drop(silent);
    assert_eq!(key("shop").name, "shop");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_and_others_are_answered() {
    let (_, address) = served().await;
    let large = format!("X-Large: {}\r\n", "x".repeat(64 << 10));
    let mut stream = ask(address, "/", &large).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains(" 200 "), "{answer}");
    let mut stream = ask(address, "/healthz", "Connection: close\r\n").await;
    until(&mut stream, "ok\n").await;
}

#[tokio::test]
async fn a_page_that_is_packed_arrives_whole() {
    let (_, address) = served().await;
    let headers = "Accept-Encoding: gzip\r\nConnection: close\r\n";
    let mut stream = ask(address, "/stacks/team-a/shop", headers).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("it ends").expect("it can be read");
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("it has a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let body = &answer[end + 4..];
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    let mut whole = String::new();
    let mut decoder = flate2::read::GzDecoder::new(body);
    std::io::Read::read_to_string(&mut decoder, &mut whole).expect("it is packed");
    assert!(whole.trim_end().ends_with("</html>"));
}

/// A certificate for this machine with its key, as files have them.
fn certificate(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&cert, made.cert.pem()).expect("it is written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    (cert, key, made.cert.der().to_vec())
}

/// The certificate that is shown, and what is answered over TLS by who trusts it alone.
async fn over_tls(address: std::net::SocketAddr, trusted: &[u8]) -> std::io::Result<String> {
    use rustls::pki_types::{CertificateDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(trusted.to_vec()))
        .expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").expect("it is a name");
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(name, stream).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_certificate_is_renewed_when_its_files_are_and_kept_while_they_are_broken() {
    let folder = tempfile::tempdir().expect("there is a folder");
    let (cert, key, first) = certificate(folder.path());
    let hand = Hand::new(vec![ready("shop")]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener.local_addr().expect("it has an address");
    let served = crate::Certificate::new(&cert, &key).expect("they belong together");
    tokio::spawn(crate::serve(listener, page(hand, None), Some(served)));
    let answer = over_tls(address, &first).await.expect("it answers");
    assert!(answer.ends_with("ok\n"), "{answer}");

    std::fs::write(&key, "half of a k").expect("it is written");
    let other = tempfile::tempdir().expect("there is a folder");
    let (other_cert, _, _) = certificate(other.path());
    assert!(crate::Certificate::new(&cert, &key).is_err());
    assert!(crate::Certificate::new(&other_cert, &other_cert).is_err());
    over_tls(address, &first)
        .await
        .expect("the one before it stays");
    let (_, _, second) = certificate(folder.path());
    let renewed = async {
        while over_tls(address, &second).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed)
        .await
        .expect("it is renewed");
    assert!(over_tls(address, &first).await.is_err());
}
