//! Who asks, and what they may do: people who have signed in, programs with a token, and, where nobody signs
//! in, everybody on this machine. It must not know what is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::time::Time;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::{Semaphore, watch};

use crate::port::{Keeper, Kept};

pub(crate) mod accounts;
pub(crate) mod limits;
pub(crate) mod roles;
pub(crate) mod sessions;

use accounts::Account;
use limits::{Limits, Pace};
use roles::{Rights, Roles, Subject};
use sessions::Session;

/// How often a sign-in may be tried: by a name from an address, from an address, by a name. Whoever guesses
/// from many addresses slows a name down, and locks nobody out who is signed in.
const BY_PAIR: Pace = Pace {
    burst: 8,
    pause_millis: 20_000,
};
const BY_ADDRESS: Pace = Pace {
    burst: 40,
    pause_millis: 2_000,
};
const BY_NAME: Pace = Pace {
    burst: 100,
    pause_millis: 5_000,
};
/// How many passwords are verified at once: each takes a core and 19 MiB for a while.
const VERIFIED: usize = 2;

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) subject: Subject,
    /// The session, where it is not a token.
    pub(crate) session: Option<String>,
    /// When it ends.
    pub(crate) until: Time,
}

/// Who asks, with what they may do just now.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// Who has signed in; none where nobody has to, or nobody has.
    pub(crate) person: Option<Arc<Person>>,
    pub(crate) rights: Arc<Rights>,
}

impl Viewer {
    /// Everybody on this machine.
    pub(crate) fn of_this_machine() -> Self {
        Self {
            person: None,
            rights: Arc::new(Rights::everything()),
        }
    }

    /// Somebody who has not signed in, and may do nothing.
    pub(crate) fn stranger() -> Self {
        Self {
            person: None,
            rights: Arc::default(),
        }
    }

    /// The name, as it is written down.
    pub(crate) fn name(&self) -> Option<&str> {
        self.person
            .as_ref()
            .map(|person| person.subject.name.as_str())
    }
}

/// What came of a request's credentials.
pub(crate) enum Entry {
    /// They are somebody's.
    Viewer(Viewer),
    /// There are none, or they count no longer.
    Nobody,
    /// They are no token of ours.
    Forged,
}

/// What is known of those who may sign in, read from what is kept.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) accounts: BTreeMap<String, Account>,
    sessions: BTreeMap<String, Session>,
    roles: Arc<Roles>,
    /// What is wrong with the rules that are kept now; those before them stay.
    pub(crate) fault: Option<String>,
}

/// Sign-in, where there is one.
pub(crate) struct Access {
    keeper: Arc<dyn Keeper>,
    kept: watch::Receiver<Arc<Kept>>,
    known: Mutex<(Option<Arc<Kept>>, Arc<Known>)>,
    limits: Limits,
    pub(crate) verifying: Semaphore,
}

impl Access {
    pub(crate) fn new(keeper: Arc<dyn Keeper>) -> Self {
        Self {
            kept: keeper.kept(),
            keeper,
            known: Mutex::default(),
            limits: Limits::default(),
            verifying: Semaphore::new(VERIFIED),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Arc<Kept>>, Arc<Known>)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub(crate) fn known(&self) -> Arc<Known> {
        let kept = Arc::clone(&self.kept.borrow());
        let mut known = self.lock();
        let is_new = known
            .0
            .as_ref()
            .is_none_or(|read| !Arc::ptr_eq(read, &kept));
        if is_new {
            let read = Arc::new(read(&kept, &known.1));
            *known = (Some(kept), read);
        }
        Arc::clone(&known.1)
    }

    /// Hears when what is kept changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Kept>> {
        self.kept.clone()
    }

    /// Who asks, by the cookie or the token of a request.
    pub(crate) fn enter(&self, headers: &HeaderMap, cookie: &str, now: Time) -> Entry {
        let known = self.known();
        if let Some(value) = headers.get(AUTHORIZATION) {
            let value = value.to_str().unwrap_or_default();
            let is_bearer = value
                .get(..7)
                .is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
            let token = value.get(7..).filter(|_| is_bearer).unwrap_or_default();
            let person = known.of_token(token.trim(), now);
            return person.map_or(Entry::Forged, |person| Entry::Viewer(known.viewer(person)));
        }
        let Some((id, secret)) = sessions::cookie(headers, cookie) else {
            return Entry::Nobody;
        };
        match known.of_session(&id, now) {
            Some((session, person)) if session.is_of(&secret, now) => {
                Entry::Viewer(known.viewer(person))
            }
            _ => Entry::Nobody,
        }
    }

