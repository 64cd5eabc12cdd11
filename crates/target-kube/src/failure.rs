//! Answers of an API server as failures: class, reason, words without secrets, and what to do. It
//! must not know which step failed.

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, is_sensitive};
use holdfast_model::operation::{Class, Failure};

use crate::removed;

/// A failure of the connection itself.
pub(crate) fn unreachable(message: impl Into<String>) -> Failure {
    Failure {
        class: Class::Transient,
        reason: "Unreachable",
        message: message.into(),
        hint: Some("check that the API server runs and that the kubeconfig leads to it".to_owned()),
    }
}

/// An answer that could not be read.
pub(crate) fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure {
        class: Class::Transient,
        reason: "UnreadableAnswer",
        message: format!("{what}: {error}"),
        hint: None,
    }
}

/// A kind that the cluster does not have.
pub(crate) fn unknown_kind(kind: &GroupKind, version: &str) -> Failure {
    Failure {
        class: Class::Waiting,
        reason: "UnknownKind",
        message: format!("the cluster has no kind {kind} in version {version}"),
        hint: Some(removed::advice(kind, version).unwrap_or_else(|| {
            "apply the CustomResourceDefinition first, from this Stack or from one that it \
             depends on"
                .to_owned()
        })),
    }
}

/// A `Status` with a code of 400 or more.
pub(crate) fn of_status(code: u16, body: &[u8], kind: &GroupKind) -> Failure {
    let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = match text("message") {
        "" => format!("the API server answered with code {code}"),
        message => message.to_owned(),
    };
    let message = if is_sensitive(kind) {
        scrub(&message)
    } else {
        message
    };
    let (class, reason, hint) = classify(code, text("reason"), &message);
    Failure {
        class,
        reason,
        message: message.chars().take(2_000).collect(),
        hint: hint.map(str::to_owned),
    }
}

fn classify(code: u16, reason: &str, message: &str) -> (Class, &'static str, Option<&'static str>) {
    match code {
        401 => (
            Class::Transient,
            "Unauthorized",
            Some("the credentials of the target are not taken; renew them"),
        ),
        403 if message.contains("because it is being terminated") => {
            (Class::Transient, "NamespaceTerminating", None)
        }
        403 => (
            Class::Terminal,
            "Forbidden",
            Some("allow it to the account that Holdfast uses on this target"),
        ),
        404 if message.contains("namespaces \"") => (
            Class::Waiting,
            "NamespaceMissing",
            Some("commit the Namespace too, or make it beforehand"),
        ),
        404 => (Class::Waiting, "NotFound", None),
        409 if message.contains("the object has been modified") || reason == "Conflict" => {
            (Class::Transient, "Conflict", None)
        }
        409 => (Class::Transient, "AlreadyExists", None),
        413 => (
            Class::Terminal,
            "TooLarge",
            Some("the API server takes about 3 MB; split the object"),
        ),
        422 if message.contains("immutable")
            || message.contains("may not be changed")
            || message.contains("updates to") =>
        {
            (
                Class::Terminal,
                "Immutable",
                Some("set spec.sync.replace to let the object be deleted and made again"),
            )
        }
        400 | 422 => (Class::Terminal, "Invalid", None),
        429 => (Class::Transient, "TooManyRequests", None),
        500.. => (Class::Transient, "ServerError", None),
        _ => (Class::Terminal, "Refused", None),
    }
}

/// Leaves out what stands between quotes after `Invalid value:`; servers repeat values there.
fn scrub(message: &str) -> String {
    const MARK: &str = "Invalid value: ";
    let mut clean = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at + MARK.len());
        clean.push_str(before);
        clean.push('…');
        rest = skip_value(after);
    }
    clean.push_str(rest);
    clean
}

fn skip_value(text: &str) -> &str {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.find(": ").map_or("", |end| &text[end..]);
    };
    let mut escaped = false;
    for (index, letter) in quoted.char_indices() {
        match letter {
            '"' if !escaped => return &quoted[index + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}
