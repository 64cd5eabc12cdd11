//! The calls to Vault and OpenBao: logins, tokens, and what KV engines of version 1 and 2 hold. Each has a
//! bound of size and time, and none follows a redirection, which would take a token along. It must not know
//! where credentials come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::secret::DigestKey;
use reqwest::dns::Resolve;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, StatusCode, Url};
use serde_json::{Map, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::reference::Location;

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWERING: Duration = Duration::from_secs(15);
/// The most bytes of an answer: four times what a Secret may hold.
const MOST_BYTES: usize = 4 << 20;

/// Where Vault is.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Its address.
    pub address: &'a str,
    /// The namespace there; that of the root where none is named.
    pub namespace: Option<&'a str>,
    /// Certificates of authorities that count for it, in PEM, instead of those of the machine.
    pub ca: Option<&'a str>,
}

/// Checks an address that is written as numbers.
type Check = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Where may be asked.
#[derive(Clone)]
pub struct Network {
    /// Looks names up, and answers for none that may not be asked.
    pub resolver: Arc<dyn Resolve>,
    /// Refuses addresses that may not be asked.
    pub check: Check,
}

/// One server as one namespace of it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    address: String,
    namespace: Option<HeaderValue>,
}

/// A way to log in.
pub enum Login<'a> {
    /// By a token that a mount of `kubernetes` or `jwt` checks.
    Proof {
        /// The mount.
        mount: &'a str,
        /// The role.
        role: &'a str,
        /// The token.
        jwt: &'a str,
    },
    /// By an AppRole.
    AppRole {
        /// The mount.
        mount: &'a str,
        /// Its id.
        role_id: &'a str,
        /// The secret to it.
        secret_id: &'a str,
    },
}

/// A token, zeroed when it is dropped.
pub struct Token {
    text: Zeroizing<String>,
    /// How long it counts; for ever where that is nothing.
    pub lease: Duration,
    /// Whether it can be renewed.
    pub is_renewable: bool,
}

/// The KV engine that a path is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted, without a bar at its end.
    pub path: String,
    /// Whether it keeps versions.
    pub is_versioned: bool,
}

/// Which version of a secret something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// As the engine counts.
    Number(u64),
    /// A digest under the installation's key, where the engine does not count.
    Content(Digest),
}

/// What lies at a path, zeroed when it is dropped.
pub struct Data {
    values: Value,
    /// Which version it is.
    pub version: Version,
}

