//! What people ask for: each command is shown with what it would do, is asked about on a page of its own,
//! and says what came of it. It must not know how a command is carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query};
use axum::response::Response;
use holdfast_model::view::StackView;
use http::{HeaderMap, StatusCode};

use crate::asker::Asker;
use crate::fleet::{message, revision};
use crate::forms::{self, Result_, Sent};
use crate::port::{Asking, Command, Commands};
use crate::respond;
use crate::shell::{self, Asked, Shell, find, key_of, path_of};
use crate::stack::offered;
use crate::state::Badge;
use crate::{audit, texts};

/// The most bytes of a reason.
const REASON: usize = 500;

#[derive(Template)]
#[template(path = "ask.html")]
struct Question {
    shell: Shell,
    name: String,
    back: String,
    badge: Badge,
    message: String,
    question: &'static str,
    meaning: &'static str,
    button: &'static str,
    of: String,
    preview: Result<String, String>,
    choices: Vec<(String, String, bool)>,
    goes: Vec<String>,
    more: usize,
    form: String,
    token: String,
    is_delete: bool,
}

type Where = (String, String, String);

/// A command of a path that a Stack may be asked for now; or why it is none.
fn command(
    site: &Asker,
    path: &Where,
    of: &str,
) -> Result<(Arc<StackView>, Command), Box<Response>> {
    let (namespace, name, verb) = path;
    let view = find(site, &key_of((namespace.clone(), name.clone())))?;
    let back = path_of(&view.stack.key);
    let refuse = |words: &str| {
        let status = StatusCode::CONFLICT;
        Box::new(shell::message(
            site,
            status,
            "This cannot be asked for",
            words,
            &back,
        ))
    };
    let command = Command::read(verb, of)
        .ok_or_else(|| Box::new(shell::missing(site, "There is no such action.")))?;
    let is_offered = offered(&view)
        .iter()
        .any(|offered| match (offered, &command) {
            (Command::Approve { plan }, Command::Approve { plan: of }) => plan == of,
            _ => offered.verb() == command.verb(),
        });
    let verb = command.needs();
    if !site.may(verb, &view.stack) {
        return Err(Box::new(shell::denied(site, &view, verb)));
    }
    match is_offered {
        true => Ok((view, command)),
        false => Err(refuse(
            "The Stack is not, or no longer, in a state in which this makes sense; see what it is now.",
        )),
    }
}

/// Who carries commands out; or a page that says that nobody does.
fn commands(site: &Asker) -> Result<Arc<dyn Commands>, Box<Response>> {
    let none = || {
        let status = StatusCode::FORBIDDEN;
        Box::new(shell::message(
            site,
            status,
            "This page only shows",
            texts::READ_ONLY,
            "/",
        ))
    };
    site.commands.clone().ok_or_else(none)
}

pub(crate) async fn question(
    site: Asker,
    Path(path): Path<Where>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    match ask(&site, &path, &asked, &headers).await {
        Ok(response) => response,
        Err(refused) => *refused,
    }
}

