//! `Chart.yaml`: what a chart says about itself.
//!
//! It must not know files or values.

use holdfast_go::semver::Version;
use holdfast_model::Value as Json;
use holdfast_template::{Entries, Map, Shape, Value};

use crate::error::Error;

/// What a chart says about itself.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its home page.
    pub home: String,
    /// Where its sources are.
    pub sources: Vec<String>,
    /// Its version.
    pub version: String,
    /// A sentence on it.
    pub description: String,
    /// Words it is found by.
    pub keywords: Vec<String>,
    /// Who keeps it.
    pub maintainers: Vec<Maintainer>,
    /// The address of a picture.
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    /// A condition, which only dependencies have.
    pub condition: String,
    /// Tags, which only dependencies have.
    pub tags: String,
    /// The version of what it installs.
    pub app_version: String,
    /// Whether it should not be used any more.
    pub deprecated: bool,
    /// Anything else.
    pub annotations: Vec<(String, String)>,
    /// The Kubernetes versions that it works with.
    pub kube_version: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// `application`, `library` or empty.
    pub kind: String,
}

/// Somebody who keeps a chart.
#[derive(Clone, Debug, Default)]
pub struct Maintainer {
    /// A name.
    pub name: String,
    /// An address for mail.
    pub email: String,
    /// An address of a page.
    pub url: String,
}

/// Another chart that a chart depends on.
#[derive(Clone, Debug, Default)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// The versions that will do.
    pub version: String,
    /// Where it can be had.
    pub repository: String,
    /// Paths of values that turn it on or off.
    pub condition: String,
    /// Groups that turn it on or off together.
    pub tags: Vec<String>,
    /// Tables of its values that its parent takes over.
    pub import_values: Vec<Json>,
    /// Another name for it.
    pub alias: String,
    /// Whether it was found to be on; nobody asks below a chart without dependencies.
    pub(crate) enabled: bool,
}

/// Reads fields of an object as Go reads them into a struct: names in any case, and scalars as
/// text where text is wanted.
struct Reader<'j> {
    file: &'static str,
    object: &'j serde_json::Map<String, Json>,
}

impl<'j> Reader<'j> {
    fn new(file: &'static str, json: &'j Json) -> Result<Self, Error> {
        match json {
            Json::Object(object) => Ok(Self { file, object }),
            other => Err(wrong(file, other, "object")),
        }
    }

    fn get(&self, name: &str) -> Option<&'j Json> {
        let found = self.object.get(name).or_else(|| {
            let same = |key: &&String| key.eq_ignore_ascii_case(name);
            let key = self.object.keys().find(same)?;
            self.object.get(key)
        });
        found.filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            Some(value) => text_of(self.file, value),
            None => Ok(String::new()),
        }
    }

    fn list(&self, name: &str) -> Result<&'j [Json], Error> {
        match self.get(name) {
            Some(Json::Array(items)) => Ok(items),
            Some(other) => Err(wrong(self.file, other, "array")),
            None => Ok(&[]),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let items = self.list(name)?.iter();
        items
            .map(|item| Ok(clean(&text_of(self.file, item)?)))
            .collect()
    }
}

fn wrong(file: &str, found: &Json, wanted: &str) -> Error {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    Error::Load(format!(
        "cannot load {file}: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into a field that takes {wanted}"
    ))
}

/// A scalar as text, as YAML's `1.10` becomes `1.1` on its way through Go.
pub(crate) fn scalar_text(value: &Json) -> Option<String> {
    Some(match value {
        Json::String(text) => text.clone(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.to_string(),
            (_, Some(number)) => number.to_string(),
            _ => holdfast_yaml::format_float(number.as_f64().unwrap_or(0.0)),
        },
        _ => return None,
    })
}

fn text_of(file: &str, value: &Json) -> Result<String, Error> {
    if value.is_null() {
        return Ok(String::new());
    }
    scalar_text(value).ok_or_else(|| wrong(file, value, "text"))
}