/// An answer, zeroed when it is dropped.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Client {
    /// A client; nothing is asked yet. The machine's proxies do not count.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: Settings<'_>, network: &Network) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Settings { problem };
        let address = settings.address.trim_end_matches('/');
        let base = Url::parse(address).map_err(|error| wrong(format!("`address`: {error}")))?;
        let is_web = matches!(base.scheme(), "http" | "https") && base.host_str().is_some();
        if !is_web || !base.username().is_empty() || base.query().is_some() {
            return Err(wrong("`address` is to be https://HOST:PORT".to_owned()));
        }
        (network.check)(address).map_err(|problem| Error::Refused {
            address: address.to_owned(),
            problem,
        })?;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::clone(&network.resolver))
            .connect_timeout(CONNECTING)
            .timeout(ANSWERING)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = settings.ca {
            let certificates = Certificate::from_pem_bundle(ca.as_bytes());
            let certificates = certificates.ok().filter(|all| !all.is_empty());
            let certificates =
                certificates.ok_or_else(|| wrong("`ca` holds no certificate in PEM".to_owned()))?;
            builder = builder.tls_certs_only(certificates);
        }
        let namespace = settings.namespace.map(HeaderValue::from_str).transpose();
        Ok(Self {
            http: builder
                .build()
                .map_err(|_| wrong("TLS cannot be set up".to_owned()))?,
            base,
            address: address.to_owned(),
            namespace: namespace.map_err(|_| wrong("`namespace` is no name".to_owned()))?,
        })
    }

    /// Logs in.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn login(&self, login: &Login<'_>) -> Result<Token, Error> {
        let (mount, body, secret) = match login {
            Login::Proof { mount, role, jwt } => (mount, json!({"role": role, "jwt": jwt}), jwt),
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => (
                mount,
                json!({"role_id": role_id, "secret_id": secret_id}),
                secret_id,
            ),
        };
        let path = format!("auth/{mount}/login");
        let answer = self.ask(Method::POST, &path, None, Some(body)).await?;
        if !answer.status.is_success() {
            return Err(Error::Login {
                address: self.address.clone(),
                method: format!("auth/{mount}"),
                status: answer.status.as_u16(),
                said: said(&answer.body).replace(*secret, "(hidden)"),
            });
        }
        self.token_of(&answer.body["auth"])
    }

    /// A token that was made elsewhere, with what is left of it.
    ///
    /// # Errors
    /// That it is none, or cannot be asked for.
    pub async fn look_up(&self, text: &str) -> Result<Token, Error> {
        let mut token = Token {
            text: Zeroizing::new(text.trim().to_owned()),
            lease: Duration::ZERO,
            is_renewable: false,
        };
        let asked = self.ask(Method::GET, "auth/token/lookup-self", Some(&token), None);
        let answer = asked.await?;
        match answer.status.as_u16() {
            200 => {
                let data = &answer.body["data"];
                let seconds = data["ttl"].as_u64().unwrap_or_default();
                token.lease = Duration::from_secs(seconds);
                token.is_renewable = data["renewable"] == true;
                Ok(token)
            }
            // Its policies may not even let it ask for itself.
            _ => Err(Error::Token {
                address: self.address.clone(),
            }),
        }
    }

    /// Whether a token still counts.
    ///
    /// # Errors
    /// That the server does not answer.
    pub async fn counts(&self, token: &Token) -> Result<bool, Error> {
        let asked = self.ask(Method::GET, "auth/token/lookup-self", Some(token), None);
        Ok(asked.await?.status.is_success())
    }

    /// Has a token count for longer.
    ///
    /// # Errors
    /// That it does not.
    pub async fn renew(&self, token: &Token) -> Result<Token, Error> {
        let path = "auth/token/renew-self";
        let answer = self.ask(Method::POST, path, Some(token), Some(json!({})));
        let answer = answer.await?;
        if !answer.status.is_success() {
            return Err(Error::Token {
                address: self.address.clone(),
            });
        }
        self.token_of(&answer.body["auth"])
    }

    /// Has a token count no longer.
    ///
    /// # Errors
    /// That it could not be asked.
    pub async fn revoke(&self, token: &Token) -> Result<(), Error> {
        let path = "auth/token/revoke-self";
        let asked = self.ask(Method::POST, path, Some(token), Some(json!({})));
        asked.await.map(|_| ())
    }

    /// The KV engine that a path is in; what its form says where that may not be asked.
    ///
    /// # Errors
    /// That the server does not answer.
    pub async fn mount(&self, token: &Token, path: &str) -> Result<Mount, Error> {
        let asked = format!("sys/internal/ui/mounts/{path}");
        let answer = self.ask(Method::GET, &asked, Some(token), None).await?;
        let data = &answer.body["data"];
        if let (200, Some(mount)) = (answer.status.as_u16(), data["path"].as_str()) {
            return Ok(Mount {
                path: mount.trim_matches('/').to_owned(),
                is_versioned: data["options"]["version"] == "2",
            });
        }
        let mount = match path.split_once("/data/") {
            Some((mount, _)) => mount,
            None => path.split('/').next().unwrap_or_default(),
        };
        Ok(Mount {
            path: mount.to_owned(),
            is_versioned: true,
        })
    }

    /// What lies at a place.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn read(
        &self,
        token: &Token,
        mount: &Mount,
        location: &Location,
        digests: &DigestKey,
    ) -> Result<Data, Error> {
        if !mount.is_versioned && location.version.is_some() {
            return Err(Error::Unversioned {
                path: location.path.clone(),
            });
        }
        let mut path = mount.within(&location.path, "data");
        if let Some(version) = location.version {
            path.push_str(&format!("?version={version}"));
        }
        let mut answer = self.ask(Method::GET, &path, Some(token), None).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.body["data"]["metadata"].is_object() {
            return Err(gone(location));
        }
        self.found(&answer, location)?;
        let (values, version) = if mount.is_versioned {
            let version = answer.body["data"]["metadata"]["version"].as_u64();
            let version = version.ok_or_else(|| self.odd("it names no version"))?;
            (answer.body["data"]["data"].take(), Version::Number(version))
        } else {
            let values = answer.body["data"].take();
            let content = Digest::of_value(&values);
            (values, Version::Content(digests.digest(content.as_bytes())))
        };
        let data = Data { values, version };
        match data.values.is_object() {
            true => Ok(data),
            false => Err(gone(location)),
        }
    }

    /// The newest version at a path, of which no value is read where that can be avoided: where the engine
    /// does not count, and where the policies do not allow to read about a secret what they allow to read.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn version(
        &self,
        token: &Token,
        mount: &Mount,
        location: &Location,
        digests: &DigestKey,
    ) -> Result<Version, Error> {
        if mount.is_versioned {
            let path = mount.within(&location.path, "metadata");
            let answer = self.ask(Method::GET, &path, Some(token), None).await?;
            if answer.status != StatusCode::FORBIDDEN {
                self.found(&answer, location)?;
                let data = &answer.body["data"];
                let newest = data["current_version"].as_u64();
                let newest = newest.ok_or_else(|| self.odd("it names no version"))?;
                let one = &data["versions"][newest.to_string().as_str()];
                let is_deleted = one["deletion_time"]
                    .as_str()
                    .is_some_and(|at| !at.is_empty());
                if is_deleted || one["destroyed"] == true {
                    return Err(gone(location));
                }
                return Ok(Version::Number(newest));
            }
        }
        let data = self.read(token, mount, location, digests).await?;
        Ok(data.version.clone())
    }

    fn found(&self, answer: &Answer, location: &Location) -> Result<(), Error> {
        let path = location.path.clone();
        match answer.status.as_u16() {
            200 => Ok(()),
            403 => Err(Error::Denied { path }),
            404 if location.version.is_some() => Err(gone(location)),
            404 => Err(Error::Absent { path }),
            400 => Err(gone(location)),
            _ => Err(self.odd("its status is none that it has")),
        }
    }

    fn odd(&self, problem: &'static str) -> Error {
        Error::Answer {
            address: self.address.clone(),
            problem,
        }
    }

    fn token_of(&self, auth: &Value) -> Result<Token, Error> {
        let text = auth["client_token"].as_str();
        let text = text.ok_or_else(|| self.odd("it holds no token"))?;
        let seconds = auth["lease_duration"].as_u64().unwrap_or_default();
        Ok(Token {
            text: Zeroizing::new(text.to_owned()),
            lease: Duration::from_secs(seconds),
            is_renewable: auth["renewable"] == true,
        })
    }

    /// Asks once. Statuses that speak of the request are in the answer; those of a server in trouble are
    /// errors.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<Value>,
    ) -> Result<Answer, Error> {
        let mut request = self.http.request(method, self.url(path));
        request = request.header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace.clone());
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(&token.text);
            let mut value = value.map_err(|_| Error::Token {
                address: self.address.clone(),
            })?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        if let Some(mut body) = body {
            let text = body.to_string();
            wipe(&mut body);
            request = request
                .header("Content-Type", "application/json")
                .body(text);
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| self.away(&error))?;
        let status = response.status();
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.away(&error))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(self.odd("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let address = self.address.clone();
        match status.as_u16() {
            300..400 => Err(Error::Redirected { address }),
            503 if is_sealed(&bytes) => Err(Error::Sealed { address }),
            429 | 500.. => Err(Error::Trouble {
                address,
                status: status.as_u16(),
            }),
            _ => {
                let body = serde_json::from_slice(&bytes);
                let body = match (body, status.is_success()) {
                    (Ok(body), _) => body,
                    (Err(_), true) if !bytes.is_empty() => return Err(self.odd("it is no JSON")),
                    (Err(_), _) => Value::Null,
                };
                Ok(Answer { status, body })
            }
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path
            .split_once("?version=")
            .map_or((path, None), |(path, version)| {
                (path, Some(version.to_owned()))
            });
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path.split('/'));
        }
        if let Some(version) = query {
            url.query_pairs_mut().append_pair("version", &version);
        }
        url
    }

    fn away(&self, error: &reqwest::Error) -> Error {
        let address = self.address.clone();
        if error.is_timeout() {
            let seconds = match error.is_connect() {
                true => CONNECTING.as_secs(),
                false => ANSWERING.as_secs(),
            };
            return Error::Slow { address, seconds };
        }
        let mut problem = String::new();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            problem = next.to_string();
            cause = next.source();
        }
        if problem.contains("which Stacks") {
            return Error::Refused { address, problem };
        }
        Error::Unreachable { address, problem }
    }
}

