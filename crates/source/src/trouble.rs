//! What kept a repository from being fetched, in words that say what happened and what to do. It must not
//! fetch, and shows no value of a credential.

use std::error::Error as StdError;
use std::io::ErrorKind;

use crate::cause::Cause;
use crate::guard::DENIED;
use crate::repository::{Credentials, Error};

/// The most causes of an error that are looked at.
const DEPTH: usize = 24;
/// The longest words of a cause that is not known here.
const WORDS: usize = 300;

/// What one error of a chain is known to mean.
type Known = (Cause, String);

/// The error of a fetch, from what was thrown and how it was tried.
pub(crate) fn explain(
    url: &str,
    credentials: Option<&Credentials>,
    error: &(dyn StdError + 'static),
) -> Error {
    let chain: Vec<&(dyn StdError + 'static)> = chain(error);
    let denied = chain.iter().map(ToString::to_string);
    if let Some(message) = denied.into_iter().find(|words| words.contains(DENIED)) {
        return Error::Denied {
            url: url.to_owned(),
            message,
        };
    }
    let found = chain
        .iter()
        .rev()
        .find_map(|error| typed(*error, credentials))
        .or_else(|| {
            chain
                .iter()
                .rev()
                .find_map(|error| spoken(&error.to_string(), credentials))
        });
    let is_ssh = url.starts_with("ssh://") || !url.contains("://");
    let (cause, message) = found.unwrap_or_else(|| match is_ssh {
        true => (
            Cause::SshEnded,
            format!("ssh ended without an answer: {}", last_words(&chain)),
        ),
        false => (Cause::Other, last_words(&chain)),
    });
    Error::Unfetched {
        url: url.to_owned(),
        cause,
        message,
    }
}

/// The error of an answer that is none.
pub(crate) fn answered(url: &str, code: u16, credentials: Option<&Credentials>) -> Error {
    let (cause, message) = of_status(code, credentials);
    Error::Unfetched {
        url: url.to_owned(),
        cause,
        message,
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut chain = vec![error];
    let mut next = error.source();
    while let Some(cause) = next.filter(|_| chain.len() < DEPTH) {
        chain.push(cause);
        // An error of the system may hold another one that it does not give as its source.
        let held = cause.downcast_ref::<std::io::Error>();
        if let Some(inner) = held.and_then(std::io::Error::get_ref) {
            chain.push(inner);
        }
        next = cause.source();
    }
    chain
}

/// What an error means whose type is known.
fn typed(error: &(dyn StdError + 'static), credentials: Option<&Credentials>) -> Option<Known> {
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        if let Some(status) = error.status() {
            return Some(of_status(status.as_u16(), credentials));
        }
        if error.is_timeout() {
            return Some((Cause::Silent, "no answer came in time".to_owned()));
        }
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    if let Some(said) = of_ssh(&error.to_string()) {
        return Some(said);
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => (Cause::Refused, "the connection was refused".to_owned()),
        ErrorKind::TimedOut => (Cause::Silent, "no answer came in time".to_owned()),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            (Cause::Silent, "there is no way to the host".to_owned())
        }
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            let message = "the server closed the connection before the answer was whole";
            (Cause::Closed, message.to_owned())
        }
        _ => return None,
    })
}

/// What a line means that ssh has written.
fn of_ssh(line: &str) -> Option<Known> {
    let cause = match line {
        _ if line.contains("resolve hostname") => Cause::Unresolved,
        _ if line.contains("connect to host") && line.contains("refused") => Cause::Refused,
        _ if line.contains("connect to host") => Cause::Silent,
        _ if line.contains("Connection closed by ") => Cause::Closed,
        _ if line.contains("Permission denied (") => Cause::WrongCredentials,
        _ => return None,
    };
    let words = brief(line.trim());
    let message = match cause {
        Cause::WrongCredentials => format!("ssh: {words}; it does not take the credentials"),
        _ if words.starts_with("ssh: ") => words,
        _ => format!("ssh: {words}"),
    };
    Some((cause, message))
}

/// The most bytes that are read of what ssh has written.
pub(crate) const SAID: u64 = 16 << 10;

/// The same error in the words of ssh itself, where that has written any. Where it has not, it got
/// through to the host, and git did not answer there.
pub(crate) fn reworded(error: Error, said: &str) -> Error {
    let Error::Unfetched {
        url,
        cause,
        message,
    } = error
    else {
        return error;
    };
    let known = match cause {
        Cause::NoSsh => None,
        Cause::SshEnded if said.trim().is_empty() => Some((
            Cause::NotFound,
            "ssh got through to the host, which gives no git repository at that path".to_owned(),
        )),
        _ => of_ssh_log(said),
    };
    let (cause, message) = known.unwrap_or((cause, message));
    Error::Unfetched {
        url,
        cause,
        message,
    }
}

/// What ssh means that has written this into its log, in OpenSSH's words.
fn of_ssh_log(said: &str) -> Option<Known> {
    let line_with = |part: &str| said.lines().find(|line| line.contains(part));
    if line_with("HOST IDENTIFICATION HAS CHANGED").is_some() {
        let message = "ssh: the host's key is not the one that known_hosts has for it: it was changed, or \
                       somebody else answers";
        return Some((Cause::HostChanged, message.to_owned()));
    }
    if let Some(line) = line_with("host key is known for") {
        let host = line.split("known for ").nth(1).unwrap_or_default();
        let host = host.split(" and you").next().unwrap_or_default();
        let message = format!(
            "ssh: known_hosts has no key for the host {}",
            brief(host.trim())
        );
        return Some((Cause::HostUnknown, message));
    }
    if line_with("Host key verification failed").is_some() {
        let message = "ssh: the host's key is not known";
        return Some((Cause::HostUnknown, message.to_owned()));
    }
    if let Some(line) = line_with("Load key") {
        // The path is one of ours, and is gone by now.
        let why = line.rsplit("\": ").next().unwrap_or_default();
        let message = format!(
            "ssh: the key in identity cannot be read: {}",
            brief(why.trim())
        );
        return Some((Cause::UnreadableKey, message));
    }
    if let Some(line) = line_with("Permission denied (") {
        let message = format!(
            "ssh: {}; the host does not take the key",
            brief(line.trim())
        );
        return Some((Cause::WrongKey, message));
    }
    let known = said.lines().find_map(of_ssh);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    known.or_else(|| Some((Cause::SshEnded, format!("ssh: {}", brief(last?.trim())))))
}

/// What a status of http means.
fn of_status(code: u16, credentials: Option<&Credentials>) -> Known {
    let name = http_name(code);
    match (code, credentials) {
        (401, None) => (
            Cause::NoCredentials,
            format!("the server answered {name}: it wants credentials, and none are named"),
        ),
        (401 | 403, Some(_)) => (
            Cause::WrongCredentials,
            format!("the server answered {name}: it does not take the credentials"),
        ),
        (403, None) => (
            Cause::NoCredentials,
            format!("the server answered {name}, without credentials"),
        ),
        (404 | 410, _) => (Cause::NotFound, format!("the server answered {name}")),
        _ => (Cause::Status, format!("the server answered {name}")),
    }
}

fn http_name(code: u16) -> String {
    match reqwest::StatusCode::from_u16(code) {
        Ok(status) => status.to_string(),
        Err(_) => code.to_string(),
    }
}

/// What words mean of which no type is known: those of git's transports, of TLS and of the system.
fn spoken(words: &str, credentials: Option<&Credentials>) -> Option<Known> {
    let low = words.to_lowercase();
    let has = |part: &str| low.contains(part);
    if let Some(code) = status_in(&low) {
        return Some(of_status(code, credentials));
    }
    if has("not accepted by the remote") || has("authentication") || has("credential") {
        return Some(of_status(401, credentials));
    }
    if has("certificate") || has("tls") || has("corrupt message") || has("fatal alert") {
        return Some((Cause::Tls, format!("TLS: {}", brief(words))));
    }
    if has("failed to lookup address") || has("dns error") || has("could not resolve") {
        return Some((
            Cause::Unresolved,
            "the host has no address: DNS does not know it".to_owned(),
        ));
    }
    if has("could not invoke program") || has("failed to invoke program") {
        return Some((
            Cause::NoSsh,
            "there is no program `ssh` to connect with".to_owned(),
        ));
    }
    if has("valid git directory") {
        return Some((Cause::NotFound, "there is no git repository".to_owned()));
    }
    if has("text/html") || has("application/x-git") {
        let message = "what answered is no git server";
        return Some((Cause::NotGit, message.to_owned()));
    }
    None
}

/// A status that words of git's transport name.
fn status_in(low: &str) -> Option<u16> {
    let (_, rest) = low.split_once("http status")?;
    let digits: String = rest
        .chars()
        .skip_while(|letter| !letter.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok().filter(|code| (100..600).contains(code))
}

fn brief(words: &str) -> String {
    words.chars().take(WORDS).collect()
}

/// The deepest cause that says something, with what it happened at.
fn last_words(chain: &[&(dyn StdError + 'static)]) -> String {
    let first = chain.first().map(ToString::to_string).unwrap_or_default();
    let last = chain.iter().rev().map(ToString::to_string);
    let last = last.into_iter().find(|words| !words.is_empty());
    match last.filter(|last| *last != first) {
        Some(last) => brief(&format!("{first}: {last}")),
        None => brief(&first),
    }
}

/// The error of a `file://` address that leads nowhere.
pub(crate) fn missing_folder(url: &str) -> Option<Error> {
    let path = url.strip_prefix("file://")?;
    (!std::path::Path::new(path).exists()).then(|| Error::Unfetched {
        url: url.to_owned(),
        cause: Cause::NotFound,
        message: "there is no such folder".to_owned(),
    })
}
