//! The secrets among objects that nothing was opened of: a row for each object and source. It must not print.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::object::{Key, Object, Origin};
use holdfast_model::stack::{SealedObjects, Stack};
use holdfast_model::{Value, base64};
use holdfast_render::uses;
use holdfast_secrets::sealed;
use holdfast_secrets::vault::{Location, VERSIONS_ANNOTATION, references};
use holdfast_target::Snapshot;
use serde_json::json;

use super::inspect::{Found, SealedFile};

/// Values of an object that have one source.
pub(super) struct Row {
    pub(super) object: Key,
    /// The values: entries of a Secret or ConfigMap, JSON pointers of others.
    pub(super) values: Vec<String>,
    pub(super) source: Source,
    /// The workloads of the Stack that use the object.
    pub(super) used_by: Vec<Key>,
}

/// Where values come from.
#[derive(Clone)]
pub(super) enum Source {
    /// A file that SOPS has sealed.
    Sops { file: Arc<SealedFile>, line: usize },
    /// A SealedSecret.
    Sealed {
        origin: Origin,
        scope: &'static str,
        is_opened: bool,
    },
    /// Vault.
    Vault {
        location: Location,
        /// The version that is in place.
        version: Option<String>,
        by: String,
    },
    /// It stands in Git, or a chart has made it up.
    Plain { origin: Origin },
}

impl Source {
    pub(super) fn place(&self) -> String {
        match self {
            Self::Sops { file, line } => format!("SOPS {}:{line}", file.path),
            Self::Sealed { origin, .. } => format!("SealedSecret {origin}"),
            Self::Vault { location, .. } => format!("Vault {}", location.path),
            Self::Plain { origin } => format!("not sealed {origin}"),
        }
    }

    pub(super) fn opened_by(&self) -> Vec<String> {
        match self {
            Self::Sops { file, .. } => file.recipients.clone(),
            Self::Sealed { is_opened, .. } => vec![match is_opened {
                true => "the engine, with the controller's key".to_owned(),
                false => "its controller".to_owned(),
            }],
            Self::Vault { by, .. } => vec![by.clone()],
            Self::Plain { .. } => vec!["whoever reads the repository".to_owned()],
        }
    }

    pub(super) fn changed(&self) -> String {
        match self {
            Self::Sops { file, .. } if !file.last_modified.is_empty() => file.last_modified.clone(),
            Self::Vault {
                version: Some(version),
                ..
            } => format!("version {version}"),
            _ => "-".to_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Sops { file, line } => json!({"kind": "sops", "file": file.path.to_string(),
                "line": line, "recipients": file.recipients, "lastModified": file.last_modified}),
            Self::Sealed {
                origin,
                scope,
                is_opened,
            } => json!({"kind": "sealedSecret", "file": origin.path.to_string(),
                "line": origin.line, "scope": scope, "opened": is_opened}),
            Self::Vault {
                location, version, ..
            } => json!({"kind": "vault", "path": location.path, "wanted": location.version,
                "version": version}),
            Self::Plain { origin } => {
                json!({"kind": "plain", "file": origin.path.to_string(), "line": origin.line})
            }
        }
    }
}

/// The secrets among the objects of a Stack.
pub(super) fn rows(
    stack: &Stack,
    objects: &[Object],
    found: &Found,
    snapshot: &Snapshot,
) -> Vec<Row> {
    let users = users(objects);
    let mut rows = Vec::new();
    for object in objects {
        let value = object.value();
        let mut sources: BTreeMap<String, (Source, Vec<String>)> = BTreeMap::new();
        let mut add = |source: Source, name: String| {
            let entry = sources.entry(source.place());
            let (_, names) = entry.or_insert_with(|| (source, Vec::new()));
            if !names.contains(&name) {
                names.push(name);
            }
        };
        for (source, name) in of_sealed(stack, object, &value) {
            add(source, name);
        }
        let live = snapshot.live.get(object.key());
        let versions = live.and_then(|live| live.annotation(VERSIONS_ANNOTATION));
        if stack.secrets.vault.is_some() {
            for (pointer, reference) in references(&value) {
                let source = of_vault(stack, &reference.location, versions.as_deref());
                add(source, name_of(object, &pointer));
            }
        }
        each_text(&value, &mut String::new(), &mut |pointer, text| {
            for (file, line) in found.sources(text) {
                add(Source::Sops { file, line }, name_of(object, pointer));
            }
        });
        if object.key().kind.is("", "Secret") {
            let named: Vec<String> = sources
                .values()
                .flat_map(|(_, names)| names.clone())
                .collect();
            let origin = object.origin.clone();
            for name in entries(&value).filter(|name| !named.contains(name)) {
                let plain = Source::Plain {
                    origin: origin.clone(),
                };
                let (_, names) = sources
                    .entry(plain.place())
                    .or_insert_with(|| (plain, Vec::new()));
                names.push(name);
            }
        }
        let used_by = used_by(object, &users);
        rows.extend(sources.into_values().map(|(source, values)| Row {
            object: object.key().clone(),
            values,
            source,
            used_by: used_by.clone(),
        }));
    }
    rows
}

