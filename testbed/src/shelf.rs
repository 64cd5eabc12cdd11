//! A web server that hands out what tests put on it: a chart repository, a registry by the
//! distribution specification, files. It must not know who asks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use holdfast_model::base64;
use holdfast_model::digest::Digest;
use serde_json::json;

/// Files by path, served for as long as the test process lives.
#[derive(Clone)]
pub struct Shelf {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// The versions of each chart in the index.
    index: BTreeMap<String, Vec<serde_json::Value>>,
    asked: Vec<String>,
    /// User and password of the registry, where it has any.
    guard: Option<(String, String)>,
}

/// The token that the registry gives to who knows the password.
const TOKEN: &str = "a-token-of-the-shelf";

impl Shelf {
    /// An empty shelf on a port of its own.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let shelf = Self {
            address: listener.local_addr()?,
            state: Arc::default(),
        };
        let serving = shelf.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = serving.clone();
                std::thread::spawn(move || shelf.serve(stream));
            }
        });
        Ok(shelf)
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The registry's address.
    pub fn registry(&self) -> String {
        format!("oci://{}/charts", self.address)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file there.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.lock().files.insert(path.to_owned(), bytes.into());
    }

    /// From now on the registry asks for a user and a password.
    pub fn guard(&self, user: &str, password: &str) {
        self.lock().guard = Some((user.to_owned(), password.to_owned()));
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    /// Publishes a chart in the repository, whose address is that of the empty path.
    pub fn publish(&self, name: &str, version: &str, archive: &[u8]) {
        let path = format!("{name}-{version}.tgz");
        let entry = json!({
            "name": name, "version": version, "urls": [path],
            "digest": Digest::of_bytes(archive).hex(),
        });
        let mut state = self.lock();
        state.files.insert(path, archive.to_vec());
        state.index.entry(name.to_owned()).or_default().push(entry);
        let index = json!({"apiVersion": "v1", "entries": state.index});
        state
            .files
            .insert("index.yaml".to_owned(), index.to_string().into_bytes());
    }

    /// Pushes a chart to the registry.
    pub fn push(&self, name: &str, version: &str, archive: &[u8]) {
        let digest = Digest::of_bytes(archive).to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "size": 2},
            "layers": [{
                "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                "digest": digest, "size": archive.len(),
            }],
        });
        let base = format!("v2/charts/{name}");
        self.put(&format!("{base}/manifests/{version}"), manifest.to_string());
        self.put(&format!("{base}/blobs/{digest}"), archive);
        let prefix = format!("{base}/manifests/");
        let mut state = self.lock();
        let tags: Vec<String> = state
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        let list = json!({"name": name, "tags": tags}).to_string();
        state
            .files
            .insert(format!("{base}/tags/list"), list.into_bytes());
    }

    fn serve(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else {
            return;
        };
        let mut lines = BufReader::new(reading).lines();
        while let Some(Ok(first)) = lines.next() {
            let mut authorization = String::new();
            for line in lines.by_ref() {
                let Ok(line) = line else { return };
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("authorization")
                {
                    authorization = value.trim().to_owned();
                }
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            let path = path
                .trim_start_matches('/')
                .split('?')
                .next()
                .unwrap_or_default();
            let (status, headers, body) = self.answer(path, &authorization);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n",
                body.len()
            );
            let sent = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body));
            if sent.is_err() {
                return;
            }
        }
    }

    fn answer(&self, path: &str, authorization: &str) -> (&'static str, String, Vec<u8>) {
        let mut state = self.lock();
        state.asked.push(path.to_owned());
        if let Some((user, password)) = &state.guard {
            let basic = base64::encode(format!("{user}:{password}").as_bytes());
            if path == "token" {
                return match authorization == format!("Basic {basic}") {
                    true => (
                        "200 OK",
                        String::new(),
                        json!({"token": TOKEN}).to_string().into(),
                    ),
                    false => ("401 Unauthorized", String::new(), Vec::new()),
                };
            }
            if path.starts_with("v2/") && authorization != format!("Bearer {TOKEN}") {
                let challenge = format!(
                    "WWW-Authenticate: Bearer realm=\"{}\",service=\"shelf\"\r\n",
                    self.url("token")
                );
                return ("401 Unauthorized", challenge, Vec::new());
            }
        }
        match state.files.get(path) {
            Some(bytes) => {
                let tag = format!("ETag: \"{}\"\r\n", Digest::of_bytes(bytes).short());
                ("200 OK", tag, bytes.clone())
            }
            None => ("404 Not Found", String::new(), Vec::new()),
        }
    }
}

/// Packs a chart from its files as `helm package` does: all of them below the chart's name.
///
/// # Errors
/// When a path cannot be packed.
pub fn packed(name: &str, files: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), text.as_bytes())?;
    }
    Ok(archive.into_inner()?.finish()?)
}
