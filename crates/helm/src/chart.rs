//! A chart: its metadata, defaults, templates, files and the charts below it.
//!
//! A chart never changes once loaded, and many renders on many threads share it. It must not know
//! releases or values given to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use holdfast_model::artifact::{Blobs, EntryKind, TreePath};
use holdfast_template::{self as template, Template};

use crate::error::{Error, Wanted};
use crate::files::{self, File};
use crate::metadata::Metadata;
use crate::request::Level;
use crate::schema;
use crate::values::{self, Table};
use crate::versions::newest;

/// How deep charts may nest.
const MAX_DEPTH: usize = 32;

/// A chart, loaded and checked.
#[derive(Debug)]
pub struct Chart {
    /// What it says about itself.
    pub metadata: Metadata,
    pub(crate) defaults: Defaults,
    pub(crate) schema: Option<Arc<[u8]>>,
    pub(crate) templates: Vec<TemplateFile>,
    pub(crate) files: Vec<File>,
    pub(crate) dependencies: Vec<Arc<Chart>>,
    /// The versions of its lock file, by name.
    locked: Vec<(String, String)>,
    pub(crate) compiled_schema: OnceLock<schema::Compiled>,
}

/// The values of a chart by the two ways of reading them.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    /// All documents merged.
    merged: Table,
    /// The first document alone, where there are more.
    first: Option<Table>,
}

impl Defaults {
    pub(crate) fn at(&self, level: Level) -> &Table {
        match (&self.first, level) {
            (Some(first), Level::Helm3) => first,
            _ => &self.merged,
        }
    }
}

/// A file in `templates/`, parsed when it is first rendered.
#[derive(Debug)]
pub(crate) struct TemplateFile {
    /// Its path within the chart.
    pub(crate) name: String,
    text: Arc<str>,
    parsed: OnceLock<Result<Vec<Arc<Template>>, template::Error>>,
}

impl Chart {
    /// Whether a template of it or of its dependencies holds a word.
    pub fn mentions(&self, word: &str) -> bool {
        self.templates.iter().any(|file| file.text.contains(word))
            || self.dependencies.iter().any(|chart| chart.mentions(word))
    }
}

impl TemplateFile {
    /// Its templates, the file itself last. `path` is what errors call it.
    pub(crate) fn parsed(&self, path: &str) -> Result<&[Arc<Template>], template::Error> {
        let parsed = self.parsed.get_or_init(|| {
            let templates = template::parse(path, Arc::clone(&self.text))?;
            Ok(templates.into_iter().map(Arc::new).collect())
        });
        match parsed {
            Ok(templates) => Ok(templates),
            Err(error) => Err(error.clone()),
        }
    }
}

impl Chart {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Adds a chart that was fetched from elsewhere, as if it stood in `charts/`.
    pub fn add_dependency(&mut self, chart: Arc<Chart>) {
        self.dependencies.push(chart);
    }

    /// The dependencies that it names and that are not there, each with its locked version where
    /// that is one that the chart wants.
    pub fn missing(&self) -> Vec<Wanted> {
        let named = self.metadata.dependencies.iter();
        named
            .filter(|wanted| {
                !self
                    .dependencies
                    .iter()
                    .any(|chart| chart.metadata.name == wanted.name)
            })
            .map(|wanted| Wanted {
                name: wanted.name.clone(),
                version: self.locked_version(&wanted.name, &wanted.version),
                repository: wanted.repository.clone(),
            })
            .collect()
    }

    fn locked_version(&self, name: &str, range: &str) -> String {
        let mut locked = self.locked.iter().filter(|(locked, _)| locked == name);
        let fits = |version: &str| matches!(newest(range, [version].into_iter()), Ok(Some(_)));
        let version = locked.find(|(_, version)| fits(version));
        version.map_or_else(|| range.to_owned(), |(_, version)| version.clone())
    }

    fn read_lock(&mut self, lock: &holdfast_model::Value) {
        let text = |entry: &holdfast_model::Value, name: &str| {
            let value = entry.get(name)?.as_str()?;
            Some(value.to_owned())
        };
        let entries = lock.get("dependencies").and_then(|list| list.as_array());
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        self.locked = entries
            .iter()
            .filter_map(|entry| Some((text(entry, "name")?, text(entry, "version")?)))
            .collect();
    }
}

/// Loads the chart in a folder. Dependencies are taken from its `charts/`, and those with a
/// `file://` address from where that leads.
///
/// # Errors
/// What makes the files no chart, and what a reader of files refuses.
pub fn load(blobs: &dyn Blobs, folder: &TreePath) -> Result<Chart, Error> {
    load_at(blobs, folder, 0)
}

fn load_at(blobs: &dyn Blobs, folder: &TreePath, depth: usize) -> Result<Chart, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Load(
            "charts depend on each other too deep".to_owned(),
        ));
    }
    let mut chart = from_files(files::from_folder(blobs, folder)?, 0)?;
    for wanted in chart.missing() {
        let Some(relative) = wanted.repository.strip_prefix("file://") else {
            continue;
        };
        let Some(path) = folder.join(relative) else {
            continue;
        };
        if blobs.kind(&path)? == Some(EntryKind::Folder) {
            let dependency = load_at(blobs, &path, depth + 1)?;
            chart.add_dependency(Arc::new(dependency));
        }
    }
    Ok(chart)
}