    /// The same person as they are now: none when what they came in with counts no longer.
    pub(crate) fn again(&self, person: &Person, now: Time) -> Option<Viewer> {
        let known = self.known();
        let name = &person.subject.name;
        let person = match &person.session {
            Some(id) => known.of_session(id, now)?.1,
            None if known.accounts.contains_key(name) && now < person.until => person.clone(),
            None => return None,
        };
        Some(known.viewer(person))
    }

    /// Whether a sign-in may be tried.
    pub(crate) fn may_try(&self, name: &str, from: &str, now: Time) -> bool {
        self.may_come(from, now)
            && self
                .limits
                .may(&format!("pair {from} {name}"), BY_PAIR, now)
            && self.limits.may(&format!("name {name}"), BY_NAME, now)
    }

    /// Whether somebody at an address may show credentials that may be forged.
    pub(crate) fn may_come(&self, from: &str, now: Time) -> bool {
        self.limits.may(&format!("address {from}"), BY_ADDRESS, now)
    }

    /// Begins a session: it is kept before its cookie is given away.
    ///
    /// # Errors
    /// When it could not be kept.
    pub(crate) async fn begin(&self, id: &str, session: Session) -> Result<(), String> {
        let (id, now) = (id.to_owned(), session.since);
        let edit = move |kept: &mut BTreeMap<String, String>| {
            sessions::add(kept, &id, &session, now);
        };
        self.keeper.edit_sessions(Box::new(edit)).await
    }

    /// Ends a session, or all of a person.
    ///
    /// # Errors
    /// When that could not be kept.
    pub(crate) async fn end(&self, person: &Person, all: bool) -> Result<(), String> {
        let name = person.subject.name.clone();
        let own = person.session.clone();
        let edit = move |kept: &mut BTreeMap<String, String>| {
            kept.retain(|id, text| {
                let is_own = own.as_ref() == Some(id);
                let is_theirs = Session::read(text).is_some_and(|session| session.name == name);
                !(is_own || all && is_theirs)
            });
        };
        self.keeper.edit_sessions(Box::new(edit)).await
    }
}

impl Known {
    fn viewer(&self, person: Person) -> Viewer {
        Viewer {
            rights: Arc::new(self.roles.rights(&person.subject)),
            person: Some(Arc::new(person)),
        }
    }

    /// How many sessions somebody has.
    pub(crate) fn sessions_of(&self, name: &str, now: Time) -> usize {
        let sessions = self.sessions.values();
        sessions
            .filter(|session| session.name == name && now < session.until)
            .count()
    }

    fn of_token(&self, token: &str, now: Time) -> Option<Person> {
        self.accounts.iter().find_map(|(name, account)| {
            let token = account.token(token, now)?;
            Some(Person {
                subject: Subject {
                    name: name.clone(),
                    groups: account.groups.clone(),
                },
                session: None,
                until: token.expires,
            })
        })
    }

    /// A session that counts, with whose it is. Groups of an account are those that it has now.
    fn of_session(&self, id: &str, now: Time) -> Option<(&Session, Person)> {
        let session = self.sessions.get(id)?;
        let account = self.accounts.get(&session.name)?;
        let counts = account.stamp == session.stamp && now < session.until;
        counts.then(|| {
            let person = Person {
                subject: Subject {
                    name: session.name.clone(),
                    groups: account.groups.clone(),
                },
                session: Some(id.to_owned()),
                until: session.until,
            };
            (session, person)
        })
    }
}

/// Reads what is kept. Rules that cannot be read leave those before them; an account that cannot be read is
/// none.
fn read(kept: &Kept, before: &Known) -> Known {
    let accounts = kept.accounts.iter().filter_map(|(name, text)| {
        let account = Account::read(text);
        if account.is_none() {
            tracing::warn!(
                account = name,
                "An account of the page cannot be read, and counts for none."
            );
        }
        Some((name.clone(), account?))
    });
    let sessions = kept.sessions.iter();
    let sessions = sessions.filter_map(|(id, text)| Some((id.clone(), Session::read(text)?)));
    let (roles, fault) = match kept.roles.as_deref().map(Roles::read) {
        None => (Arc::default(), None),
        Some(Ok(roles)) => (Arc::new(roles), None),
        Some(Err(faults)) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            (Arc::clone(&before.roles), Some(faults.join("; ")))
        }
    };
    if let Some(fault) = fault
        .as_ref()
        .filter(|fault| before.fault.as_ref() != Some(fault))
    {
        tracing::warn!(
            fault,
            "The rules of the page cannot be read; those before them stay."
        );
    }
    Known {
        accounts: accounts.collect(),
        sessions: sessions.collect(),
        roles,
        fault,
    }
}