/// The values of a SealedSecret.
fn of_sealed(stack: &Stack, object: &Object, value: &Value) -> Vec<(Source, String)> {
    if !object.key().kind.is("bitnami.com", "SealedSecret") {
        return Vec::new();
    }
    let source = Source::Sealed {
        origin: object.origin.clone(),
        scope: sealed::scope(value).name(),
        is_opened: stack.secrets.sealed == SealedObjects::Open,
    };
    let data = value.pointer("/spec/encryptedData");
    let data = data.and_then(Value::as_object).into_iter().flatten();
    data.map(|(name, _)| (source.clone(), name.clone()))
        .collect()
}

type Users = BTreeMap<(&'static str, Option<String>, String), Vec<Key>>;

/// The workloads, by what they use.
fn users(objects: &[Object]) -> Users {
    let mut users = Users::new();
    for object in objects {
        let namespace = object.key().namespace.as_deref().map(str::to_owned);
        for (kind, name) in uses(object) {
            let used = users.entry((kind, namespace.clone(), name)).or_default();
            used.push(object.key().clone());
        }
    }
    users
}

fn used_by(object: &Object, users: &Users) -> Vec<Key> {
    let key = object.key();
    // The Secret of a SealedSecret has its name.
    let kind = match key.kind.is("", "ConfigMap") {
        true => "ConfigMap",
        false => "Secret",
    };
    let namespace = key.namespace.as_deref().map(str::to_owned);
    let found = users.get(&(kind, namespace, key.name.to_string()));
    found.cloned().unwrap_or_default()
}

fn of_vault(stack: &Stack, location: &Location, versions: Option<&str>) -> Source {
    let versions: Option<Value> = versions.and_then(|text| text.parse().ok());
    let version = versions
        .as_ref()
        .and_then(|all| all.get(&location.path)?.as_str());
    let by = stack
        .secrets
        .vault
        .as_ref()
        .map(|vault| vault.auth.to_string());
    Source::Vault {
        location: location.clone(),
        version: version.map(str::to_owned),
        by: by.unwrap_or_default(),
    }
}

/// What a value is called: the entry, or its place.
fn name_of(object: &Object, pointer: &str) -> String {
    let kind = &object.key().kind;
    let has_entries = kind.is("", "Secret") || kind.is("", "ConfigMap");
    let mut parts = pointer.splitn(3, '/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("data" | "stringData" | "binaryData"), Some(name)) if has_entries => {
            name.replace("~1", "/").replace("~0", "~")
        }
        _ => pointer.to_owned(),
    }
}

/// The names of a Secret's values that SOPS has not written about the file.
fn entries(secret: &Value) -> impl Iterator<Item = String> {
    let parts = ["data", "stringData"]
        .into_iter()
        .filter_map(|field| secret.get(field)?.as_object());
    let names = parts.flat_map(|map| map.keys().cloned());
    names.filter(|name| !name.starts_with("sops_"))
}

/// Every text of an object with its place; what is encoded is decoded where it can be.
fn each_text(value: &Value, pointer: &mut String, take: &mut dyn FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::String(text) => {
            take(pointer, text);
            let is_encoded = ["/data/", "/binaryData/"]
                .iter()
                .any(|part| pointer.starts_with(part));
            if is_encoded && let Some(bytes) = base64::decode(text) {
                take(pointer, &String::from_utf8_lossy(&bytes));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                each_text(item, pointer, take);
                pointer.truncate(length);
            }
        }
        Value::Object(map) => {
            // What SOPS says of the file is no value of the object.
            let is_about = |name: &String| pointer.is_empty() && name == "sops";
            let named = |name: &String| name.starts_with("sops_");
            let values = map
                .iter()
                .filter(|(name, _)| !is_about(name) && !named(name));
            let values: Vec<_> = values.collect();
            for (name, value) in values {
                pointer.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
                each_text(value, pointer, take);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}