/// Control characters go, and every space becomes a plain one.
fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|letter| match letter {
            letter if letter.is_whitespace() => Some(' '),
            letter if letter.is_control() => None,
            letter => Some(letter),
        })
        .collect()
}

impl Metadata {
    /// Reads `Chart.yaml`.
    pub(crate) fn read(json: &Json) -> Result<Self, Error> {
        let reader = match json {
            // An empty file says nothing, and that is found out when it is checked.
            Json::Null => return Ok(Self::default()),
            json => Reader::new("Chart.yaml", json)?,
        };
        let text = |name: &str| Ok::<_, Error>(clean(&reader.text(name)?));
        let api_version = match reader.text("apiVersion")?.as_str() {
            "" => "v1".to_owned(),
            version => version.to_owned(),
        };
        Ok(Self {
            name: text("name")?,
            home: text("home")?,
            sources: reader.texts("sources")?,
            version: reader.text("version")?,
            description: text("description")?,
            keywords: reader.texts("keywords")?,
            maintainers: maintainers(&reader)?,
            icon: text("icon")?,
            api_version,
            condition: text("condition")?,
            tags: text("tags")?,
            app_version: text("appVersion")?,
            deprecated: match reader.get("deprecated") {
                Some(Json::Bool(flag)) => *flag,
                Some(other) => return Err(wrong("Chart.yaml", other, "bool")),
                None => false,
            },
            annotations: annotations(&reader)?,
            kube_version: text("kubeVersion")?,
            dependencies: dependencies("Chart.yaml", &reader)?,
            kind: reader.text("type")?,
        })
    }

    /// Takes over what `requirements.yaml` says.
    pub(crate) fn read_requirements(&mut self, json: &Json) -> Result<(), Error> {
        if json.is_null() {
            return Ok(());
        }
        let reader = Reader::new("requirements.yaml", json)?;
        if reader.get("dependencies").is_some() {
            self.dependencies = dependencies("requirements.yaml", &reader)?;
        }
        Ok(())
    }

    /// Refuses what no chart may be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::Load(format!("validation: {message}")));
        if self.name.is_empty() {
            return refuse("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return refuse(format!(
                "chart.metadata.name {:?} is not allowed",
                self.name
            ));
        }
        if self.name.contains('/') {
            return refuse(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return refuse("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return refuse(format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".to_owned());
        }
        let mut names: Vec<&str> = Vec::new();
        for dependency in &self.dependencies {
            let is_alias = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            if !dependency.alias.chars().all(is_alias) {
                let name = &dependency.name;
                return refuse(format!(
                    "dependency {name:?} has disallowed characters in the alias"
                ));
            }
            let name = dependency.key();
            if names.contains(&name) {
                return refuse(format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
            names.push(name);
        }
        Ok(())
    }

    /// Whether it only offers templates to others.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// `.Chart` as templates see it: a map with Go's field names.
    pub(crate) fn to_value(&self, name: &str, is_root: bool, wanted: &[Dependency]) -> Value {
        let texts = |items: &[String]| Value::list(items.iter().map(Value::text).collect());
        let annotations: Entries = self
            .annotations
            .iter()
            .map(|(key, value)| (std::rc::Rc::from(key.as_str()), Value::text(value)))
            .collect();
        let maintainers = self.maintainers.iter().map(|maintainer| {
            Value::map_of([
                ("Name", Value::text(&maintainer.name)),
                ("Email", Value::text(&maintainer.email)),
                ("URL", Value::text(&maintainer.url)),
            ])
        });
        let dependencies = wanted.iter().map(Dependency::to_value);
        let annotations = match self.annotations.is_empty() {
            true => Map::nil(Shape::Text),
            false => Map::new(Shape::Text, annotations),
        };
        Value::map_of([
            ("Name", Value::text(name)),
            ("Home", Value::text(&self.home)),
            ("Sources", texts(&self.sources)),
            ("Version", Value::text(&self.version)),
            ("Description", Value::text(&self.description)),
            ("Keywords", texts(&self.keywords)),
            ("Maintainers", Value::list(maintainers.collect())),
            ("Icon", Value::text(&self.icon)),
            ("APIVersion", Value::text(&self.api_version)),
            ("Condition", Value::text(&self.condition)),
            ("Tags", Value::text(&self.tags)),
            ("AppVersion", Value::text(&self.app_version)),
            ("Deprecated", Value::Bool(self.deprecated)),
            ("Annotations", Value::Map(annotations)),
            ("KubeVersion", Value::text(&self.kube_version)),
            ("Dependencies", Value::list(dependencies.collect())),
            ("Type", Value::text(&self.kind)),
            ("IsRoot", Value::Bool(is_root)),
        ])
    }
}

fn maintainers(reader: &Reader<'_>) -> Result<Vec<Maintainer>, Error> {
    let items = reader.list("maintainers")?.iter();
    items
        .map(|item| {
            if item.is_null() {
                return Err(Error::Load(
                    "validation: maintainers must not contain empty or null nodes".to_owned(),
                ));
            }
            let reader = Reader::new("Chart.yaml", item)?;
            Ok(Maintainer {
                name: clean(&reader.text("name")?),
                email: clean(&reader.text("email")?),
                url: clean(&reader.text("url")?),
            })
        })
        .collect()
}

fn annotations(reader: &Reader<'_>) -> Result<Vec<(String, String)>, Error> {
    match reader.get("annotations") {
        None => Ok(Vec::new()),
        Some(Json::Object(entries)) => entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), text_of("Chart.yaml", value)?)))
            .collect(),
        Some(other) => Err(wrong("Chart.yaml", other, "object")),
    }
}

