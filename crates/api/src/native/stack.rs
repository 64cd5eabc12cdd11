//! A Stack as a person writes it, read into the model. It must not know the engine.

use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::deed::Action;
use holdfast_model::digest::Digest;
use holdfast_model::pin::Pin;
use holdfast_model::revision::CommitId;
use holdfast_model::stack::{
    Deletion, Destination, IgnoreRule, Mode, OtherSource, Reference, Repository, SecretReference,
    Source, Stack, StackKey, StackUid, SyncPolicy, TakeBack, TargetName,
};

use super::deeds;
use super::pin::read_annotation;
use super::render::read_render;
use super::secrets::read_secrets;
use super::{
    APPROVE_ANNOTATION, PIN_ANNOTATION, REFRESH_ANNOTATION, SYNC_ANNOTATION, TAKE_BACK_ANNOTATION,
    TERMINATE_ANNOTATION,
};
use crate::fields::{Fields, SpecProblem};

/// What was read of a Stack object.
#[derive(Clone, Debug)]
pub struct ReadStack {
    /// The Stack as far as it could be read; what could not be has its default.
    pub stack: Stack,
    /// What is wrong with it. A Stack with problems is not to be acted on.
    pub problems: Vec<SpecProblem>,
}

/// How often a repository is asked for news unless the Stack says otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval that is honoured; hooks and `sync` are for those in a hurry.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The fields of a Stack's `spec`.
const SPEC: [&str; 10] = [
    "source",
    "sources",
    "render",
    "secrets",
    "target",
    "sync",
    "dependsOn",
    "ignore",
    "deletion",
    "suspend",
];

/// Reads a Stack object.
pub fn read(object: &Value) -> ReadStack {
    let mut problems = Vec::new();
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let text = |name: &str| {
        metadata
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let key = StackKey {
        namespace: text("namespace").to_owned(),
        name: text("name").to_owned(),
    };
    let annotation = |name: &str| metadata.get("annotations")?.get(name)?.as_str();
    let spec_value = object.get("spec").unwrap_or(&Value::Null);
    let spec = Fields::of(spec_value, "spec", &SPEC, &mut problems);
    let stack = Stack {
        uid: StackUid(text("uid").to_owned()),
        generation: metadata
            .get("generation")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        source: read_source(
            &spec.below("source", &SOURCE, &mut problems),
            &key,
            &mut problems,
        ),
        others: read_others(&spec, &key, &mut problems),
        render: read_render(&spec, &key, &mut problems),
        secrets: read_secrets(&spec, &key, &mut problems),
        destination: read_destination(&spec, &key, &mut problems),
        sync: read_sync(&spec, &mut problems),
        depends_on: read_depends_on(&spec, &key, &mut problems),
        ignore: read_ignore(&spec, &mut problems),
        deletion: read_deletion(&spec, &mut problems),
        suspended: spec.truth("suspend", false, &mut problems),
        pin: annotation(PIN_ANNOTATION)
            .and_then(|text| read_annotation(text, &mut problems))
            .map(|pin| by_whom(pin, metadata)),
        requested: annotation(SYNC_ANNOTATION).map(str::to_owned),
        take_back: annotation(TAKE_BACK_ANNOTATION).and_then(read_take_back),
        refresh: annotation(REFRESH_ANNOTATION).map(str::to_owned),
        terminate: annotation(TERMINATE_ANNOTATION).map(str::to_owned),
        deeds: deeds::read(metadata),
        approved: annotation(APPROVE_ANNOTATION)
            .and_then(|text| read_approval(text, &mut problems)),
        deleting: is_deleting(metadata),
        key,
    };
    ReadStack { stack, problems }
}

fn is_deleting(metadata: &Value) -> bool {
    let time = metadata.get("deletionTimestamp");
    time.is_some_and(|time| !time.is_null())
}

/// A pin, with the person whom the annotation beside it names: admission can only see to that one.
fn by_whom(mut pin: Pin, metadata: &Value) -> Pin {
    if let Some(deed) = deeds::read(metadata).remove(&Action::Rollback)
        && deed.of == pin.revision.commit.0
    {
        pin.by = Some(deed.by);
    }
    pin
}

fn read_approval(text: &str, problems: &mut Vec<SpecProblem>) -> Option<Digest> {
    text.parse()
        .map_err(|error| problems.push(annotation_problem(APPROVE_ANNOTATION, &format!("{error}"))))
        .ok()
}

pub(super) fn annotation_problem(name: &str, message: &str) -> SpecProblem {
    SpecProblem {
        path: format!("metadata.annotations[{name}]"),
        message: message.to_owned(),
    }
}

fn read_take_back(text: &str) -> Option<TakeBack> {
    let mut words = text.split_whitespace().map(str::to_owned);
    Some(TakeBack {
        request: words.next()?,
        object: words.next(),
        field: words.next(),
    })
}

/// The fields of a source.
const SOURCE: [&str; 9] = [
    "git",
    "branch",
    "tag",
    "commit",
    "semver",
    "ref",
    "path",
    "interval",
    "credentials",
];
/// How many other sources a Stack may have.
const OTHER_SOURCES: usize = 16;

fn read_others(spec: &Fields, key: &StackKey, problems: &mut Vec<SpecProblem>) -> Vec<OtherSource> {
    let known: Vec<&str> = SOURCE.into_iter().chain(["name"]).collect();
    let mut others: Vec<OtherSource> = Vec::new();
    for (path, item) in spec.list("sources", problems) {
        let fields = Fields::of(item, &path, &known, problems);
        let name = fields.required_text("name", problems);
        if !name.is_empty() && !is_source_name(&name) {
            let message = format!("`{name}` is not made of letters, digits, `-` and `_`");
            fields.refuse("name", &message, problems);
        }
        if others.iter().any(|other| other.name == name) {
            fields.refuse("name", "is the name of another source", problems);
        }
        let source = read_source(&fields, key, problems);
        others.push(OtherSource { name, source });
    }
    if others.len() > OTHER_SOURCES {
        spec.refuse(
            "sources",
            &format!("takes at most {OTHER_SOURCES}"),
            problems,
        );
    }
    others
}

/// Whether files can be read below `$NAME`.
fn is_source_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() <= 63 && name.bytes().all(is_fit)
}

