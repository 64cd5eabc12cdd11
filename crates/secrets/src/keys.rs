//! Keys of age: who can open, whom it is sealed for. An X25519 key of age's own, or a key of SSH. It must
//! not know where keys are kept.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use holdfast_model::secret::DigestKey;
use zeroize::Zeroizing;

use crate::error::Error;

/// The most keys that are read from one text.
const MOST_KEYS: usize = 256;

/// Keys that open, and the key under which what they open is digested.
pub struct Keys {
    identities: Vec<Identity>,
    pub(crate) digest_key: DigestKey,
}

/// A private key.
pub struct Identity(Private);

enum Private {
    X25519(age::x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
}

/// A public key that something is sealed for.
#[derive(Clone)]
pub struct Recipient {
    /// As it was written, without comment.
    name: String,
    public: Public,
}

#[derive(Clone)]
enum Public {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl Keys {
    /// No keys yet; digests of what is opened are made under this key.
    pub fn new(digest_key: DigestKey) -> Self {
        Self {
            identities: Vec::new(),
            digest_key,
        }
    }

    /// Adds the keys of a text: a file of age, where each line is a key or a comment, or private keys
    /// of SSH.
    ///
    /// # Errors
    /// The first line that is neither, by its number and never by what it says.
    pub fn add(&mut self, text: &str) -> Result<(), Error> {
        let mut pem: Option<Zeroizing<String>> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if let Some(block) = &mut pem {
                block.push_str(line);
                block.push('\n');
                if line.starts_with("-----END ") {
                    let identity = ssh_identity(block, number)?;
                    self.push(identity, number)?;
                    pem = None;
                }
            } else if line.starts_with("-----BEGIN ") {
                pem = Some(Zeroizing::new(format!("{line}\n")));
            } else if !line.is_empty() && !line.starts_with('#') {
                let identity = age_identity(line, number)?;
                self.push(identity, number)?;
            }
        }
        match pem {
            Some(_) => Err(no_identity("a private key of SSH has no end")),
            None => Ok(()),
        }
    }

    fn push(&mut self, identity: Identity, line: usize) -> Result<(), Error> {
        if self.identities.len() >= MOST_KEYS {
            let problem = format!("line {line} is beyond the {MOST_KEYS} keys that are read");
            return Err(no_identity(&problem));
        }
        self.identities.push(identity);
        Ok(())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// The recipients that these keys open for, as far as they can be named.
    pub fn recipients(&self) -> Vec<String> {
        self.identities
            .iter()
            .filter_map(Identity::recipient)
            .collect()
    }

    /// What an armored file of age holds.
    pub(crate) fn unwrap(&self, armored: &str) -> Option<Zeroizing<Vec<u8>>> {
        let reader = age::armor::ArmoredReader::new(armored.as_bytes());
        let decryptor = age::Decryptor::new(reader).ok()?;
        let identities = self.identities.iter().map(Identity::as_age);
        let reader = decryptor.decrypt(identities).ok()?;
        let mut clear = Zeroizing::new(Vec::with_capacity(64));
        // A data key or a share of one is meant; nothing longer is read.
        reader.take(256).read_to_end(&mut clear).ok()?;
        Some(clear)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.identities.len())
    }
}

impl Identity {
    fn as_age(&self) -> &dyn age::Identity {
        match &self.0 {
            Private::X25519(identity) => identity,
            Private::Ssh(identity) => &**identity,
        }
    }

