//! Sessions of people who have signed in: a random text in a cookie, of which the digest is kept. It must not
//! know where sessions are kept.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::time::Time;
use http::HeaderMap;
use http::header::COOKIE;
use serde_json::json;

use super::accounts::{digest, same};

/// How long a session counts: a day at work.
pub(crate) const LENGTH_MILLIS: i64 = 12 * 3_600 * 1_000;
/// The most sessions of a person, and of all: what is kept has to fit into one object.
const OF_ONE: usize = 16;
const OF_ALL: usize = 2_000;
/// The most bytes of all of them; an object of a Kubernetes API holds 1 MiB, and base64 makes a third more.
const LARGEST: usize = 700_000;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) digest: Digest,
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    /// The stamp of the account it is of.
    pub(crate) stamp: String,
    pub(crate) since: Time,
    pub(crate) until: Time,
}

impl Session {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let groups = value.get("groups").and_then(Value::as_array);
        let groups = groups.into_iter().flatten();
        let groups = groups.filter_map(|group| Some(group.as_str()?.to_owned()));
        Some(Self {
            digest: digest(&text("digest")?)?,
            name: text("name")?,
            groups: groups.collect(),
            stamp: text("stamp")?,
            since: Time::parse(&text("since")?)?,
            until: Time::parse(&text("until")?)?,
        })
    }

    pub(crate) fn write(&self) -> String {
        let value = json!({
            "digest": self.digest.hex(), "name": self.name, "groups": self.groups,
            "stamp": self.stamp, "since": self.since.to_string(), "until": self.until.to_string(),
        });
        value.to_string()
    }

    /// Whether the text of a cookie is the one of this session, and it still counts.
    pub(crate) fn is_of(&self, secret: &str, now: Time) -> bool {
        same(&self.digest, &Digest::of_bytes(secret.as_bytes())) && now < self.until
    }
}

/// Adds a session to those that are kept; what has ended goes, and the oldest where there are too many.
pub(crate) fn add(kept: &mut BTreeMap<String, String>, id: &str, session: &Session, now: Time) {
    let mut all: Vec<(String, Session)> = kept
        .iter()
        .filter_map(|(id, text)| Some((id.clone(), Session::read(text)?)))
        .filter(|(_, session)| now < session.until)
        .collect();
    all.sort_by_key(|(_, session)| std::cmp::Reverse(session.since));
    let mut own = 0;
    all.retain(|(_, known)| {
        own += usize::from(known.name == session.name);
        known.name != session.name || own < OF_ONE
    });
    all.insert(0, (id.to_owned(), session.clone()));
    all.truncate(OF_ALL);
    let mut room = LARGEST;
    let all = all.into_iter().map(|(id, session)| (id, session.write()));
    *kept = all
        .take_while(|(_, text)| {
            let fits = text.len() <= room;
            room = room.saturating_sub(text.len());
            fits
        })
        .collect();
}

/// Id and secret in the cookie of a request, where it looks like one of ours.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<(String, String)> {
    let all = headers.get_all(COOKIE).iter();
    let mut all = all.flat_map(|line| line.to_str().unwrap_or_default().split(';'));
    all.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        let (id, secret) = value.split_once('.')?;
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let is_whole = found == name && is_hex(id, 16) && is_hex(secret, 64);
        is_whole.then(|| (id.to_owned(), secret.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_model::digest::Digest;
    use holdfast_model::time::Time;

    use super::{OF_ALL, OF_ONE, Session, add};

    fn session(name: &str, since: i64) -> Session {
        Session {
            digest: Digest::of_bytes(b"secret"),
            name: name.to_owned(),
            groups: vec!["leads".to_owned()],
            stamp: "1".to_owned(),
            since: Time::from_millis(since * 1_000),
            until: Time::from_millis(since * 1_000 + 100_000_000),
        }
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes_first() {
        let mut kept = BTreeMap::new();
        for at in 0..40 {
            let now = Time::from_millis(at * 1_000);
            add(&mut kept, &format!("{at}"), &session("alice", at), now);
        }
        assert_eq!(kept.len(), OF_ONE);
        assert!(kept.contains_key("39") && !kept.contains_key("20"));
        let read = Session::read(&kept["39"]).expect("it is a session");
        assert_eq!(read, session("alice", 39));
        for at in 0..i64::try_from(OF_ALL).expect("it is small") {
            let text = session(&format!("p{at}"), 100 + at).write();
            kept.insert(format!("x{at}"), text);
        }
        add(
            &mut kept,
            "new",
            &session("bob", 9_000),
            Time::from_millis(9_000_000),
        );
        assert_eq!(kept.len(), OF_ALL);
        let whole: usize = kept.iter().map(|(id, text)| id.len() + text.len()).sum();
        assert!(whole < 750_000, "it fits into an object as base64: {whole}");
    }

    #[test]
    fn what_has_ended_goes_and_what_is_no_session_is_none() {
        let mut kept = BTreeMap::from([
            ("old".to_owned(), session("alice", 1).write()),
            ("odd".to_owned(), "{}".to_owned()),
        ]);
        let late = Time::from_millis(200_000_000);
        add(&mut kept, "new", &session("bob", 200_000), late);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["new"]);
    }
}