fn read_source(source: &Fields, key: &StackKey, problems: &mut Vec<SpecProblem>) -> Source {
    let url = source.required_text("git", problems);
    if !url.is_empty()
        && let Err(message) = check_url(&url)
    {
        source.refuse("git", &message, problems);
    }
    let credentials = source.below("credentials", &["name"], problems);
    let credentials = source.get("credentials").map(|_| SecretReference {
        namespace: key.namespace.clone(),
        name: credentials.required_text("name", problems),
    });
    let path = source.text("path", problems).unwrap_or_default();
    let path = TreePath::parse(&path).unwrap_or_else(|| {
        source.refuse("path", "leaves the repository", problems);
        TreePath::root()
    });
    let interval = source.duration("interval", DEFAULT_INTERVAL, problems);
    Source {
        reference: read_reference(source, problems),
        repository: Repository {
            url,
            credentials,
            interval: interval.max(SHORTEST_INTERVAL),
        },
        path,
    }
}

fn check_url(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return match url.split_once(':') {
            Some((host, _)) if host.contains('@') => Ok(()),
            _ => Err("takes https://, http://, ssh:// or file:// and a repository".to_owned()),
        };
    };
    if !matches!(scheme, "https" | "http" | "ssh" | "file") {
        return Err(format!(
            "cannot fetch over {scheme}://; use https, http, ssh or file"
        ));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err("holds a password; put it into a Secret and name that in \
                    spec.source.credentials"
            .to_owned());
    }
    Ok(())
}

fn read_reference(source: &Fields, problems: &mut Vec<SpecProblem>) -> Reference {
    let mut found = Vec::new();
    type Make = fn(String) -> Reference;
    let choices: [(&str, Make); 5] = [
        ("branch", Reference::Branch),
        ("tag", Reference::Tag),
        ("semver", Reference::Semver),
        ("ref", Reference::Name),
        ("commit", |text| {
            Reference::Commit(CommitId(text.to_lowercase()))
        }),
    ];
    for (name, make) in choices {
        if let Some(text) = source.text(name, problems) {
            found.push((name, make(text)));
        }
    }
    if let [(first, _), (second, _), ..] = found.as_slice() {
        let message = format!("cannot stand beside `{first}`; a Stack follows one of them");
        source.refuse(second, &message, problems);
    }
    let reference = found
        .into_iter()
        .next()
        .map_or(Reference::Head, |(_, found)| found);
    match &reference {
        Reference::Commit(commit)
            if commit.0.len() != 40 || !commit.0.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            source.refuse("commit", "takes the 40 hex digits of a commit", problems);
        }
        Reference::Name(name) if !name.starts_with("refs/") => {
            source.refuse(
                "ref",
                "takes a full name such as refs/pull/7/head",
                problems,
            );
        }
        _ => {}
    }
    reference
}

