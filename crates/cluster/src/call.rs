//! A request, taken apart: what is asked, by whom, and in which form the answer is wanted.
//! It must not know how it is answered.

use std::sync::OnceLock;

use bytes::Bytes;
use holdfast_admit::{ApiError, Result};
use holdfast_model::Value;
use holdfast_yaml::Limits;
use http::{HeaderMap, Method};

use crate::negotiate::{Choice, Form, choose};
use crate::wire::{Parsed, parse_json, protobuf};

/// The largest body that is read, as in the real one.
pub(crate) const MAX_BODY: usize = 3 << 20;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// Someone who may do everything.
    pub(crate) fn admin() -> Self {
        Self {
            name: "system:admin".to_owned(),
            groups: vec![
                "system:masters".to_owned(),
                "system:authenticated".to_owned(),
            ],
        }
    }
}

impl User {
    /// A part of the cluster itself, under the name that it has on a real one.
    pub(crate) fn part(agent: &str) -> Self {
        let name = match agent {
            "kube-apiserver" => "system:apiserver".to_owned(),
            "kubelet" => "system:node:simulated".to_owned(),
            other => format!("system:{other}"),
        };
        Self {
            name,
            ..Self::admin()
        }
    }
}

/// A whole request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) user: User,
    /// What the answer is wanted as, once that has been asked.
    pub(crate) choice: OnceLock<Option<Choice>>,
}

/// The parameters after `?`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The parameter, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1" | "True" | "TRUE"))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// Decodes `%41` and, in queries, `+`.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = text.get(index + 1..index + 3);
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[index], escaped) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                index += 3;
                continue;
            }
            (b'+', _) if plus => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The form that the `Accept` header asks for, the first that is known.
    pub(crate) fn form(&self) -> Form {
        self.choice().map_or(Form::Object, |choice| choice.form)
    }

    /// The form and media type that the `Accept` header asks for, the first that are spoken;
    /// nothing where none is.
    pub(crate) fn choice(&self) -> Option<Choice> {
        let accept = || choose(self.header("accept"));
        *self.choice.get_or_init(accept)
    }

    /// Whether the body is sent as JSON.
    pub(crate) fn is_json(&self) -> bool {
        let media = self.header("content-type").split(';').next();
        matches!(media.unwrap_or("").trim(), "" | "application/json")
    }

    /// The body as a JSON document.
    pub(crate) fn document(&self) -> Result<Parsed> {
        let media = self.header("content-type");
        let media = media.split(';').next().unwrap_or("").trim();
        match media {
            "" | "application/json" => read_document(&self.body),
            "application/yaml" => read_lenient_yaml(&self.body),
            protobuf::MEDIA => {
                let value = protobuf::read(&self.body).map_err(|problem| {
                    ApiError::unsupported_media(format!(
                        "the body of the request cannot be read as {}: {problem}",
                        protobuf::MEDIA
                    ))
                })?;
                Ok(Parsed::of(value))
            }
            _ => Err(ApiError::unsupported_media(format!(
                "the body of the request was in an unknown format - accepted media types \
                 include: application/json, application/yaml, {}",
                protobuf::MEDIA
            ))),
        }
    }

    /// The name under which fields are owned.
    pub(crate) fn manager(&self) -> String {
        if let Some(manager) = self.query.text("fieldManager") {
            return manager.to_owned();
        }
        let agent = self.header("user-agent").split('/').next().unwrap_or("");
        let agent: String = agent
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        let agent: String = agent.chars().take(128).collect();
        if agent.is_empty() {
            "unknown".to_owned()
        } else {
            agent
        }
    }
}

/// Reads a JSON document; what is none is a bad request.
pub(crate) fn read_document(bytes: &[u8]) -> Result<Parsed> {
    parse_json(bytes).map_err(|error| {
        ApiError::bad_request(format!("the object provided is unrecognized: {error}"))
    })
}

/// Reads YAML, of which JSON is the most frequent case.
pub(crate) fn read_yaml(bytes: &[u8]) -> Result<Parsed> {
    if let Ok(parsed) = parse_json(bytes) {
        return Ok(parsed);
    }
    let refuse = |problem: String| ApiError::bad_request(format!("error decoding YAML: {problem}"));
    let text = std::str::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?;
    let value = holdfast_yaml::read_value(text, &Limits::strict());
    let value = value.map_err(|error| refuse(error.to_string()))?;
    Ok(Parsed::of(value))
}

/// Reads a body of YAML, in which the last of two fields counts.
fn read_lenient_yaml(bytes: &[u8]) -> Result<Parsed> {
    let refuse = |problem: &str| ApiError::bad_request(format!("yaml: {problem}"));
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("invalid leading UTF-8 octet"))?;
    let bounded = |limits| Limits {
        bytes: MAX_BODY,
        ..limits
    };
    // Few bodies say something twice: only those are read again.
    let doubled = match holdfast_yaml::read_value(text, &bounded(Limits::strict())) {
        Ok(value) => return Ok(Parsed::of(value)),
        Err(error) => error,
    };
    let value = holdfast_yaml::read_value(text, &bounded(Limits::default()))
        .map_err(|error| refuse(&format!("line {}: {}", error.line, error.message)))?;
    let key = doubled.message.split('`').nth(1).unwrap_or("");
    let twice = format!("line {}: key {key:?} already set in map", doubled.line);
    let mut parsed = Parsed::of(value);
    parsed.twice = Some(twice);
    Ok(parsed)
}

/// A text field at a path of names.
pub(crate) fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    let found = path
        .iter()
        .try_fold(value, |current, name| current.get(name));
    found
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}
