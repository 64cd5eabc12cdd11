//! `urlParse` and `urlJoin` as Go's `net/url` reads and writes addresses.
//!
//! It must not open any address.

use holdfast_go::url::{Address, Part, escape, unescape};

use super::arguments::{map, text};
use crate::error::Error;
use crate::exec::Outcome;
use crate::value::{Map, Value};

/// The address is not shown: it may hold a password.
fn failure(problem: &str) -> Error {
    Error::execute(format!("unable to parse url: {problem}"))
}

fn decoded(text: &str) -> Result<String, Error> {
    unescape(text).map_err(|_| failure("invalid URL escape"))
}

pub(super) fn url_parse(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    let address = Address::parse(&text).map_err(|refused| failure(refused.kind()))?;
    let fragment = text.split_once('#').map_or("", |(_, fragment)| fragment);
    let user = match &address.user {
        Some(user) => read_user(user)?,
        None => String::new(),
    };
    Ok(Value::map_of([
        ("scheme", Value::from(address.scheme.clone())),
        ("host", Value::from(decoded(&address.host)?)),
        ("hostname", Value::from(decoded(address.host_name())?)),
        ("path", Value::from(decoded(&address.path)?)),
        ("query", Value::from(address.query.unwrap_or_default())),
        ("opaque", Value::from(address.opaque)),
        ("fragment", Value::from(decoded(fragment)?)),
        ("userinfo", Value::from(user)),
    ]))
}

pub(super) fn url_join(arguments: &[Value]) -> Outcome {
    let parts = map(arguments, 0);
    let entry = |key: &str| entry(parts, key);
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let user = match filled(entry("userinfo")?) {
        Some(user) => Some(read_user(&user)?),
        None => None,
    };
    let address = Address {
        scheme: entry("scheme")?,
        opaque: entry("opaque")?,
        user,
        host: escape(&entry("host")?, Part::Host),
        path: escape(&entry("path")?, Part::Path),
        query: filled(entry("query")?),
        ..Address::default()
    };
    let fragment = entry("fragment")?;
    let mark = if fragment.is_empty() { "" } else { "#" };
    let fragment = escape(&fragment, Part::Fragment);
    Ok(Value::from(format!("{address}{mark}{fragment}")))
}

fn entry(map: Option<&Map>, key: &str) -> Result<String, Error> {
    match map.and_then(|map| map.get(key)) {
        None => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.to_string()),
        Some(other) => Err(Error::execute(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind()
        ))),
    }
}

/// The user part, read and written again, so that equal ones look equal.
fn read_user(text: &str) -> Result<String, Error> {
    match text.split_once(':') {
        Some((name, password)) => Ok(format!(
            "{}:{}",
            escape(&decoded(name)?, Part::User),
            escape(&decoded(password)?, Part::User)
        )),
        None => Ok(escape(&decoded(text)?, Part::User)),
    }
}
