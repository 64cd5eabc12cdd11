//! What templates find at the top: `.Release`, `.Capabilities`, `.Files` and their methods.
//!
//! It must not know how templates are executed.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use holdfast_template::{Element, Entries, List, Object, Value, to_yaml};

use crate::error::Error;
use crate::files::File;
use crate::glob::Glob;
use crate::request::{Capabilities, Level, Request};

/// `.Files`: the files of a chart that mean nothing to Helm itself.
pub(crate) struct Files(BTreeMap<Rc<str>, Arc<[u8]>>);

impl Files {
    pub(crate) fn of(files: &[File]) -> Self {
        Self(
            files
                .iter()
                .map(|file| (Rc::from(file.name.as_str()), Arc::clone(&file.data)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &[u8] {
        self.0.get(name).map_or(&[], |data| data)
    }

    fn by_base_name(&self, content: fn(&[u8]) -> Value) -> Result<Value, String> {
        let mut entries = Entries::new();
        for (name, data) in &self.0 {
            let base = name.rsplit('/').next().unwrap_or(name);
            entries.insert(Rc::from(base), content(data));
        }
        let mut text = to_yaml(&Value::map(entries))?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(Value::from(text))
    }

    fn lines(&self, name: &str) -> Value {
        let data = self.get(name);
        if data.is_empty() {
            return Value::texts::<&str>([]);
        }
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        let lines = data.split(|byte| *byte == b'\n');
        Value::List(List::new(
            Element::Text,
            lines.map(|line| Value::string(line.to_vec())).collect(),
        ))
    }

    fn glob(&self, pattern: &str) -> Value {
        let glob = Glob::parse(pattern).unwrap_or_else(Glob::everything);
        let found = self.0.iter().filter(|(name, _)| glob.matches(name));
        Value::Object(Rc::new(Self(
            found
                .map(|(name, data)| (Rc::clone(name), Arc::clone(data)))
                .collect(),
        )))
    }
}

/// The one string that a method takes.
fn name_of(arguments: &[Value]) -> Result<String, String> {
    match arguments {
        [Value::Text(name)] => Ok(name.to_string()),
        [Value::Raw(name)] => Ok(String::from_utf8_lossy(name).into_owned()),
        [other] => Err(format!(
            "wrong type for value; expected string; got {}",
            match other {
                Value::Nil | Value::Invalid => "interface {}",
                other => other.type_name(),
            }
        )),
        _ => Err(format!(
            "wrong number of args: want 1 got {}",
            arguments.len()
        )),
    }
}

impl Object for Files {
    fn type_name(&self) -> &str {
        "engine.files"
    }

    fn kind(&self) -> &'static str {
        "map"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(|data| Value::Bytes(Rc::from(&**data)))
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let named = |answer: &dyn Fn(&str) -> Value| name_of(arguments).map(|name| answer(&name));
        Some(match name {
            "Get" => named(&|name| Value::string(self.get(name).to_vec())),
            "GetBytes" => named(&|name| Value::Bytes(Rc::from(self.get(name)))),
            "Glob" => named(&|pattern| self.glob(pattern)),
            "Lines" => named(&|name| self.lines(name)),
            "AsConfig" => self.by_base_name(|data| Value::string(data.to_vec())),
            "AsSecrets" => self.by_base_name(|data| Value::from(holdfast_go::base64::encode(data))),
            _ => return None,
        })
    }

    fn entries(&self) -> Vec<(Rc<str>, Value)> {
        let entries = self.0.iter();
        entries
            .map(|(name, data)| (Rc::clone(name), Value::Bytes(Rc::from(&**data))))
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A struct of Go: named fields in order, and what its `String` method gives.
pub(crate) struct Struct {
    type_name: &'static str,
    kind: &'static str,
    text: Option<String>,
    printed: Option<String>,
    fields: Vec<(&'static str, Value)>,
    methods: Vec<(&'static str, Value)>,
    /// What JSON has of it, where that differs.
    serial: Option<Vec<(Rc<str>, Value)>>,
}

/// `.Chart` as Helm 3 has it: a struct, whose unknown fields are errors and whose JSON names are
/// those of `Chart.yaml`.
pub(crate) fn chart_struct(entries: &Entries) -> Value {
    let names = [
        ("Name", "name"),
        ("Home", "home"),
        ("Sources", "sources"),
        ("Version", "version"),
        ("Description", "description"),
        ("Keywords", "keywords"),
        ("Maintainers", "maintainers"),
        ("Icon", "icon"),
        ("APIVersion", "apiVersion"),
        ("Condition", "condition"),
        ("Tags", "tags"),
        ("AppVersion", "appVersion"),
        ("Deprecated", "deprecated"),
        ("Annotations", "annotations"),
        ("KubeVersion", "kubeVersion"),
        ("Dependencies", "dependencies"),
        ("Type", "type"),
    ];
    let get = |name: &str| entries.get(name).cloned().unwrap_or(Value::Nil);
    let mut fields: Vec<(&'static str, Value)> =
        names.iter().map(|(name, _)| (*name, get(name))).collect();
    fields.push(("IsRoot", get("IsRoot")));
    // Empty fields are left out, and so are those of the structs inside.
    let present = names.iter().filter(|(name, _)| get(name).truth());
    let mut serial: Vec<(Rc<str>, Value)> = present
        .map(|(name, json)| (Rc::from(*json), serial_form(name, &get(name))))
        .collect();
    serial.push((Rc::from("IsRoot"), get("IsRoot")));
    Value::Object(Rc::new(Struct {
        type_name: "struct { chart.Metadata; IsRoot bool }",
        kind: "struct",
        text: None,
        printed: None,
        fields,
        methods: Vec::new(),
        serial: Some(serial),
    }))
}

fn serial_form(name: &str, value: &Value) -> Value {
    let rename = |key: &str| match key {
        "ImportValues" => "import-values".to_owned(),
        "URL" => "url".to_owned(),
        key => key.to_lowercase(),
    };
    let Value::List(list) = value else {
        return value.clone();
    };
    if name != "Maintainers" && name != "Dependencies" {
        return value.clone();
    }
    let items = list.items().iter().map(|item| match item {
        Value::Map(map) => {
            let entries = map.entries();
            let kept = entries.iter().filter(|(key, value)| {
                value.truth() || name == "Dependencies" && matches!(&***key, "Name" | "Repository")
            });
            Value::map(
                kept.map(|(key, value)| (Rc::from(rename(key)), value.clone()))
                    .collect(),
            )
        }
        other => other.clone(),
    });
    Value::list(items.collect())
}

impl Object for Struct {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn field(&self, name: &str) -> Option<Value> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone())
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let (_, value) = self.methods.iter().find(|(method, _)| *method == name)?;
        if !arguments.is_empty() {
            return Some(Err(format!(
                "wrong number of args: want 0 got {}",
                arguments.len()
            )));
        }
        Some(Ok(value.clone()))
    }

    fn text(&self) -> Option<String> {
        self.text.clone()
    }

    fn printed(&self) -> Option<String> {
        self.printed.clone()
    }

    fn serial(&self) -> Vec<(Rc<str>, Value)> {
        self.serial.clone().unwrap_or_else(|| self.entries())
    }

    fn entries(&self) -> Vec<(Rc<str>, Value)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| (Rc::from(*name), value.clone()))
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A Kubernetes version: as it was given, and in the form that constraints are held against.
pub(crate) struct KubeVersion {
    pub(crate) full: String,
    pub(crate) normal: String,
    major: String,
    minor: String,
}

impl KubeVersion {
    /// Reads a version such as `v1.33.4-gke.1245000`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = || Error::Refused(format!("invalid kube version '{text}'"));
        let plain = text.trim().trim_start_matches('v');
        let end = plain
            .find(|letter: char| letter != '.' && !letter.is_ascii_digit())
            .unwrap_or(plain.len());
        let mut parts = plain[..end].trim_end_matches('.').split('.');
        let mut number = |required: bool| match parts.next() {
            Some(part) => part.parse::<u64>().map_err(|_| refuse()),
            None if required => Err(refuse()),
            None => Ok(0),
        };
        let (major, minor, patch) = (number(true)?, number(true)?, number(false)?);
        let full = match text.starts_with('v') {
            true => text.to_owned(),
            false => format!("v{text}"),
        };
        Ok(Self {
            full,
            normal: format!("v{major}.{minor}.{patch}"),
            major: major.to_string(),
            minor: minor.to_string(),
        })
    }
}

/// `.Capabilities`.
pub(crate) fn capabilities(given: &Capabilities, version: &KubeVersion, level: Level) -> Value {
    // Helm 3 knows the plain version only.
    let (full, text) = match level {
        Level::Helm3 => (&version.normal, version.normal.clone()),
        _ => (
            &version.full,
            format!("{} {}", version.full, version.normal),
        ),
    };
    let kube_version = Struct {
        type_name: "common.KubeVersion",
        kind: "struct",
        text: Some(format!("{{{text} {} {}}}", version.major, version.minor)),
        printed: Some(version.normal.clone()),
        fields: vec![
            ("Version", Value::text(full)),
            ("Major", Value::text(&version.major)),
            ("Minor", Value::text(&version.minor)),
        ],
        methods: vec![
            ("GitVersion", Value::text(full)),
            ("String", Value::text(&version.normal)),
        ],
        serial: None,
    };
    let kube_minor = given.helm_version.clone();
    let helm_version = Struct {
        type_name: "version.BuildInfo",
        kind: "struct",
        text: None,
        printed: None,
        fields: vec![
            ("Version", Value::text(&kube_minor)),
            ("GitCommit", Value::text("")),
            ("GitTreeState", Value::text("clean")),
            ("GoVersion", Value::text("go1.27.2")),
            ("KubeClientVersion", Value::text("v1.37")),
        ],
        methods: Vec::new(),
        serial: None,
    };
    let versions = given.api_versions.iter().map(Value::text).collect();
    Value::Object(Rc::new(Struct {
        type_name: "*common.Capabilities",
        kind: "ptr",
        text: None,
        printed: None,
        fields: vec![
            ("KubeVersion", Value::Object(Rc::new(kube_version))),
            (
                "APIVersions",
                Value::List(List::new(Element::VersionSet, versions)),
            ),
            ("HelmVersion", Value::Object(Rc::new(helm_version))),
        ],
        methods: Vec::new(),
        serial: None,
    }))
}

/// `.Release`.
pub(crate) fn release(request: &Request<'_>) -> Value {
    Value::map_of([
        ("Name", Value::text(&request.name)),
        ("Namespace", Value::text(&request.namespace)),
        ("IsUpgrade", Value::Bool(request.is_upgrade)),
        ("IsInstall", Value::Bool(request.is_install)),
        ("Revision", Value::int(request.revision)),
        ("Service", Value::text("Helm")),
    ])
}
