//! Local accounts: a password that is kept as argon2id has it, and tokens for programs, which are kept as
//! digests and shown once. It must not know where accounts are kept.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::time::Time;
use serde_json::json;
use zeroize::Zeroizing;

/// The fewest and the most bytes of a password. Longer ones would be work for nothing.
const SHORTEST: usize = 8;
const LONGEST: usize = 1_024;
/// What a token begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "holdfast_";
/// The most tokens of an account.
const TOKENS: usize = 64;

/// Why an account is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The password is too short or too long.
    #[error("a password has {SHORTEST} to {LONGEST} bytes, and this one has {0}")]
    Length(usize),
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// There is a token of that name.
    #[error("there is a token {0} already; remove it first, or choose another name")]
    Taken(String),
    /// There are too many tokens.
    #[error("an account has at most {TOKENS} tokens; remove one first")]
    TooMany,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// How the password is kept; none for an account of programs alone.
    pub password: Option<String>,
    /// Its groups, as rules name them.
    pub groups: Vec<String>,
    /// What a session has to name to count: another one ends all sessions.
    pub stamp: String,
    /// Its tokens.
    pub tokens: Vec<Token>,
}

/// A token of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is for.
    pub name: String,
    /// Which it is, in its text.
    pub id: String,
    /// The digest of its text.
    pub digest: Digest,
    /// When it was made.
    pub made: Time,
    /// When it ends.
    pub expires: Time,
}

/// Whether a text can be the name of an account or a token: it is a key of a Secret, and is shown as it is.
pub fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().next().is_some_and(is_letter)
        && text
            .bytes()
            .all(|byte| is_letter(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

impl Account {
    /// An account as it is kept; none where the text is no account.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let list = |name: &str| {
            let list = value.get(name).and_then(Value::as_array);
            list.cloned().unwrap_or_default()
        };
        let tokens = list("tokens");
        let tokens = tokens.iter().map(|token| {
            Some(Token {
                name: text(token, "name")?,
                id: text(token, "id")?,
                digest: digest(&text(token, "digest")?)?,
                made: Time::parse(&text(token, "made")?)?,
                expires: Time::parse(&text(token, "expires")?)?,
            })
        });
        let groups = list("groups");
        let groups = groups
            .iter()
            .filter_map(|group| Some(group.as_str()?.to_owned()));
        Some(Self {
            password: text(&value, "password"),
            groups: groups.collect(),
            stamp: text(&value, "stamp").filter(|stamp| !stamp.is_empty())?,
            tokens: tokens.collect::<Option<Vec<_>>>()?,
        })
    }

    /// The account as it is kept.
    pub fn write(&self) -> String {
        let tokens = self.tokens.iter().map(|token| {
            json!({
                "name": token.name, "id": token.id, "digest": token.digest.hex(),
                "made": token.made.to_string(), "expires": token.expires.to_string(),
            })
        });
        let tokens: Vec<Value> = tokens.collect();
        let value = json!({
            "password": self.password, "groups": self.groups, "stamp": self.stamp, "tokens": tokens,
        });
        value.to_string()
    }

    /// Takes another password, and ends all sessions.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn set_password(&mut self, password: &str, chance: [u8; 32]) -> Result<(), Refused> {
        if !(SHORTEST..=LONGEST).contains(&password.len()) {
            return Err(Refused::Length(password.len()));
        }
        let (salt, rest) = chance.split_at(16);
        let failed = |error: argon2::password_hash::Error| Refused::Hash(error.to_string());
        let hash = argon2().hash_password_with_salt(password.as_bytes(), salt);
        let hash: PasswordHash = hash.map_err(failed)?;
        self.password = Some(hash.to_string());
        self.stamp = hex(rest);
        Ok(())
    }

    /// Makes a token; its text is nowhere but in the answer.
    ///
    /// # Errors
    /// When there is one of that name, or there are too many.
    pub fn add_token(
        &mut self,
        name: &str,
        chance: [u8; 32],
        made: Time,
        expires: Time,
    ) -> Result<Zeroizing<String>, Refused> {
        self.tokens.retain(|token| made < token.expires);
        if self.tokens.iter().any(|token| token.name == name) {
            return Err(Refused::Taken(name.to_owned()));
        }
        if self.tokens.len() >= TOKENS {
            return Err(Refused::TooMany);
        }
        let (id, rest) = chance.split_at(4);
        let id = hex(id);
        let text = Zeroizing::new(format!("{PREFIX}{id}_{}", hex(rest)));
        self.tokens.push(Token {
            name: name.to_owned(),
            id,
            digest: Digest::of_bytes(text.as_bytes()),
            made,
            expires,
        });
        Ok(text)
    }

    /// The token of a text, where it is one of this account and has not ended.
    pub(crate) fn token(&self, text: &str, now: Time) -> Option<&Token> {
        let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let given = Digest::of_bytes(text.as_bytes());
        self.tokens
            .iter()
            .find(|token| token.id == id && same(&token.digest, &given) && now < token.expires)
    }
}

