//! Vault and OpenBao as all Stacks share them: logins that are kept as long as they count, a budget for each
//! server, and versions that are asked for once an interval however many Stacks want to know. It must not
//! know what is made of values, and keeps none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_model::operation::{Class, Failure};
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::SecretReference;
use holdfast_model::vault::{VaultAuth, VaultChoice, VaultProof};
use holdfast_secrets::vault::{
    Client, Data, Error, Location, Login, Mount, Network, Settings, Token, Version,
};
use holdfast_source::Sources;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::ports::Connections;

/// How many requests to one server are under way at once.
const AT_ONCE: usize = 8;
/// The time between the beginnings of two requests to one server.
const PACE: Duration = Duration::from_millis(5);
/// How long a server that was away is not asked again.
const AWAY: Duration = Duration::from_secs(5);
/// How long a token from a Secret counts before the Secret is read again.
const SECRET_AGE: Duration = Duration::from_secs(300);
/// What is left of a token that is not worth renewing any more.
const SHORT: Duration = Duration::from_secs(15);
/// How long a login is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(3600);
/// How long the end of all logins may take.
const ENDING: Duration = Duration::from_secs(5);
/// The most versions that are remembered a login.
const MOST_VERSIONS: usize = 10_000;

/// All servers, and all logins there.
pub struct Vaults {
    network: Network,
    digests: DigestKey,
    sessions: Mutex<HashMap<VaultChoice, Arc<Session>>>,
    servers: Mutex<HashMap<String, Arc<Server>>>,
}

/// A server: how much is asked of it, and whether it was away.
struct Server {
    permits: Semaphore,
    next: Mutex<Option<Instant>>,
    away: Mutex<Option<(Instant, Error)>>,
}

/// A login to a server, for all Stacks of a namespace that log in alike.
pub(crate) struct Session {
    choice: VaultChoice,
    client: Client,
    server: Arc<Server>,
    digests: DigestKey,
    token: tokio::sync::Mutex<Option<Arc<Held>>>,
    mounts: Mutex<Vec<Mount>>,
    versions: Mutex<HashMap<String, (Instant, Version)>>,
    used: Mutex<Instant>,
}

/// A token, and since when it counts.
struct Held {
    token: Token,
    since: Instant,
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Question<'a> {
    Data(&'a Location),
    Version(&'a Location),
}

enum Answer {
    Data(Data),
    Version(Version),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vaults {
    /// No logins yet; servers are asked where these sources may fetch from.
    pub fn new(sources: &Sources, digests: &DigestKey) -> Arc<Self> {
        let guard = sources.guard();
        Arc::new(Self {
            network: Network {
                resolver: guard.resolver(),
                check: Arc::new(move |url| guard.check_service(url)),
            },
            digests: digests.clone(),
            sessions: Mutex::default(),
            servers: Mutex::default(),
        })
    }

    /// The login that a Stack wants. Nothing is asked yet.
    pub(crate) fn session(&self, choice: &VaultChoice) -> Result<Arc<Session>, Error> {
        let now = Instant::now();
        let choice = VaultChoice {
            interval: Duration::ZERO,
            ..choice.clone()
        };
        self.end_idle(now);
        if let Some(session) = lock(&self.sessions).get(&choice) {
            *lock(&session.used) = now;
            return Ok(Arc::clone(session));
        }
        let settings = Settings {
            address: &choice.address,
            namespace: choice.namespace.as_deref(),
            ca: choice.ca.as_deref(),
        };
        let session = Arc::new(Session {
            client: Client::new(settings, &self.network)?,
            server: self.server(&choice.address),
            digests: self.digests.clone(),
            token: tokio::sync::Mutex::default(),
            mounts: Mutex::default(),
            versions: Mutex::default(),
            used: Mutex::new(now),
            choice: choice.clone(),
        });
        let mut sessions = lock(&self.sessions);
        Ok(Arc::clone(sessions.entry(choice).or_insert(session)))
    }

    fn server(&self, address: &str) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        let server = servers.entry(address.to_owned()).or_insert_with(|| {
            Arc::new(Server {
                permits: Semaphore::new(AT_ONCE),
                next: Mutex::default(),
                away: Mutex::default(),
            })
        });
        Arc::clone(server)
    }

    /// Ends logins that nobody has used for long.
    fn end_idle(&self, now: Instant) {
        let mut ended = Vec::new();
        lock(&self.sessions).retain(|_, session| {
            let is_used = now.saturating_duration_since(*lock(&session.used)) < IDLE;
            if !is_used {
                ended.push(Arc::clone(session));
            }
            is_used
        });
        for session in ended {
            tokio::spawn(async move { session.end().await });
        }
    }

    /// Ends all logins: their tokens count no longer.
    pub async fn close(&self) {
        let sessions: Vec<_> = lock(&self.sessions).drain().map(|(_, one)| one).collect();
        let mut ending = tokio::task::JoinSet::new();
        for session in sessions {
            ending.spawn(async move { session.end().await });
        }
        // What does not answer now ends by itself when its lease does.
        let all = async { while ending.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ENDING, all).await;
    }
}

impl Server {
    /// Waits for its turn.
    async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok();
        let now = Instant::now();
        let pause = {
            let mut next = lock(&self.next);
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + PACE);
            at.saturating_duration_since(now)
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        permit
    }

    /// Why it was away a moment ago.
    fn was_away(&self) -> Option<Error> {
        let away = lock(&self.away);
        let (at, error) = away.as_ref()?;
        (at.elapsed() < AWAY).then(|| error.clone())
    }

    fn note<T>(&self, asked: &Result<T, Error>) {
        let away = asked.as_ref().err();
        // What a Secret lacks is no trouble of the server.
        let away = away
            .filter(|error| error.is_away())
            .filter(|error| !matches!(error, Error::Credentials { .. }));
        *lock(&self.away) = away.map(|error| (Instant::now(), error.clone()));
    }
}

impl Session {
    /// What lies at a place.
    pub(crate) async fn read(
        &self,
        connections: &dyn Connections,
        location: &Location,
    ) -> Result<Data, Error> {
        match self.ask(connections, Question::Data(location)).await? {
            Answer::Data(data) => {
                if location.version.is_none() {
                    self.remember(&location.path, &data.version);
                }
                Ok(data)
            }
            Answer::Version(_) => Err(Error::NoVersion {
                path: location.path.clone(),
                version: "newest".to_owned(),
            }),
        }
    }

