//! Secrets that stand in Git for whoever reads it. It must not know how they could be sealed.

use holdfast_assess::pointer;
use holdfast_model::object::{Key, Object, Origin};
use holdfast_model::{Value, base64};
use holdfast_render::{Error, Fault};
use holdfast_secrets::scan::is_placeholder;

/// A Secret with values that are not sealed in Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainSecret {
    /// The Secret.
    pub key: Key,
    /// Where it is written.
    pub origin: Origin,
    /// The names of the values.
    pub entries: Vec<String>,
}

impl PlainSecret {
    /// What is wrong with it, in words.
    pub fn message(&self) -> String {
        let Self { key, entries, .. } = self;
        format!(
            "{key} is not sealed: whoever reads the repository reads {}",
            entries.join(", ")
        )
    }
}

/// The Secrets among rendered objects that are not sealed. Those of a chart are not judged: it may have
/// made them up.
pub fn plain_secrets(objects: &[Object], is_chart: bool) -> Vec<PlainSecret> {
    let secrets = objects
        .iter()
        .filter(|object| !is_chart && object.key().kind.is("", "Secret"));
    let plain = secrets.filter_map(|secret| {
        let entries = plain_entries(&secret.value(), secret.opened());
        (!entries.is_empty()).then(|| PlainSecret {
            key: secret.key().clone(),
            origin: secret.origin.clone(),
            entries,
        })
    });
    plain.collect()
}

fn plain_entries(secret: &Value, opened: &[String]) -> Vec<String> {
    let mut entries = Vec::new();
    for field in ["data", "stringData"] {
        let found = secret.get(field).and_then(Value::as_object);
        for (name, value) in found.into_iter().flatten() {
            let mut pointer = format!("/{field}");
            pointer::push(&mut pointer, name);
            let text = value.as_str().unwrap_or_default();
            let clear = base64::decode(text).filter(|_| field == "data");
            let clear = clear.and_then(|bytes| String::from_utf8(bytes).ok());
            let stands_for_another =
                is_placeholder(text) || clear.is_some_and(|clear| is_placeholder(&clear));
            if !text.is_empty() && !stands_for_another && !opened.contains(&pointer) {
                entries.push(format!("{field}.{name}"));
            }
        }
    }
    entries
}

/// Why a Stack that wants its Secrets sealed cannot be rendered; nothing where it can.
pub(crate) fn refused(objects: &[Object], is_chart: bool) -> Option<Error> {
    let faults: Vec<Fault> = plain_secrets(objects, is_chart)
        .into_iter()
        .map(|plain| Fault {
            message: plain.message(),
            origin: plain.origin,
            hint: Some(
                "seal the file with `holdfast secret seal --in-place`, and change values that others \
                 may have seen; spec.secrets.plain refuses what is not sealed"
                    .to_owned(),
            ),
        })
        .collect();
    (!faults.is_empty()).then_some(Error::Faults { faults })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, opened: &[&str], expected: &[&str]) {
        let value: Value = text.parse().expect("it is JSON");
        let object = Object::new(value, Origin::default()).expect("an object");
        let opened = opened.iter().map(|pointer| (*pointer).to_owned());
        let object = object.with_opened(opened.collect());
        let found = plain_secrets(std::slice::from_ref(&object), false);
        let entries: Vec<&str> = found
            .iter()
            .flat_map(|plain| plain.entries.iter().map(String::as_str))
            .collect();
        assert_eq!(entries, expected, "{text}");
        assert_eq!(plain_secrets(&[object], true), []);
    }

    #[test]
    fn values_that_were_not_sealed_are_named() {
        let secret = |fields: &str| {
            format!(
                r#"{{"apiVersion": "v1", "kind": "Secret", "metadata": {{"name": "a"}}, {fields}}}"#
            )
        };
        let both = secret(r#""data": {"a/b": "cGxhaW4="}, "stringData": {"c": "plain", "d": ""}"#);
        check(&both, &[], &["data.a/b", "stringData.c"]);
        check(&both, &["/data/a~1b"], &["stringData.c"]);
        check(&both, &["/data/a~1b", "/stringData/c"], &[]);
        check(
            &secret(r#""stringData": {"c": "<path:secret/data#k>"}"#),
            &[],
            &[],
        );
        check(
            &secret(r#""data": {"c": "PHBhdGg6c2VjcmV0L2RhdGEjaz4="}"#),
            &[],
            &[],
        );
        check(&secret(r#""type": "Opaque""#), &[], &[]);
        check(&both.replace("Secret", "ConfigMap"), &[], &[]);
    }
}