fn dependencies(file: &'static str, reader: &Reader<'_>) -> Result<Vec<Dependency>, Error> {
    let items = reader.list("dependencies")?.iter();
    items
        .map(|item| {
            if item.is_null() {
                return Err(Error::Load(
                    "validation: dependencies must not contain empty or null nodes".to_owned(),
                ));
            }
            let reader = Reader::new(file, item)?;
            Ok(Dependency {
                name: clean(&reader.text("name")?),
                version: clean(&reader.text("version")?),
                repository: clean(&reader.text("repository")?),
                condition: clean(&reader.text("condition")?),
                tags: reader.texts("tags")?,
                import_values: reader.list("import-values")?.to_vec(),
                alias: reader.text("alias")?,
                enabled: false,
            })
        })
        .collect()
}

impl Dependency {
    /// The name that its values stand under.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() {
            &self.name
        } else {
            &self.alias
        }
    }

    fn to_value(&self) -> Value {
        let rules = self.import_values.iter().filter_map(|rule| {
            let (child, parent) = import_rule(rule)?;
            let entries = [("child", child), ("parent", parent)];
            let entries = entries.map(|(key, text)| (std::rc::Rc::from(key), Value::from(text)));
            Some(Value::Map(Map::new(
                Shape::Text,
                Entries::from_iter(entries),
            )))
        });
        Value::map_of([
            ("Name", Value::text(&self.name)),
            ("Version", Value::text(&self.version)),
            ("Repository", Value::text(&self.repository)),
            ("Condition", Value::text(&self.condition)),
            (
                "Tags",
                Value::list(self.tags.iter().map(Value::text).collect()),
            ),
            ("Enabled", Value::Bool(self.enabled)),
            ("ImportValues", Value::list(rules.collect())),
            ("Alias", Value::text(&self.alias)),
        ])
    }
}

/// Which table an import rule takes, and where the parent wants it.
pub(crate) fn import_rule(rule: &Json) -> Option<(String, String)> {
    match rule {
        Json::String(key) => Some((format!("exports.{key}"), ".".to_owned())),
        Json::Object(rule) => {
            let text = |key: &str| rule.get(key).and_then(scalar_text);
            let text = |key: &str| text(key).unwrap_or_else(|| "<nil>".to_owned());
            Some((text("child"), text("parent")))
        }
        _ => None,
    }
}
