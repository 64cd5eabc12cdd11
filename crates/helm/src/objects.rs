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
use crate::request::{Capabilities, Request};

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
            "AsSecrets" => {
                self.by_base_name(|data| Value::from(holdfast_template::base64_encode(data)))
            }
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
struct Struct {
    type_name: &'static str,
    kind: &'static str,
    text: Option<String>,
    printed: Option<String>,
    fields: Vec<(&'static str, Value)>,
    methods: Vec<(&'static str, Value)>,
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
pub(crate) fn capabilities(given: &Capabilities, version: &KubeVersion) -> Value {
    let kube_version = Struct {
        type_name: "common.KubeVersion",
        kind: "struct",
        text: Some(format!(
            "{{{} {} {} {}}}",
            version.full, version.normal, version.major, version.minor
        )),
        printed: Some(version.normal.clone()),
        fields: vec![
            ("Version", Value::text(&version.full)),
            ("Major", Value::text(&version.major)),
            ("Minor", Value::text(&version.minor)),
        ],
        methods: vec![
            ("GitVersion", Value::text(&version.full)),
            ("String", Value::text(&version.normal)),
        ],
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
