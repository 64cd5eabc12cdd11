//! One kustomization after the other, in Kustomize's order: resources, generators, components,
//! transformers, validators; then, once for all of them, hashes, name references, vars, order.

mod finish;
mod run;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_yaml::{Limits, read_value};

use crate::config::Config;
use crate::crds::read_definitions;
use crate::file::{Kustomization, Var};
use crate::load::{LoadError, Loader, RemoteReference, Remotes};
use crate::order::sort;
use crate::overrides::{apply as apply_overrides, generated};
use crate::plugins::add_hashes;
use crate::read::read_resources;
use crate::references::fix_references;
use crate::resource::{OriginNote, Resource};
use crate::resources::Resources;
use crate::tables::{Types, from_openapi};
use crate::value::{Through, to_node};
use crate::vars::{claim_vars, resolve_vars};
use crate::{Absent, Built, BuiltObject, Error, Options};
use finish::{drop_local, print};
pub use shared::{Base, Bases};

/// How deep kustomizations may lead to others.
const DEEPEST: usize = 200;

/// What has been gathered so far.
#[derive(Clone, Default)]
struct Gathered {
    resources: Resources,
    config: Option<Arc<Config>>,
    vars: BTreeMap<String, Var>,
}

/// A kustomization on its way through a build.
struct Target<'a> {
    loader: Loader<'a>,
    file_name: &'static str,
    file: Kustomization,
    /// The namespace that charts get where this kustomization names none.
    helm_namespace: String,
    /// Where it lies, seen from the one that is built.
    origin: OriginNote,
    depth: usize,
}

struct Builder<'a> {
    options: &'a Options<'a>,
    types: Arc<Types>,
    types_are_set: bool,
    missing: Vec<RemoteReference>,
    tracks_origins: bool,
    /// Whether a chart was asked for.
    rendered_charts: bool,
    /// The folders that were entered behind the one that is built.
    entered: Vec<TreePath>,
}

type Outcome<T> = Result<T, Error>;

/// Builds the kustomization in a folder, or, over objects that are given, one that has no file.
pub(crate) fn build(
    blobs: &dyn Blobs,
    folder: &TreePath,
    options: &Options<'_>,
    given: Option<Vec<BuiltObject>>,
) -> Outcome<Built> {
    let none = Remotes::new();
    let remotes = options.remotes.unwrap_or(&none);
    let loader = Loader::new(blobs, folder.clone(), options.restriction, remotes);
    let mut builder = Builder {
        options,
        types: Arc::new(Types::built_in().clone()),
        types_are_set: false,
        missing: Vec::new(),
        tracks_origins: false,
        rendered_charts: false,
        entered: Vec::new(),
    };
    let built = builder.run(loader, given);
    if builder.missing.is_empty() {
        return built;
    }
    let mut missing = builder.missing;
    missing.sort();
    missing.dedup();
    Err(Error::Missing(missing))
}

impl<'a> Target<'a> {
    fn open(loader: Loader<'a>) -> Result<Self, LoadError> {
        let (file_name, bytes) = loader.kustomization()?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{file_name} is not UTF-8"))?;
        let file = Kustomization::read(text)
            .map_err(|error| format!("invalid Kustomization: {file_name}: {error}"))?;
        Ok(Self::new(loader, file_name, file))
    }

    fn new(loader: Loader<'a>, file_name: &'static str, file: Kustomization) -> Self {
        Self {
            loader,
            file_name,
            file,
            helm_namespace: String::new(),
            origin: OriginNote::default(),
            depth: 0,
        }
    }

    fn error(&self, field: &'static str, message: impl Into<String>) -> Error {
        Error::Build {
            folder: self.loader.root.clone(),
            field,
            message: message.into(),
        }
    }

    /// How a transformer or generator that is configured on its own is noted.
    fn plugin_note(&self, config: &Resource) -> Option<OriginNote> {
        let origin = config.origin.as_ref()?;
        Some(OriginNote {
            repo: origin.repo.clone(),
            reference: origin.reference.clone(),
            configured_in: origin.path.clone(),
            configured_by: Some((
                config.api_version().to_owned(),
                config.kind().to_owned(),
                config.name().to_owned(),
                config.namespace().to_owned(),
            )),
            ..OriginNote::default()
        })
    }

