//! In which form and media type an answer is wanted, and what is said of those that are not
//! spoken. It must not know how anything is answered.

use holdfast_admit::{ApiError, Result, Served};

use crate::call::Call;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
/// What the real one speaks. The last is named and not spoken here.
const SPOKEN: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// What the real one speaks where changes may be followed.
const STREAMED: &str =
    "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// In which form objects are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Table,
    /// Only the metadata.
    Partial,
}

/// What is asked for, as far as it matters for the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    One,
    List,
    Watch,
}

/// A form and a media type that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) form: Form,
    pub(crate) is_yaml: bool,
    /// The form is asked for in its first version.
    pub(crate) is_beta: bool,
    /// The name of the form.
    name: &'static str,
}

/// One of the things that an `Accept` header names.
struct Clause<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

/// The things that are accepted, the dearest first.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let read = |part| {
        let mut words = str::split(part, ';').map(str::trim);
        let media = words.next().unwrap_or("");
        let parameters: Vec<(&str, &str)> = words
            .map(|word| word.split_once('=').unwrap_or((word, "")))
            .collect();
        Clause { media, parameters }
    };
    let mut clauses: Vec<(f32, Clause<'_>)> = accept
        .split(',')
        .map(|part| {
            let clause = read(part.trim());
            let share = clause.parameters.iter().find(|(name, _)| *name == "q");
            let share = share.and_then(|(_, share)| share.parse().ok());
            (share.unwrap_or(1.0), clause)
        })
        .collect();
    clauses.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    clauses.into_iter().map(|(_, clause)| clause).collect()
}

/// The first form and media type that are accepted and spoken; `None` when none is.
pub(crate) fn choose(accept: &str) -> Option<Choice> {
    let plain = Choice {
        form: Form::Object,
        is_yaml: false,
        is_beta: false,
        name: "",
    };
    // What most clients say: nothing has to be taken apart.
    if accept.is_empty() || accept == JSON {
        return Some(plain);
    }
    for clause in clauses(accept) {
        for media in [JSON, YAML] {
            let fits = [media, "application/*", "*/*"].contains(&clause.media);
            let is_yaml = media == YAML;
            let found = fits.then(|| form_of(&clause, is_yaml)).flatten();
            if let Some((form, name, is_beta)) = found {
                return Some(Choice {
                    form,
                    is_yaml,
                    is_beta,
                    name,
                });
            }
        }
    }
    None
}

/// The form that a clause asks for, its name, and whether in its first version.
fn form_of(clause: &Clause<'_>, is_yaml: bool) -> Option<(Form, &'static str, bool)> {
    let value = |name: &str| {
        let found = clause.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    if value("sv").is_some_and(|version| !version.is_empty()) {
        return None;
    }
    match value("stream") {
        None | Some("") => {}
        Some("watch") if !is_yaml => {}
        Some(_) => return None,
    }
    let (name, group, version) = (value("as"), value("g"), value("v"));
    if name.is_none() && group.is_none() && version.is_none() {
        return Some((Form::Object, "", false));
    }
    let is_beta = match (group, version) {
        (Some("meta.k8s.io"), Some("v1")) => false,
        (Some("meta.k8s.io"), Some("v1beta1")) => true,
        _ => return None,
    };
    let known = [
        ("Table", Form::Table),
        ("PartialObjectMetadata", Form::Partial),
        ("PartialObjectMetadataList", Form::Partial),
    ];
    let (name, form) = known.into_iter().find(|(known, _)| name == Some(*known))?;
    Some((form, name, is_beta))
}

/// Whether a media type that is offered is accepted, as the real one's router sees it, which
/// knows no patterns but the one for all.
fn is_routed(accept: &str, offered: &[&str]) -> bool {
    let mut media = accept
        .split(',')
        .map(|part| part.split(';').next().unwrap_or("").trim());
    accept.is_empty() || media.any(|media| media == "*/*" || offered.contains(&media))
}

const OFFERED: [&str; 3] = [JSON, YAML, "application/vnd.kubernetes.protobuf"];

/// Refuses a request for objects whose answer nobody could read.
pub(crate) fn check(call: &Call, served: &Served, scope: Scope) -> Result<()> {
    let accept = call.header("accept");
    // Custom kinds are not behind the router.
    if served.custom.is_none() && !is_routed(accept, &OFFERED) {
        let also = match scope {
            Scope::One => String::new(),
            Scope::List | Scope::Watch => format!(", {STREAMED}"),
        };
        return Err(ApiError::not_routed(&format!("{SPOKEN}{also}")));
    }
    let spoken = if scope == Scope::Watch {
        STREAMED
    } else {
        SPOKEN
    };
    let choice = call.choice();
    let choice = choice.filter(|choice| scope != Scope::Watch || !choice.is_yaml);
    let Some(choice) = choice else {
        let message = format!("only the following media types are accepted: {spoken}");
        return Err(ApiError::not_acceptable(&message));
    };
    let includes = ["", "None", "Metadata", "Object"];
    let include = call.query.get("includeObject").unwrap_or("");
    if choice.form == Form::Table && !includes.contains(&include) {
        return Err(ApiError::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {include:?}: \
             must be 'Metadata', 'Object', 'None', or empty"
        )));
    }
    let (is_list, name) = (scope == Scope::List, choice.name);
    let problem = match (name, is_list) {
        ("PartialObjectMetadata", true) => "is a list",
        ("PartialObjectMetadataList", false) if scope == Scope::One => "is not a list",
        _ => return Ok(()),
    };
    Err(ApiError::not_acceptable(&format!(
        "you requested {name}, but the requested object {problem} ({})",
        go_type(served, is_list)
    )))
}

/// What the real one calls an object or a list in its own language.
fn go_type(served: &Served, is_list: bool) -> String {
    let end = if is_list { "List" } else { "" };
    if served.custom.is_some() {
        return format!("*unstructured.Unstructured{end}");
    }
    let package = match served.kind.group.split('.').next().unwrap_or("") {
        "" | "events" => "core",
        package => package,
    };
    format!("*{package}.{}{end}", served.kind.kind)
}

/// The same for what is no object.
pub(crate) fn check_path(call: &Call, parts: &[&str]) -> Result<()> {
    let accept = call.header("accept");
    let is_fine = is_routed(accept, &OFFERED);
    match parts {
        ["version"] if !is_routed(accept, &[JSON]) => Err(ApiError::not_routed(JSON)),
        ["api"] | ["api", _] | ["apis", _, _] if !is_fine => Err(ApiError::not_routed(SPOKEN)),
        ["apis"] | ["apis", _] if !is_fine => {
            let message = format!("only the following media types are accepted: {SPOKEN}");
            Err(ApiError::not_acceptable(&message))
        }
        _ => Ok(()),
    }
}