/// Whether two digests are the same; how long it takes tells nothing of where they differ.
pub(crate) fn same(left: &Digest, right: &Digest) -> bool {
    let pairs = left.as_bytes().iter().zip(right.as_bytes());
    pairs.fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that these digits write.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}

/// 19 MiB, two passes: what OWASP advises for argon2id.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is verified where there is no such account, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hash: Result<PasswordHash, _> = argon2().hash_password_with_salt(b"", b"nobody's own salt");
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

/// Whether a password is that of an account. It takes as long where there is none; a second of a core at most.
pub(crate) fn verify(account: Option<&Account>, password: &str) -> bool {
    let kept = account.and_then(|account| account.password.as_deref());
    let Ok(hash) = PasswordHash::new(kept.unwrap_or(NOBODY.as_str())) else {
        return false;
    };
    let is_bounded = is_bounded(&hash);
    let password = if password.len() > LONGEST {
        ""
    } else {
        password
    };
    let is_same = is_bounded && argon2().verify_password(password.as_bytes(), &hash).is_ok();
    is_same && kept.is_some()
}

/// Whether what a hash costs is what hashes of ours cost, or not much more.
fn is_bounded(hash: &PasswordHash) -> bool {
    Params::try_from(hash).is_ok_and(|params| {
        params.m_cost() <= 65_536 && params.t_cost() <= 8 && params.p_cost() <= 4
    })
}

#[cfg(test)]
mod tests {
    use holdfast_model::time::Time;

    use super::{Account, Refused, is_name, verify};

    fn account() -> Account {
        let mut account = Account::default();
        account
            .set_password("correct horse", [3; 32])
            .expect("it is long enough");
        account
    }

    #[test]
    fn a_password_is_kept_as_argon2id_has_it_and_another_is_none() {
        let account = account();
        let kept = account.write();
        assert!(kept.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains("horse"));
        let read = Account::read(&kept).expect("it is an account");
        assert_eq!(read, account);
        assert!(verify(Some(&read), "correct horse"));
        for wrong in ["", "correct", "correct horse ", &"x".repeat(5_000)] {
            assert!(!verify(Some(&read), wrong), "{wrong}");
        }
        assert!(!verify(None, "") && !verify(None, "correct horse"));
        let programs = Account {
            password: None,
            ..account.clone()
        };
        assert!(!verify(Some(&programs), ""));
        let mut weak = account;
        assert_eq!(weak.set_password("short", [3; 32]), Err(Refused::Length(5)));
    }

    #[test]
    fn a_hash_that_costs_too_much_is_not_tried() {
        let mut account = account();
        let kept = account.password.take().unwrap_or_default();
        account.password = Some(kept.replace("m=19456", "m=4000000"));
        assert!(!verify(Some(&account), "correct horse"));
        account.password = Some("no hash".to_owned());
        assert!(!verify(Some(&account), "no hash"));
    }

    #[test]
    fn a_token_is_kept_as_a_digest_and_ends() {
        let (now, later) = (Time::from_millis(1_000), Time::from_millis(60_000));
        let mut account = account();
        let text = account
            .add_token("ci", [9; 32], now, later)
            .expect("it is made");
        assert_eq!(
            account.add_token("ci", [8; 32], now, later),
            Err(Refused::Taken("ci".to_owned()))
        );
        let kept = account.write();
        assert!(!kept.contains(text.rsplit('_').next().expect("it has an end")));
        let read = Account::read(&kept).expect("it is an account");
        assert!(read.token(&text, now).is_some());
        assert!(read.token(&text, later).is_none(), "it has ended");
        let forged = text.replace("0909090909090909", "0909090909090908");
        for wrong in [forged.as_str(), "", "holdfast_09090909_", "holdfast_x"] {
            assert!(read.token(wrong, now).is_none(), "{wrong}");
        }
    }

    #[test]
    fn names_are_keys_of_a_secret_and_are_shown_as_they_are() {
        for name in ["a", "alice.b-c_d", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "-a",
            "Alice",
            "a b",
            "a/b",
            "role:admin",
            "é",
            &"a".repeat(64),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
