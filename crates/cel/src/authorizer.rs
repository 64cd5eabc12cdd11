//! Questions about who may do what, as expressions put them together step by step, and their answers.
//! It must not know who answers.

use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::Opaque;

use super::evaluate::Outside;
use super::library::{Result, fail};
use super::values::text;

/// Whether somebody may do something: whoever sends the request, where no account is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The namespace and the name of a ServiceAccount.
    pub account: Option<(String, String)>,
    /// What is to be done.
    pub verb: String,
    /// A path that is no resource; empty for resources.
    pub path: String,
    /// The group of the resource.
    pub group: String,
    /// The resource, in the plural.
    pub resource: String,
    /// The part of the object.
    pub subresource: String,
    /// Where the object is.
    pub namespace: String,
    /// The object.
    pub name: String,
}

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// By what, where that is said.
    pub reason: String,
}

/// Who answers such questions.
pub trait Authorizer {
    /// Whether somebody may do something.
    fn decide(&self, question: &Question) -> Decision;
}

/// How far a question has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Authorizer(Question),
    Path(Question),
    Group(Question),
    Resource(Question),
    Decision(Decision),
}

impl Opaque for Asked {
    fn runtime_type_name(&self) -> &str {
        match self {
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Self::Path(_) => "kubernetes.authorization.PathCheck",
            Self::Group(_) => "kubernetes.authorization.GroupCheck",
            Self::Resource(_) => "kubernetes.authorization.ResourceCheck",
            Self::Decision(_) => "kubernetes.authorization.Decision",
        }
    }
}

impl Asked {
    /// The question that a value is.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let Value::Opaque(opaque) = value else {
            return None;
        };
        opaque.downcast_ref::<Self>().cloned()
    }

    pub(crate) fn value(self) -> Value {
        Value::Opaque(Arc::new(self))
    }

    /// The next step of a question, or something about its answer.
    pub(crate) fn call(
        self,
        name: &str,
        args: &[Value],
        outside: Option<&dyn Outside>,
    ) -> Result<Value> {
        let mut words = Vec::new();
        for arg in args {
            match arg {
                Value::String(word) => words.push(word.to_string()),
                _ => return fail("no such overload"),
            }
        }
        match self {
            Self::Decision(decision) => answer(&decision, name),
            Self::Authorizer(question) => begun(question, name, words),
            Self::Group(mut question) => match (name, words.pop()) {
                ("resource", Some(word)) if word.trim().is_empty() => {
                    fail("resource must not be empty")
                }
                ("resource", Some(word)) => {
                    question.resource = word;
                    Ok(Self::Resource(question).value())
                }
                _ => fail("no such overload"),
            },
            Self::Path(question) => match (name, words.pop(), outside) {
                ("check", Some(verb), Some(outside)) => Ok(decided(question, verb, outside)),
                _ => fail("no such overload"),
            },
            Self::Resource(mut question) => match (name, words.pop(), outside) {
                ("check", Some(verb), Some(outside)) => Ok(decided(question, verb, outside)),
                (part, Some(word), _) => {
                    match part {
                        "subresource" => question.subresource = word,
                        "namespace" => question.namespace = word,
                        "name" => question.name = word,
                        // Roles know no selectors.
                        "fieldSelector" | "labelSelector" => {}
                        _ => return fail("no such overload"),
                    }
                    Ok(Self::Resource(question).value())
                }
                _ => fail("no such overload"),
            },
        }
    }
}

fn begun(mut question: Question, name: &str, mut words: Vec<String>) -> Result<Value> {
    match (name, words.pop(), words.pop()) {
        ("path", Some(path), None) if path.trim().is_empty() => fail("path must not be empty"),
        ("path", Some(path), None) => {
            question.path = path;
            Ok(Asked::Path(question).value())
        }
        ("group", Some(group), None) => {
            question.group = group;
            Ok(Asked::Group(question).value())
        }
        ("serviceAccount", Some(name), Some(namespace)) => {
            if !is_name(&name, |part| part == '.') || name.len() > 253 {
                return fail("Invalid service account name");
            }
            if !is_name(&namespace, |_| false) || namespace.len() > 63 {
                return fail("Invalid service account namespace");
            }
            question.account = Some((namespace, name));
            Ok(Asked::Authorizer(question).value())
        }
        _ => fail("no such overload"),
    }
}

/// Whether a text is a name of the API; `also` says what it may have between its ends besides
/// letters, digits and hyphens.
fn is_name(text: &str, also: fn(char) -> bool) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_part = |letter: char| is_plain(letter) || letter == '-' || also(letter);
    text.starts_with(is_plain) && text.ends_with(is_plain) && text.chars().all(is_part)
}

fn decided(mut question: Question, verb: String, outside: &dyn Outside) -> Value {
    question.verb = verb;
    Asked::Decision(outside.decide(&question)).value()
}

fn answer(decision: &Decision, name: &str) -> Result<Value> {
    match name {
        "allowed" => Ok(Value::Bool(decision.allowed)),
        "reason" => Ok(text(&decision.reason)),
        // Whoever answers here always has an answer.
        "errored" => Ok(Value::Bool(false)),
        "error" => Ok(text("")),
        _ => fail("no such overload"),
    }
}