/// Whether a server that is not available says that it is sealed.
fn is_sealed(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    text.contains("sealed") || text.contains("not initialized")
}

fn gone(location: &Location) -> Error {
    let version = location.version.map(|version| version.to_string());
    Error::NoVersion {
        path: location.path.clone(),
        version: version.unwrap_or_else(|| "newest".to_owned()),
    }
}

/// What Vault says was wrong, within bounds.
fn said(body: &Value) -> String {
    let errors = body["errors"].as_array();
    let first = errors.and_then(|errors| errors.first()?.as_str());
    let text = first.unwrap_or("no reason");
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect()
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

impl Mount {
    /// The path of the API for a secret: `part` is `data` or `metadata` where the engine keeps versions.
    fn within(&self, path: &str, part: &str) -> String {
        if !self.is_versioned {
            return path.to_owned();
        }
        let rest = path.strip_prefix(self.path.as_str()).unwrap_or_default();
        let rest = rest.trim_start_matches('/');
        let rest = rest.strip_prefix("data/").unwrap_or(rest);
        format!("{}/{part}/{rest}", self.path)
    }
}

impl Data {
    #[cfg(test)]
    pub(crate) fn of(values: Value, version: Version) -> Self {
        Self { values, version }
    }

    /// A value.
    ///
    /// # Errors
    /// That there is no such key.
    pub fn value(&self, location: &Location, key: &str) -> Result<Value, Error> {
        let found = self.values.get(key).filter(|value| !value.is_null());
        found.cloned().ok_or_else(|| Error::NoKey {
            path: location.path.clone(),
            key: key.to_owned(),
            others: self.values.as_object().map_or(0, Map::len),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Content(digest) => write!(formatter, "content {}", digest.short()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Client({})", self.address)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Data(version {})", self.version)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        wipe(&mut self.body);
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        wipe(&mut self.values);
    }
}