    /// The newest version at a path, as it was after `oldest`.
    pub(crate) async fn version(
        &self,
        connections: &dyn Connections,
        path: &str,
        oldest: Option<Instant>,
    ) -> Result<Version, Error> {
        let known = lock(&self.versions).get(path).cloned();
        if let Some((at, version)) = known
            && Some(at) >= oldest
        {
            return Ok(version);
        }
        let location = Location {
            path: path.to_owned(),
            version: None,
        };
        let version = match self.ask(connections, Question::Version(&location)).await? {
            Answer::Version(version) => version,
            Answer::Data(data) => data.version.clone(),
        };
        self.remember(path, &version);
        Ok(version)
    }

    fn remember(&self, path: &str, version: &Version) {
        let mut versions = lock(&self.versions);
        if versions.len() >= MOST_VERSIONS {
            versions.clear();
        }
        versions.insert(path.to_owned(), (Instant::now(), version.clone()));
    }

    async fn ask(
        &self,
        connections: &dyn Connections,
        question: Question<'_>,
    ) -> Result<Answer, Error> {
        if let Some(error) = self.server.was_away() {
            return Err(error);
        }
        let _turn = self.server.turn().await;
        let asked = self.ask_as(connections, question).await;
        self.server.note(&asked);
        asked
    }

    /// Asks, and once more with another login where the token counts no longer.
    async fn ask_as(
        &self,
        connections: &dyn Connections,
        question: Question<'_>,
    ) -> Result<Answer, Error> {
        let held = self.held(connections).await?;
        let asked = self.ask_with(&held.token, question).await;
        match asked {
            Err(Error::Denied { .. }) if !self.client.counts(&held.token).await? => {
                self.give_up(&held).await;
                lock(&self.mounts).clear();
                let held = self.held(connections).await?;
                self.ask_with(&held.token, question).await
            }
            Err(error @ (Error::Denied { .. } | Error::Absent { .. })) => {
                // An engine may have been mounted there since.
                lock(&self.mounts).clear();
                Err(error)
            }
            asked => asked,
        }
    }

    async fn ask_with(&self, token: &Token, question: Question<'_>) -> Result<Answer, Error> {
        let (Question::Data(location) | Question::Version(location)) = question;
        let mount = self.mount(token, &location.path).await?;
        let digests = &self.digests;
        match question {
            Question::Data(location) => {
                let data = self.client.read(token, &mount, location, digests);
                data.await.map(Answer::Data)
            }
            Question::Version(location) => {
                let version = self.client.version(token, &mount, location, digests);
                version.await.map(Answer::Version)
            }
        }
    }