/// Loads a packed chart (`.tgz`).
///
/// # Errors
/// As [`load`], and archives that are damaged, too large, or reach outside of themselves.
pub fn load_archive(bytes: &[u8]) -> Result<Chart, Error> {
    from_files(files::from_archive(bytes)?, 0)
}

fn text(file: &File) -> Cow<'_, str> {
    as_text(&file.data)
}

/// Bytes as text. Checking first is much faster than looking for what to replace.
pub(crate) fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

fn read_yaml(file: &File) -> Result<holdfast_model::Value, Error> {
    holdfast_yaml::read_value(&text(file), &holdfast_yaml::Limits::default()).map_err(|error| {
        Error::Load(format!(
            "cannot load {}: error converting YAML to JSON: yaml: {error}",
            file.name
        ))
    })
}

fn read_metadata(files: &[File]) -> Result<Option<Metadata>, Error> {
    let Some(file) = files.iter().find(|file| file.name == "Chart.yaml") else {
        return Ok(None);
    };
    Ok(Some(Metadata::read(&read_yaml(file)?)?))
}

fn read_defaults(file: &File) -> Result<Defaults, Error> {
    let text = text(file);
    let failure = |message: String| Error::Load(format!("cannot load values.yaml: {message}"));
    let merged = values::read(&text, Level::Helm42).map_err(failure)?;
    // Only a file of more than one document reads differently by Helm 3's rules.
    let first = match text.contains("\n---") {
        true => Some(values::read(&text, Level::Helm3).map_err(failure)?),
        false => None,
    };
    Ok(Defaults { merged, first })
}

fn from_files(files: Vec<File>, depth: usize) -> Result<Chart, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Load("subcharts are nested too deep".to_owned()));
    }
    let metadata = read_metadata(&files)?;
    let has_chart_file = metadata.is_some();
    let mut chart = Chart {
        metadata: metadata.unwrap_or_default(),
        defaults: Defaults::default(),
        schema: None,
        templates: Vec::new(),
        files: Vec::new(),
        dependencies: Vec::new(),
        locked: Vec::new(),
        compiled_schema: OnceLock::new(),
    };
    let mut below: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        chart.place(file, &mut below)?;
    }
    if !has_chart_file {
        return Err(Error::Load("Chart.yaml file is missing".to_owned()));
    }
    chart.metadata.check()?;
    for (name, files) in below {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let loaded = load_subchart(&name, files, depth).map_err(|error| Error::Subchart {
            subchart: name.clone(),
            chart: chart.metadata.name.clone(),
            source: Box::new(error),
        })?;
        chart.dependencies.extend(loaded.map(Arc::new));
    }
    Ok(chart)
}

fn load_subchart(name: &str, files: Vec<File>, depth: usize) -> Result<Option<Chart>, Error> {
    if name.ends_with(".tgz") {
        let packed = files.iter().find(|file| file.name == name);
        let Some(packed) = packed else {
            return Err(Error::Load(format!("expected {name}, got a folder")));
        };
        let chart = from_files(files::from_archive(&packed.data)?, depth + 1)?;
        return Ok(Some(chart));
    }
    let inner: Vec<File> = files
        .into_iter()
        .filter_map(|file| {
            let (_, name) = file.name.split_once('/')?;
            let name = name.to_owned();
            Some(File { name, ..file })
        })
        .collect();
    // A loose file in `charts/` is no chart, and Helm says so.
    from_files(inner, depth + 1).map(Some)
}

impl Chart {
    /// Puts a file where its path says it belongs.
    fn place(&mut self, file: File, below: &mut BTreeMap<String, Vec<File>>) -> Result<(), Error> {
        let is_old = self.metadata.api_version == "v1";
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => {
                let lock = read_yaml(&file)?;
                self.read_lock(&lock);
            }
            "values.yaml" => self.defaults = read_defaults(&file)?,
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                self.metadata.read_requirements(&read_yaml(&file)?)?;
                if is_old {
                    self.files.push(file);
                }
            }
            "requirements.lock" => {
                let lock = read_yaml(&file)?;
                self.read_lock(&lock);
                if is_old {
                    self.files.push(file);
                }
            }
            name if name.starts_with("templates/") => self.templates.push(TemplateFile {
                text: text(&file).into(),
                name: file.name,
                parsed: OnceLock::new(),
            }),
            name if name.starts_with("charts/") && name.ends_with(".prov") => {
                self.files.push(file);
            }
            name if name.starts_with("charts/") => {
                let inner = name["charts/".len()..].to_owned();
                let first = inner.split('/').next().unwrap_or_default().to_owned();
                let file = File {
                    name: inner,
                    data: file.data,
                };
                below.entry(first).or_default().push(file);
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}