async fn ask(
    site: &Asker,
    path: &Where,
    asked: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Result<Response, Box<Response>> {
    let commands = commands(site)?;
    let of = asked.get("of").map(String::as_str).unwrap_or_default();
    let (view, command) = command(site, path, of)?;
    let key = &view.stack.key;
    let preview = match site.previews.acquire().await {
        Ok(_permit) => commands.preview(key, &command).await,
        Err(_) => Err("the server ends".to_owned()),
    };
    let cookie = forms::cookie(headers).unwrap_or_else(|| site.forms.fresh("cookie"));
    let form = site.forms.fresh("form");
    let named = texts::named(&command);
    let is_delete = command == Command::Delete;
    let goes = view.objects.iter().take(if is_delete { 50 } else { 0 });
    let goes: Vec<String> = goes.map(|(key, _)| key.to_string()).collect();
    let page = Question {
        shell: Shell::still(site, named.question),
        name: key.name.clone(),
        back: path_of(key),
        badge: Badge::of(&view),
        message: message(&view),
        question: named.question,
        meaning: named.meaning,
        button: named.button,
        choices: choices(&view, &command),
        of: command.of().to_owned(),
        preview,
        more: if is_delete {
            view.objects.len() - goes.len()
        } else {
            0
        },
        goes,
        token: site.forms.token(&cookie, &form, site.viewer.name()),
        form,
        is_delete,
    };
    let response = respond::page(StatusCode::OK, &page);
    Ok(forms::with_cookie(site, response, &cookie))
}

/// The revisions that a rollback may go to, newest first: the commit, how it is shown, and whether it is
/// chosen.
fn choices(view: &StackView, command: &Command) -> Vec<(String, String, bool)> {
    let Command::Rollback { to } = command else {
        return Vec::new();
    };
    let applied = view.status.applied.as_ref().map(|applied| &applied.commit);
    let worked = view.status.worked.iter();
    let worked = worked.filter(|worked| Some(&worked.revision.commit) != applied);
    worked
        .map(|worked| {
            let commit = worked.revision.commit.0.clone();
            let shown = format!("{}, healthy at {}", revision(&worked.revision), worked.at);
            let is_chosen = to.as_ref() == Some(&commit);
            (commit, shown, is_chosen)
        })
        .collect()
}

pub(crate) async fn answer(
    site: Asker,
    Path(path): Path<Where>,
    headers: HeaderMap,
    Form(sent): Form<BTreeMap<String, String>>,
) -> Response {
    match carry_out(&site, &path, &headers, &sent).await {
        Ok(response) => response,
        Err(refused) => *refused,
    }
}

async fn carry_out(
    site: &Asker,
    path: &Where,
    headers: &HeaderMap,
    sent: &BTreeMap<String, String>,
) -> Result<Response, Box<Response>> {
    let commands = commands(site)?;
    let text = |name: &str| sent.get(name).map(|text| text.trim()).unwrap_or_default();
    let refuse = |status: StatusCode, words: &str| {
        let back = format!("/stacks/{}/{}", path.0, path.1);
        Box::new(shell::message(
            site,
            status,
            "Nothing was done",
            words,
            &back,
        ))
    };
    let form = text("form");
    let by = site.viewer.name().map(str::to_owned);
    let form_sent = Sent {
        form,
        token: text("token"),
        by: by.as_deref(),
    };
    if !site.forms.is_ours(headers, form_sent) {
        return Err(refuse(StatusCode::FORBIDDEN, texts::FORGED));
    }
    let done = respond::see_other(&format!("/done/{form}"));
    if site.forms.result(form).is_some() {
        return Ok(done);
    }
    let sender = by.as_deref().unwrap_or_default();
    if !site.limits.may(sender, forms::PACE, site.now()) {
        return Err(refuse(StatusCode::TOO_MANY_REQUESTS, texts::TOO_MANY));
    }
    let (view, command) = command(site, path, text("of"))?;
    if command == Command::Delete && text("name") != view.stack.key.name {
        return Err(refuse(StatusCode::BAD_REQUEST, texts::NOT_NAMED));
    }
    let key = view.stack.key.clone();
    let begun = site.forms.begin(Result_ {
        id: form.to_owned(),
        stack: (key.namespace.clone(), key.name.clone()),
        by: by.clone(),
        verb: texts::named(&command).button,
        said: None,
    });
    if begun {
        let reason: String = text("reason").chars().take(REASON).collect();
        let (site, form) = (site.clone(), form.to_owned());
        // What was asked for is asked for, also when the one who did goes away meanwhile.
        let work = tokio::spawn(async move {
            let reason = (!reason.is_empty()).then_some(reason.as_str());
            let by = by.as_deref();
            let said = commands.run(&key, &command, Asking { by, reason }).await;
            audit::asked(&site, &key, &command, &said);
            site.forms.end(&form, said);
        });
        let _ = work.await;
    }
    Ok(done)
}

#[derive(Template)]
#[template(path = "done.html")]
struct Done {
    shell: Shell,
    verb: &'static str,
    name: String,
    path: String,
    said: Option<Result<String, String>>,
}

pub(crate) async fn done(site: Asker, Path(id): Path<String>) -> Response {
    let result = site.forms.result(&id);
    let Some(result) = result.filter(|result| result.by.as_deref() == site.viewer.name()) else {
        let words =
            "Nothing is known of this any more; the history of the Stack has what was done.";
        return shell::missing(&site, words);
    };
    let key = key_of(result.stack);
    let page = Done {
        shell: Shell::still(&site, result.verb),
        verb: result.verb,
        path: path_of(&key),
        name: key.name,
        said: result.said,
    };
    respond::page(StatusCode::OK, &page)
}