    /// The engine that a path is in, asked for once: none can be mounted within another.
    async fn mount(&self, token: &Token, path: &str) -> Result<Mount, Error> {
        let is_in = |mount: &&Mount| {
            let rest = path.strip_prefix(mount.path.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let known = lock(&self.mounts).iter().find(is_in).cloned();
        if let Some(mount) = known {
            return Ok(mount);
        }
        let mount = self.client.mount(token, path).await?;
        lock(&self.mounts).push(mount.clone());
        Ok(mount)
    }

    /// A token that counts, by a login where there is none. Whoever wants one meanwhile waits for it.
    async fn held(&self, connections: &dyn Connections) -> Result<Arc<Held>, Error> {
        let mut token = self.token.lock().await;
        let is_of_secret = matches!(self.choice.auth, VaultAuth::Token { .. });
        if let Some(held) = token.as_ref() {
            let (age, lease) = (held.since.elapsed(), held.token.lease);
            if is_of_secret {
                if age < SECRET_AGE && (lease.is_zero() || age < lease) {
                    return Ok(Arc::clone(held));
                }
            } else if lease.is_zero() || age < lease * 2 / 3 {
                return Ok(Arc::clone(held));
            } else if held.token.is_renewable && age < lease {
                match self.client.renew(&held.token).await {
                    Ok(renewed) if renewed.lease >= SHORT => {
                        let held = Held::now(renewed);
                        *token = Some(Arc::clone(&held));
                        return Ok(held);
                    }
                    Err(error) if error.is_away() => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        *token = None;
        let held = Held::now(self.log_in(connections).await?);
        *token = Some(Arc::clone(&held));
        Ok(held)
    }

    async fn give_up(&self, held: &Arc<Held>) {
        let mut token = self.token.lock().await;
        token.take_if(|current| Arc::ptr_eq(current, held));
    }

    async fn log_in(&self, connections: &dyn Connections) -> Result<Token, Error> {
        match &self.choice.auth {
            VaultAuth::Proof { mount, role, proof } => {
                let jwt = proof_of(connections, proof).await?;
                let (role, jwt) = (role.as_str(), jwt.as_str());
                self.client.login(&Login::Proof { mount, role, jwt }).await
            }
            VaultAuth::AppRole { mount, secret } => {
                let role_id = entry(connections, secret, &["roleId", "role_id"]).await?;
                let secret_id = entry(connections, secret, &["secretId", "secret_id"]).await?;
                let login = Login::AppRole {
                    mount,
                    role_id: &role_id,
                    secret_id: &secret_id,
                };
                self.client.login(&login).await
            }
            VaultAuth::Token { secret } => {
                let text = entry(connections, secret, &["token"]).await?;
                let token = self.client.look_up(&text).await?;
                if !token.is_renewable {
                    return Ok(token);
                }
                match self.client.renew(&token).await {
                    Ok(renewed) => Ok(renewed),
                    Err(error) if error.is_away() => Err(error),
                    Err(_) => Ok(token),
                }
            }
        }
    }

    /// Ends the login. A token that somebody else has made is left to them.
    async fn end(&self) {
        let held = self.token.lock().await.take();
        let is_ours = !matches!(self.choice.auth, VaultAuth::Token { .. });
        if let Some(held) = held.filter(|_| is_ours) {
            let _ = self.client.revoke(&held.token).await;
        }
    }
}

impl Held {
    fn now(token: Token) -> Arc<Self> {
        Arc::new(Self {
            token,
            since: Instant::now(),
        })
    }
}

async fn proof_of(
    connections: &dyn Connections,
    proof: &VaultProof,
) -> Result<Zeroizing<String>, Error> {
    match proof {
        VaultProof::Secret(secret) => entry(connections, secret, &["token", "jwt"]).await,
        VaultProof::Account {
            namespace,
            name,
            audience,
        } => {
            let token = connections.account_token(namespace, name, audience.as_deref());
            token.await.map_err(|failure| {
                credentials(&failure, &format!("ServiceAccount {namespace}/{name}"))
            })
        }
    }
}

async fn entry(
    connections: &dyn Connections,
    secret: &SecretReference,
    names: &[&str],
) -> Result<Zeroizing<String>, Error> {
    let SecretReference { namespace, name } = secret;
    let entries = connections.entries(secret).await;
    let entries =
        entries.map_err(|failure| credentials(&failure, &format!("Secret {namespace}/{name}")))?;
    let found = names.iter().find_map(|name| entries.get(*name));
    let text = found.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.map(|text| Zeroizing::new(text.trim().to_owned()));
    text.ok_or_else(|| Error::Credentials {
        message: format!(
            "spec.secrets.vault.auth names Secret {namespace}/{name}, which has no `{}`",
            names[0]
        ),
        may_pass: false,
    })
}

fn credentials(failure: &Failure, what: &str) -> Error {
    Error::Credentials {
        message: format!(
            "spec.secrets.vault.auth names {what}, which cannot be used: {}",
            failure.message
        ),
        may_pass: failure.class == Class::Transient && failure.reason != "Refused",
    }
}
