//! What all pages have in common: what is around them, how a Stack is found, and that there is none. It must
//! not know what a page says.

use std::sync::Arc;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use holdfast_model::percent::encode;
use holdfast_model::stack::StackKey;
use holdfast_model::time::Time;
use holdfast_model::view::{StackView, words};
use http::StatusCode;

use crate::access::roles::Verb;
use crate::asker::Asker;
use crate::{assets, audit, respond, sign_in, texts};

/// The name of a Stack in a path.
pub(crate) fn key_of((namespace, name): (String, String)) -> StackKey {
    StackKey { namespace, name }
}

/// The path of a Stack.
pub(crate) fn path_of(key: &StackKey) -> String {
    format!("/stacks/{}/{}", encode(&key.namespace), encode(&key.name))
}

/// What every page has around it.
pub(crate) struct Shell {
    pub(crate) title: String,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) icon: &'static str,
    /// Where changes are heard of; empty for a page that stays as it is.
    pub(crate) events: String,
    pub(crate) number: u64,
    /// That nothing is heard, where that is so.
    pub(crate) blind: String,
    pub(crate) sight: String,
    pub(crate) live: &'static str,
    pub(crate) lost: &'static str,
    pub(crate) now: Time,
    /// Who has signed in; empty where nobody has.
    pub(crate) person: String,
    pub(crate) path_of_person: &'static str,
}

impl Shell {
    fn new(site: &Asker, title: String) -> Self {
        let now = site.now();
        let blind = texts::sight(site.sight(), now).unwrap_or_default();
        let sight = match blind.is_empty() {
            true => texts::LOADED.to_owned(),
            false => blind.clone(),
        };
        Self {
            title,
            style: &assets::STYLE.path,
            script: &assets::SCRIPT.path,
            icon: &assets::ICON.path,
            events: String::new(),
            number: 0,
            blind,
            sight,
            live: texts::LIVE,
            lost: texts::LOST,
            now,
            person: site.viewer.name().unwrap_or_default().to_owned(),
            path_of_person: sign_in::ACCOUNT,
        }
    }

    /// A page of all Stacks, as they are with a number.
    pub(crate) fn of_all(site: &Asker, title: &str, number: u64) -> Self {
        Self {
            events: "/events".to_owned(),
            number,
            ..Self::new(site, title.to_owned())
        }
    }

    /// A page of a Stack.
    pub(crate) fn of(site: &Asker, view: &StackView, what: &str) -> Self {
        let key = &view.stack.key;
        let (namespace, name) = (encode(&key.namespace), encode(&key.name));
        Self {
            events: format!("/events/{namespace}/{name}"),
            number: view.number,
            ..Self::new(site, format!("{what}{}", key.name))
        }
    }

    /// A page that stays as it is.
    pub(crate) fn still(site: &Asker, title: &str) -> Self {
        Self::new(site, title.to_owned())
    }
}

/// A moment, with how long ago it was.
pub(crate) struct When {
    pub(crate) at: String,
    pub(crate) age: String,
}

impl When {
    pub(crate) fn new(at: Time, now: Time) -> Self {
        Self {
            at: at.to_string(),
            age: words::age(now.since(at)),
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    shell: Shell,
    heading: String,
    words: String,
    back: String,
}

/// A page that says that there is nothing.
pub(crate) fn missing(site: &Asker, words: &str) -> Response {
    message(site, StatusCode::NOT_FOUND, "Not found", words, "/")
}

/// A page that says one thing.
pub(crate) fn message(
    site: &Asker,
    status: StatusCode,
    heading: &str,
    words: &str,
    back: &str,
) -> Response {
    let page = Message {
        shell: Shell::still(site, heading),
        heading: heading.to_owned(),
        words: words.to_owned(),
        back: back.to_owned(),
    };
    respond::page(status, &page)
}

/// A Stack, or a page that says that it is not there.
pub(crate) fn find(site: &Asker, key: &StackKey) -> Result<Arc<StackView>, Box<Response>> {
    let gone = || {
        let words = "There is no such Stack, or no longer.";
        Box::new(missing(site, words))
    };
    site.stack(key).ok_or_else(gone)
}

/// A page that says that something may not be done; it is written down that somebody tried.
pub(crate) fn denied(site: &Asker, view: &StackView, verb: Verb) -> Response {
    let key = &view.stack.key;
    audit::denied(site, verb, key);
    let words = texts::denied(site.viewer.name(), verb, key);
    let back = path_of(key);
    message(site, StatusCode::FORBIDDEN, "Not allowed", &words, &back)
}

/// The same for a program.
pub(crate) fn denied_problem(site: &Asker, view: &StackView, verb: Verb) -> Response {
    let key = &view.stack.key;
    audit::denied(site, verb, key);
    let words = texts::denied(site.viewer.name(), verb, key);
    respond::problem(StatusCode::FORBIDDEN, &words)
}

/// What is asked with the path, as text.
pub(crate) type Asked = Query<std::collections::BTreeMap<String, String>>;