    /// How a transformer or generator of this kustomization is noted.
    fn note(&self, kind: &str) -> OriginNote {
        OriginNote {
            repo: self.origin.repo.clone(),
            reference: self.origin.reference.clone(),
            configured_in: joined(&self.origin.path, self.file_name),
            configured_by: Some((
                "builtin".to_owned(),
                kind.to_owned(),
                String::new(),
                String::new(),
            )),
            ..OriginNote::default()
        }
    }
}

/// Joins a path of the origin notes, which are relative to the kustomization that is built.
fn joined(path: &str, more: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').chain(more.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl<'a> Builder<'a> {
    fn run(&mut self, loader: Loader<'_>, given: Option<Vec<BuiltObject>>) -> Outcome<Built> {
        let folder = loader.root.clone();
        let target = self
            .open_root(loader, given.is_some())
            .map_err(|error| self.fail(&folder, "file", error))?;
        self.tracks_origins = !target.file.build_metadata.is_empty();
        self.set_types(&target, true)?;
        let mut gathered = Gathered::default();
        gathered
            .resources
            .append_all(resources(given.unwrap_or_default()), &self.types)
            .map_err(|error| target.error("resources", error))?;
        let mut gathered = self.accumulate(&target, gathered)?;
        let types = Arc::clone(&self.types);
        let config = gathered.config.clone().unwrap_or_default();
        let resources = &mut gathered.resources;
        let at = |field: &'static str| move |error: String| (field, error);
        let mut finish = || -> Result<(), (&'static str, String)> {
            add_hashes(resources, &types).map_err(at("configMapGenerator"))?;
            fix_references(resources, &config, &types).map_err(at("nameReference"))?;
            resources.list.iter_mut().for_each(Resource::sync_shared);
            resolve_vars(resources, &gathered.vars, &config).map_err(at("vars"))?;
            resources.list.iter_mut().for_each(Resource::sync_shared);
            drop_local(resources).map_err(at("resources"))?;
            let order = self.options.order;
            sort(resources, target.file.sort_options.as_ref(), order, &types)
                .map_err(at("sortOptions"))?;
            let list = std::mem::take(&mut resources.list);
            resources.append_all(list, &types).map_err(at("resources"))
        };
        finish().map_err(|(field, error)| target.error(field, error))?;
        print(&target, gathered.resources)
    }

    /// Opens the kustomization that is built, or makes one, and lays the overrides over it.
    fn open_root<'b>(&self, loader: Loader<'b>, is_given: bool) -> Result<Target<'b>, LoadError> {
        let generates = self.options.absent == Absent::Generated;
        let mut target = if is_given {
            Target::new(loader, "kustomization.yaml", Kustomization::default())
        } else if generates && !loader.has_kustomization()? {
            let file = generated(loader.blobs(), &loader.root)?;
            Target::new(loader, "kustomization.yaml", file)
        } else {
            Target::open(loader)?
        };
        if let Some(overrides) = self.options.overrides {
            let loader = &target.loader;
            let exists = |path: &str| loader.enter(path).is_ok();
            apply_overrides(&mut target.file, overrides, &exists)?;
        }
        Ok(target)
    }

    /// Notes what has to be fetched, and makes the error of everything else.
    fn fail(&mut self, folder: &TreePath, field: &'static str, error: LoadError) -> Error {
        let message = match error {
            LoadError::Message(message) => message,
            LoadError::Remote(url) => {
                self.missing.push(RemoteReference {
                    url: url.clone(),
                    folder: folder.clone(),
                });
                format!("{url} has to be fetched first")
            }
        };
        Error::Build {
            folder: folder.clone(),
            field,
            message,
        }
    }

    fn load<T>(
        &mut self,
        target: &Target<'_>,
        field: &'static str,
        result: Result<T, LoadError>,
    ) -> Outcome<T> {
        result.map_err(|error| self.fail(&target.loader.root, field, error))
    }

    /// The first kustomization that says something about types decides for the whole build.
    fn set_types(&mut self, target: &Target<'_>, is_root: bool) -> Outcome<()> {
        if self.types_are_set && !is_root {
            return Ok(());
        }
        let field = |name: &str| {
            let entry = target.file.openapi.iter().find(|(key, _)| key == name);
            entry.map(|(_, value)| value.as_str())
        };
        let Some(path) = field("path") else {
            return match field("version") {
                None | Some("") => Ok(()),
                Some("v1.21.2") => {
                    self.types_are_set = true;
                    Ok(())
                }
                Some(_) => {
                    Err(target.error("openapi", "the specified OpenAPI version is not built in"))
                }
            };
        };
        if field("version").is_some() {
            let message = "builtin version and custom schema provided, cannot use both";
            return Err(target.error("openapi", message));
        }
        let bytes = self.load(target, "openapi", target.loader.load(path))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| target.error("openapi", format!("{path} is not UTF-8")))?;
        let value = read_value(text, &Limits::default())
            .map_err(|error| target.error("openapi", format!("{path}: {error}")))?;
        self.types = Arc::new(from_openapi(&value));
        self.types_are_set = true;
        Ok(())
    }

    fn accumulate(&mut self, target: &Target<'_>, gathered: Gathered) -> Outcome<Gathered> {
        let mut gathered =
            self.add_resources(target, gathered, &target.file.resources, "resources")?;
        self.add_config(target, &mut gathered)?;
        self.run_generators(target, &mut gathered)?;
        for path in &target.file.components {
            let loader = match target.loader.enter(path) {
                Ok(loader) => loader,
                Err(error @ LoadError::Remote(_)) => {
                    self.fail(&target.loader.root, "components", error);
                    continue;
                }
                Err(error) => return Err(self.fail(&target.loader.root, "components", error)),
            };
            gathered = self.add_folder(target, gathered, loader, (path, true))?;
        }
        self.run_transformers(target, &mut gathered)?;
        self.run_validators(target, &mut gathered)?;
        let vars = &target.file.vars;
        claim_vars(&mut gathered.resources, vars, &self.types)
            .map_err(|error| target.error("vars", error))?;
        for var in vars {
            add_var(&mut gathered.vars, var.clone())
                .map_err(|error| target.error("vars", error))?;
        }
        Ok(gathered)
    }

    /// Reads files, and builds folders, in the listed order.
    fn add_resources(
        &mut self,
        target: &Target<'_>,
        mut gathered: Gathered,
        paths: &[String],
        field: &'static str,
    ) -> Outcome<Gathered> {
        for path in paths {
            let file_error = match self.read_file(target, path) {
                Ok(resources) => {
                    gathered
                        .resources
                        .append_all(resources, &self.types)
                        .map_err(|error| {
                            target.error(field, format!("merging resources from '{path}': {error}"))
                        })?;
                    continue;
                }
                Err(error) => error,
            };
            let loader = match target.loader.enter(path) {
                Ok(loader) => loader,
                Err(error @ LoadError::Remote(_)) => {
                    self.fail(&target.loader.root, field, error);
                    continue;
                }
                Err(LoadError::Message(error)) => {
                    let file_error = match file_error {
                        LoadError::Message(message) => message,
                        remote => {
                            self.fail(&target.loader.root, field, remote);
                            continue;
                        }
                    };
                    let message = format!(
                        "accumulating resources from '{path}': {file_error}; as a folder: {error}"
                    );
                    return Err(target.error(field, message));
                }
            };
            gathered = self.add_folder(target, gathered, loader, (path, false))?;
        }
        Ok(gathered)
    }

    fn read_file(&self, target: &Target<'_>, path: &str) -> Result<Vec<Resource>, LoadError> {
        let bytes = target.loader.load(path)?;
        let file = target.loader.resolve(path).unwrap_or_default();
        let read = read_resources(&bytes).map_err(|error| format!("{file}: {error}"))?;
        let origin = self.tracks_origins.then(|| OriginNote {
            path: joined(&target.origin.path, path),
            ..target.origin.clone()
        });
        Ok(read
            .into_iter()
            .map(|(node, line)| {
                let mut resource = Resource::new(node, &file, line);
                resource.origin.clone_from(&origin);
                resource
            })
            .collect())
    }

    fn add_folder(
        &mut self,
        parent: &Target<'_>,
        mut gathered: Gathered,
        loader: Loader<'_>,
        (path, as_component): (&str, bool),
    ) -> Outcome<Gathered> {
        if as_component {
            let target = self.open_child(parent, loader, (path, true))?;
            let mut gathered = self.accumulate(&target, gathered)?;
            // What was gathered is merged into something empty here, which drops field specs for
            // all kinds behind those for one.
            let config = gathered.config.take();
            if let Some(config) = &config {
                merge_config(&mut gathered, config)
                    .map_err(|error| parent.error("components", error))?;
            }
            return Ok(gathered);
        }
        let folder = loader.root.clone();
        let built = self.built_base(parent, &loader, path)?;
        let place = |error: String| {
            parent.error(
                "resources",
                format!("recursed merging from path '{folder}': {error}"),
            )
        };
        gathered
            .resources
            .append_all(built.resources.list, &self.types)
            .map_err(place)?;
        if let Some(config) = &built.config {
            merge_config(&mut gathered, config).map_err(place)?;
        }
        for (_, var) in built.vars {
            add_var(&mut gathered.vars, var).map_err(place)?;
        }
        Ok(gathered)
    }

    /// Opens a kustomization that another one leads to.
    fn open_child<'b>(
        &mut self,
        parent: &Target<'_>,
        loader: Loader<'b>,
        (path, as_component): (&str, bool),
    ) -> Outcome<Target<'b>> {
        let field = if as_component {
            "components"
        } else {
            "resources"
        };
        if parent.depth >= DEEPEST {
            return Err(parent.error(
                field,
                format!("kustomizations lead more than {DEEPEST} deep"),
            ));
        }
        let folder = loader.root.clone();
        self.entered.push(folder.clone());
        let mut target = Target::open(loader).map_err(|error| self.fail(&folder, "file", error))?;
        target.depth = parent.depth + 1;
        target.origin = child_origin(&parent.origin, &target.loader, &parent.loader, path);
        let namespaces = [&parent.file.namespace, &parent.helm_namespace];
        let namespace = namespaces
            .into_iter()
            .find(|namespace| !namespace.is_empty());
        target.helm_namespace = namespace.cloned().unwrap_or_default();
        self.set_types(&target, false)?;
        if as_component != target.file.is_component {
            let expected = if as_component {
                "expected kind 'Component'"
            } else {
                "expected kind != 'Component'"
            };
            return Err(parent.error(field, format!("{expected} for path '{folder}'")));
        }
        Ok(target)
    }

    fn add_config(&mut self, target: &Target<'_>, gathered: &mut Gathered) -> Outcome<()> {
        let mut config = Config::built_in();
        for path in &target.file.configurations {
            let bytes = self.load(target, "configurations", target.loader.load(path))?;
            let read = std::str::from_utf8(&bytes)
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|text| {
                    read_value(text, &Limits::strict()).map_err(|error| error.to_string())
                })
                .and_then(|value| Config::decode(&value))
                .and_then(|more| config.merge(&Arc::new(more)));
            config =
                read.map_err(|error| target.error("configurations", format!("{path}: {error}")))?;
        }
        for path in &target.file.crds {
            let bytes = self.load(target, "crds", target.loader.load(path))?;
            let merged = read_definitions(&bytes).and_then(|more| config.merge(&more));
            config = merged.map_err(|error| target.error("crds", format!("{path}: {error}")))?;
        }
        merge_config(gathered, &config).map_err(|error| target.error("configurations", error))
    }
}

