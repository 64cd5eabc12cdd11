//! Listing a repository's references and fetching commits without their history. It must not know
//! which Stacks ask.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::progress::Discard;
use gix::remote::fetch::{Shallow, Tags};
use gix::remote::{Direction, ref_map};

use crate::repository::{Credentials, Error};
use crate::trouble::{explain, missing_folder};
use crate::web::authorization;

/// What a repository's references point to, by full name; tags as the commit that they name.
pub(crate) type Listed = BTreeMap<String, ObjectId>;

/// Settings that reach a repository: who we are, and how long a silent server is waited for.
pub(crate) fn settings(credentials: Option<&Credentials>) -> Vec<String> {
    let mut settings = vec![
        "gitoxide.http.connectTimeout=20000".to_owned(),
        "http.lowSpeedLimit=1".to_owned(),
        "http.lowSpeedTime=30".to_owned(),
        "protocol.version=2".to_owned(),
    ];
    if let Some(authorization) = authorization(credentials) {
        settings.push(format!("http.extraHeader=Authorization: {authorization}"));
    }
    settings
}

/// Asks a repository for the references that these patterns name.
pub(crate) fn list(
    repository: &gix::Repository,
    (url, credentials): (&str, Option<&Credentials>),
    patterns: &BTreeSet<String>,
) -> Result<Listed, Error> {
    let refuse = |error: &(dyn StdError + 'static)| explain(url, credentials, error);
    if let Some(missing) = missing_folder(url) {
        return Err(missing);
    }
    if patterns.is_empty() {
        return Ok(Listed::new());
    }
    let specs: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let specs: Vec<String> = specs
        .into_iter()
        .map(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => format!(
                "+{pattern}:refs/holdfast/list/{}*",
                prefix.trim_matches('/')
            ),
            None => pattern.to_owned(),
        })
        .collect();
    let remote = repository
        .remote_at(url)
        .map_err(|error| refuse(&error))?
        .with_fetch_tags(Tags::None)
        .with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
        .map_err(|error| refuse(&error))?;
    let connection = remote
        .connect(Direction::Fetch)
        .map_err(|error| refuse(&error))?;
    let (map, _) = connection
        .ref_map(Discard, ref_map::Options::default())
        .map_err(|error| refuse(&error))?;
    let mut listed = Listed::new();
    for reference in &map.remote_refs {
        let (name, id, peeled) = reference.unpack();
        if let Some(id) = peeled.or(id) {
            listed.insert(name.to_string(), id.to_owned());
        }
    }
    Ok(listed)
}

/// Fetches commits, each without its history; `wanted` gives the reference by which the server
/// knows a commit, where there is one.
pub(crate) fn fetch(
    repository: &gix::Repository,
    (url, credentials): (&str, Option<&Credentials>),
    wanted: &BTreeMap<ObjectId, Option<String>>,
    interrupt: &AtomicBool,
) -> Result<(), Error> {
    let refuse = |error: &(dyn StdError + 'static)| explain(url, credentials, error);
    if let Some(missing) = missing_folder(url) {
        return Err(missing);
    }
    let specs: Vec<String> = wanted
        .iter()
        .map(|(id, name)| match name {
            Some(name) => format!("+{name}:refs/holdfast/{id}"),
            None => format!("+{id}:refs/holdfast/{id}"),
        })
        .collect();
    let remote = repository
        .remote_at(url)
        .map_err(|error| refuse(&error))?
        .with_fetch_tags(Tags::None)
        .with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
        .map_err(|error| refuse(&error))?;
    let connection = remote
        .connect(Direction::Fetch)
        .map_err(|error| refuse(&error))?;
    let prepared = connection
        .prepare_fetch(Discard, ref_map::Options::default())
        .map_err(|error| refuse(&error))?;
    prepared
        .with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN))
        .with_write_packed_refs_only(true)
        .receive(Discard, interrupt)
        .map_err(|error| refuse(&error))?;
    Ok(())
}