    fn recipient(&self) -> Option<String> {
        match &self.0 {
            Private::X25519(identity) => Some(identity.to_public().to_string()),
            Private::Ssh(identity) => {
                let recipient = age::ssh::Recipient::try_from((**identity).clone()).ok()?;
                Some(recipient.to_string())
            }
        }
    }
}

impl Recipient {
    /// Reads a recipient: `age1…`, or a public key of SSH as it stands in `authorized_keys`.
    ///
    /// # Errors
    /// Why it is none that can be used.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |problem: &str| Error::Key {
            expected: "recipient",
            problem: problem.to_owned(),
        };
        let text = text.trim();
        if text.starts_with("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
            return Err(refuse("it is a private key; give the public one"));
        }
        if text.starts_with("age1pq1") {
            return Err(refuse(
                "post-quantum recipients of age are not supported yet",
            ));
        }
        if text.starts_with("ssh-") {
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let name = words.join(" ");
            let recipient = age::ssh::Recipient::from_str(&name);
            let recipient =
                recipient.map_err(|_| refuse("only the SSH keys ssh-ed25519 and ssh-rsa are"))?;
            let public = Public::Ssh(recipient);
            return Ok(Self { name, public });
        }
        let recipient = age::x25519::Recipient::from_str(text);
        let recipient = recipient
            .map_err(|_| refuse("it is neither `age1…` nor a public key of SSH, or is mistyped"))?;
        let public = Public::X25519(recipient);
        let name = text.to_owned();
        Ok(Self { name, public })
    }

    /// As it was written, without comment.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// An armored file of age with these bytes that this recipient alone opens.
    pub(crate) fn wrap(&self, clear: &[u8]) -> Result<String, Error> {
        let refuse = || Error::Key {
            expected: "recipient",
            problem: format!("nothing could be sealed for {}", self.name),
        };
        let recipient: &dyn age::Recipient = match &self.public {
            Public::X25519(recipient) => recipient,
            Public::Ssh(recipient) => recipient,
        };
        let encryptor = age::Encryptor::with_recipients([recipient].into_iter());
        let encryptor = encryptor.map_err(|_| refuse())?;
        let mut out = Vec::new();
        let format = age::armor::Format::AsciiArmor;
        let written = age::armor::ArmoredWriter::wrap_output(&mut out, format)
            .and_then(|armor| encryptor.wrap_output(armor))
            .and_then(|mut writer| {
                writer.write_all(clear)?;
                writer.finish()
            })
            .and_then(age::armor::ArmoredWriter::finish);
        written.map_err(|_| refuse())?;
        String::from_utf8(out).map_err(|_| refuse())
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// A new private key of age, and its recipient.
pub fn generate() -> (Zeroizing<String>, String) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let text = identity.to_string();
    (Zeroizing::new(text.expose_secret().to_owned()), recipient)
}

fn no_identity(problem: &str) -> Error {
    Error::Key {
        expected: "file of private keys",
        problem: problem.to_owned(),
    }
}

fn age_identity(line: &str, number: usize) -> Result<Identity, Error> {
    let problem = if line.starts_with("AGE-SECRET-KEY-PQ-") {
        "is a post-quantum key of age, which is not supported yet"
    } else if line.starts_with("AGE-PLUGIN-") {
        "needs a plugin of age, which are not supported"
    } else if line.starts_with("age1") || line.starts_with("ssh-") {
        "is a public key; the private one opens"
    } else {
        "is no private key"
    };
    let identity = age::x25519::Identity::from_str(line)
        .map_err(|_| no_identity(&format!("line {number} {problem}")))?;
    Ok(Identity(Private::X25519(identity)))
}

fn ssh_identity(block: &str, number: usize) -> Result<Identity, Error> {
    let wrong =
        |problem: &str| no_identity(&format!("the key that ends on line {number} {problem}"));
    let identity = age::ssh::Identity::from_buffer(block.as_bytes(), None)
        .map_err(|_| wrong("is no private key of SSH"))?;
    match identity {
        age::ssh::Identity::Unencrypted(_) => Ok(Identity(Private::Ssh(Box::new(identity)))),
        age::ssh::Identity::Encrypted(_) => Err(wrong(
            "is protected by a passphrase; give one that is not, or a key of age",
        )),
        age::ssh::Identity::Unsupported(_) => Err(wrong(
            "is neither ssh-ed25519 nor ssh-rsa, which alone are supported",
        )),
    }
}