/// Objects that were made elsewhere.
fn resources(given: Vec<BuiltObject>) -> Vec<Resource> {
    given
        .into_iter()
        .map(|BuiltObject { value, origin, .. }| {
            let node = to_node(&value, Through::Json);
            Resource::new(node, &origin.path, origin.line)
        })
        .collect()
}

fn child_origin(
    parent: &OriginNote,
    child: &Loader<'_>,
    loader: &Loader<'_>,
    path: &str,
) -> OriginNote {
    if child.remote_trail.len() > loader.remote_trail.len() {
        return OriginNote {
            path: child.root.as_str().to_owned(),
            repo: path.split("?").next().unwrap_or_default().to_owned(),
            reference: path
                .split_once("ref=")
                .map(|(_, reference)| reference.split('&').next().unwrap_or_default().to_owned())
                .unwrap_or_default(),
            ..OriginNote::default()
        };
    }
    OriginNote {
        path: joined(&parent.path, path),
        ..parent.clone()
    }
}

fn merge_config(gathered: &mut Gathered, config: &Arc<Config>) -> Result<(), String> {
    gathered.config = Some(match &gathered.config {
        None if Arc::ptr_eq(config, &Config::built_in()) => Arc::clone(config),
        None => Arc::new(Config::default()).merge(config)?,
        Some(known) => known.merge(config)?,
    });
    Ok(())
}

fn add_var(vars: &mut BTreeMap<String, Var>, var: Var) -> Result<(), String> {
    let name = var.name.clone();
    match vars.insert(name.clone(), var) {
        None => Ok(()),
        Some(_) => Err(format!("var '{name}' already encountered")),
    }
}