pub(crate) fn read_texts(
    fields: &Fields,
    name: &str,
    problems: &mut Vec<SpecProblem>,
) -> Vec<String> {
    let mut texts = Vec::new();
    for (path, item) in fields.list(name, problems) {
        match item.as_str() {
            Some(text) => texts.push(text.to_owned()),
            None => problems.push(SpecProblem {
                path,
                message: "takes a text".to_owned(),
            }),
        }
    }
    texts
}

fn read_destination(spec: &Fields, key: &StackKey, problems: &mut Vec<SpecProblem>) -> Destination {
    let target = spec.below(
        "target",
        &["name", "namespace", "createNamespace"],
        problems,
    );
    Destination {
        target: target
            .text("name", problems)
            .map_or_else(TargetName::in_cluster, TargetName),
        namespace: target
            .text("namespace", problems)
            .unwrap_or_else(|| key.namespace.clone()),
        create_namespace: target.truth("createNamespace", false, problems),
    }
}

fn read_sync(spec: &Fields, problems: &mut Vec<SpecProblem>) -> SyncPolicy {
    let known = [
        "automatic",
        "prune",
        "heal",
        "mode",
        "replace",
        "limits",
        "timeout",
        "retries",
        "hookLogs",
    ];
    let sync = spec.below("sync", &known, problems);
    let limits = sync.below("limits", &["prune"], problems);
    let modes = [
        ("atomic", Mode::Atomic),
        ("wave", Mode::Wave),
        ("object", Mode::Object),
    ];
    SyncPolicy {
        automatic: sync.truth("automatic", true, problems),
        prune: sync.truth("prune", true, problems),
        heal: sync.truth("heal", true, problems),
        mode: sync.choice("mode", &modes, Mode::Wave, problems),
        replace: sync.truth("replace", false, problems),
        prune_limit: limits.percent("prune", 50, problems),
        timeout: sync.duration("timeout", DEFAULT_TIMEOUT, problems),
        retries: sync.count("retries", 5, problems),
        hook_logs: sync.truth("hookLogs", true, problems),
    }
}

fn read_depends_on(
    spec: &Fields,
    key: &StackKey,
    problems: &mut Vec<SpecProblem>,
) -> Vec<StackKey> {
    let mut keys = Vec::new();
    for (path, item) in spec.list("dependsOn", problems) {
        let fields = Fields::of(item, &path, &["name", "namespace"], problems);
        let dependency = StackKey {
            name: fields.required_text("name", problems),
            namespace: fields
                .text("namespace", problems)
                .unwrap_or_else(|| key.namespace.clone()),
        };
        keys.push(dependency);
    }
    keys
}

fn read_ignore(spec: &Fields, problems: &mut Vec<SpecProblem>) -> Vec<IgnoreRule> {
    let mut rules = Vec::new();
    for (path, item) in spec.list("ignore", problems) {
        let known = ["group", "kind", "namespace", "name", "fields"];
        let fields = Fields::of(item, &path, &known, problems);
        let pointers = read_texts(&fields, "fields", problems);
        if pointers.is_empty() {
            fields.refuse(
                "fields",
                "is required: JSON pointers such as /spec/replicas",
                problems,
            );
        }
        if let Some(wrong) = pointers.iter().find(|pointer| !pointer.starts_with('/')) {
            let message = format!("`{wrong}` is no JSON pointer; it starts with /");
            fields.refuse("fields", &message, problems);
        }
        rules.push(IgnoreRule {
            group: fields.text("group", problems),
            kind: fields.text("kind", problems),
            namespace: fields.text("namespace", problems),
            name: fields.text("name", problems),
            fields: pointers,
        });
    }
    rules
}

fn read_deletion(spec: &Fields, problems: &mut Vec<SpecProblem>) -> Deletion {
    let words = [("delete", Deletion::Delete), ("orphan", Deletion::Orphan)];
    spec.choice("deletion", &words, Deletion::Delete, problems)
}
