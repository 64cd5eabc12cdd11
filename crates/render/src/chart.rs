//! A Helm chart as objects. It must not know how a chart is rendered.

use std::sync::Arc;

use holdfast_helm::{
    Capabilities, Chart, Error as HelmError, Hook, HookEvent, Layer, Manifest, Parameter,
    Rendered as HelmRendered, Request, TemplateError, render as render_chart,
};
use holdfast_kustomize::HelmChartRequest;
use holdfast_model::Value;
use holdfast_model::artifact::{BlobError, Blobs, EntryKind, TreePath};
use holdfast_model::external::{External, is_web};
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{Object, Origin};
use holdfast_model::stack::{HelmChoice, HelmParameter, RenderChoice};
use holdfast_yaml::{Limits, read_value};

use crate::lookup::Asking;
use crate::overlay::post_render;
use crate::supplies::Supplies;
use crate::trace::{Traced, told};
use crate::{Error, Fault, OBJECT_LIMIT, Setting};

/// Renders the chart in a folder, with the hooks of the events that come to pass, and changes the
/// objects as the Stack says.
pub(crate) fn render(
    blobs: &Traced<'_>,
    folder: &TreePath,
    choice: &RenderChoice,
    setting: &Setting,
    supplies: &Supplies,
) -> Result<Vec<Object>, Error> {
    let post = |objects| match &choice.kustomize {
        Some(choice) => post_render(blobs, folder, choice, supplies, objects),
        None => Ok(objects),
    };
    let choice = &choice.helm;
    let chart = match &choice.chart {
        None => supplies.folder_chart(blobs, folder, &|error| refused(folder, &error))?,
        Some(chart) => fetched(supplies, &chart.repository, &chart.name, &chart.version)?,
    };
    if chart.mentions("Capabilities") {
        let version = setting.kube_version.as_deref().unwrap_or_default();
        blobs.told(told(version, &setting.api_versions));
    }
    let files = Files {
        blobs,
        folder,
        supplies,
    };
    let mut request: Request<'_> = request(&files, choice, setting)?;
    let Some(asking) = Asking::begin(&setting.lookups, &setting.entropy) else {
        let rendered = render_chart(&chart, &request);
        let rendered = rendered.map_err(|error| refused(folder, &error))?;
        return post(objects(folder, setting, &rendered)?);
    };
    let answer = |api_version: &str, kind: &str, namespace: &str, name: &str| {
        asking.answer(Lookup {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    };
    request.lookup = Some(&answer);
    let outcome = match render_chart(&chart, &request) {
        Ok(rendered) => match objects(folder, setting, &rendered).map(&post) {
            Ok(Err(Error::Faults { .. })) if asking.withholds() => {
                Err(withheld(folder, " when spec.render.kustomize changed it"))
            }
            outcome => outcome.flatten(),
        },
        Err(error) if asking.withholds() => Err(withheld(folder, &place(&error))),
        Err(error) => Err(refused(folder, &error)),
    };
    if let (Err(_), Some(message)) = (&outcome, asking.failure()) {
        return Err(Error::Unanswered { message });
    }
    let looked_up = asking.finish();
    let questions: Vec<Lookup> = looked_up.answers.keys().cloned().collect();
    blobs.looked_up(looked_up);
    match outcome {
        Err(Error::Faults { faults }) if !questions.is_empty() => Err(Error::Unsettled {
            faults,
            looked_up: questions,
        }),
        outcome => outcome,
    }
}

/// The objects of a chart.
fn objects(
    folder: &TreePath,
    setting: &Setting,
    rendered: &HelmRendered,
) -> Result<Vec<Object>, Error> {
    let mut reading = Reading {
        folder,
        objects: Vec::new(),
        faults: Vec::new(),
    };
    for file in &rendered.crds {
        reading.file(&file.path, &file.text());
    }
    let hooks = rendered
        .hooks
        .iter()
        .filter(|hook| comes_to_pass(hook, setting));
    let manifests = rendered
        .manifests
        .iter()
        .chain(hooks.map(|hook| &hook.manifest));
    for manifest in manifests {
        reading.manifest(manifest);
    }
    if reading.objects.len() > OBJECT_LIMIT {
        return Err(Error::TooMuch {
            what: "objects",
            limit: OBJECT_LIMIT,
        });
    }
    if reading.faults.is_empty() {
        return Ok(reading.objects);
    }
    Err(Error::Faults {
        faults: reading.faults,
    })
}

/// A chart of a repository.
fn fetched(
    supplies: &Supplies,
    repository: &str,
    name: &str,
    version: &str,
) -> Result<Arc<Chart>, Error> {
    let wanted = External::Chart {
        repository: repository.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let found = supplies.chart(&wanted);
    found
        .map(|(_, chart)| chart)
        .ok_or_else(|| Error::Missing(vec![wanted]))
}

/// Renders a chart that an overlay names under `helmCharts`, as Kustomize has it from
/// `helm template`. The chart lies in the overlay's chart home, or is fetched from its repository.
pub(crate) fn inflate(
    blobs: &Traced<'_>,
    wanted: &HelmChartRequest,
    setting: &Setting,
    supplies: &Supplies,
) -> Result<Vec<Value>, Error> {
    let failed = |message: &str| Error::Faults {
        faults: vec![Fault {
            origin: origin(&wanted.folder, 0),
            message: message.to_owned(),
            hint: None,
        }],
    };
    let home = wanted
        .folder
        .join(&wanted.chart_home)
        .ok_or_else(|| failed("helmGlobals.chartHome leaves the repository"))?;
    let folder = home
        .join(&wanted.name)
        .ok_or_else(|| failed("the chart's name leaves its folder"))?;
    let is_there = blobs.kind(&folder).map_err(Error::Storage)? == Some(EntryKind::Folder);
    let chart = match is_there || wanted.repo.is_empty() {
        true => {
            let refused = |error: HelmError| failed(&error.to_string());
            supplies.folder_chart(blobs, &folder, &refused)?
        }
        false => fetched(supplies, &wanted.repo, &wanted.name, &wanted.version)?,
    };
    let or = |text: &str, default: &str| {
        if text.is_empty() {
            default.to_owned()
        } else {
            text.to_owned()
        }
    };
    let name = or(&wanted.release_name, "release-name");
    let mut request = Request::new(&name, &or(&wanted.namespace, "default"));
    request.now = setting.now;
    request.entropy = setting.entropy;
    request.include_crds = wanted.include_crds;
    request.skip_tests = wanted.skip_tests;
    if !wanted.kube_version.is_empty() {
        request.capabilities.kube_version = wanted.kube_version.clone();
    }
    request
        .capabilities
        .api_versions
        .extend(wanted.api_versions.iter().cloned());
    let layers = wanted.values.iter().enumerate();
    request.values = layers
        .map(|(index, text)| Layer::File {
            name: format!("values file {}", index + 1),
            text: text.clone(),
        })
        .collect();
    let rendered = render_chart(&chart, &request);
    let rendered = rendered.map_err(|error| failed(&error.to_string()))?;
    let hooks: &[Hook] = if wanted.skip_hooks {
        &[]
    } else {
        &rendered.hooks
    };
    let text = rendered.print(hooks);
    let documents = holdfast_yaml::read_values(&text, &Limits::default());
    let documents = documents.map_err(|error| failed(&error.to_string()))?;
    Ok(documents.into_iter().map(|(_, value)| value).collect())
}

fn request(
    files: &Files<'_>,
    choice: &HelmChoice,
    setting: &Setting,
) -> Result<Request<'static>, Error> {
    let name = choice.release.as_deref().unwrap_or(&setting.name);
    let mut request = Request::new(name, &setting.namespace);
    request.is_install = setting.is_install;
    request.is_upgrade = !setting.is_install;
    request.now = setting.now;
    request.entropy = setting.entropy;
    request.include_crds = !choice.skip_crds;
    // Tests are for a person to run; they are no part of what is kept.
    request.skip_tests = true;
    request.skip_schema = choice.skip_schema;
    request.level = choice.level;
    request.capabilities = capabilities(choice, setting);
    let mut found = Found::default();
    request.values = files.values(choice, &mut found);
    request.parameters = files.parameters(choice, &mut found);
    match found {
        Found { faults, .. } if !faults.is_empty() => Err(Error::Faults { faults }),
        Found { missing, .. } if !missing.is_empty() => Err(Error::Missing(missing)),
        _ => Ok(request),
    }
}

/// The API versions that a chart is told of where nobody has asked a cluster.
pub fn default_api_versions() -> Vec<String> {
    Capabilities::default().api_versions
}

fn capabilities(choice: &HelmChoice, setting: &Setting) -> Capabilities {
    let mut capabilities = Capabilities::default();
    if let Some(version) = choice
        .kube_version
        .as_ref()
        .or(setting.kube_version.as_ref())
    {
        capabilities.kube_version = version.clone();
    }
    if !setting.api_versions.is_empty() {
        capabilities.api_versions = setting.api_versions.clone();
    }
    capabilities
        .api_versions
        .extend(choice.api_versions.iter().cloned());
    capabilities
}

/// Where the files of values and parameters come from.
struct Files<'a> {
    blobs: &'a Traced<'a>,
    folder: &'a TreePath,
    supplies: &'a Supplies,
}

/// What files that a Stack names hold, as far as they could be read.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    missing: Vec<External>,
}

impl Files<'_> {
    /// The text of a file; `None` where `found` says why there is none.
    fn text(&self, what: &str, name: &str, found: &mut Found) -> Option<String> {
        let text = if is_web(name) {
            let wanted = External::Remote {
                url: name.to_owned(),
            };
            let Some(fetched) = self.supplies.file(&wanted) else {
                found.missing.push(wanted);
                return None;
            };
            let path = TreePath::parse(name.rsplit('/').next().unwrap_or_default());
            fetched.and_then(|bytes| {
                let opened = self.blobs.opened(&path.unwrap_or_default(), bytes);
                text(&opened.map_err(|error| error.to_string())?)
            })
        } else {
            text_of(self.blobs, self.folder, name)
        };
        let failed = |message| Fault {
            origin: origin(self.folder, 0),
            message: format!("{what}: {message}"),
            hint: Some(
                "files are looked for from the folder, and $NAME/PATH in a source of spec.sources"
                    .to_owned(),
            ),
        };
        text.map_err(|message| found.faults.push(failed(message)))
            .ok()
    }

    fn values(&self, choice: &HelmChoice, found: &mut Found) -> Vec<Layer> {
        let mut layers = Vec::new();
        for name in &choice.value_files {
            let text = self.text(&format!("values file `{name}`"), name, found);
            let over = text.as_ref().and_then(|text| {
                let is_named = self.blobs.unseal().is_some() && text.contains("vault");
                // What cannot be read is refused where it counts.
                let values = is_named.then(|| read_value(text, &Limits::default()).ok());
                self.over(&format!("values file `{name}`"), &values.flatten()?, found)
            });
            layers.extend(text.map(|text| Layer::File {
                name: name.clone(),
                text,
            }));
            layers.extend(over.map(Layer::Inline));
        }
        if let Some(values) = &choice.values {
            let over = self.over("spec.render.helm.values", values, found);
            layers.push(Layer::Inline(values.clone()));
            layers.extend(over.map(Layer::Inline));
        }
        layers
    }

    /// What stands in the place of values that are kept elsewhere.
    fn over(&self, what: &str, values: &Value, found: &mut Found) -> Option<Value> {
        match self.blobs.unseal()?.values(values)? {
            Ok(over) => {
                self.blobs.note_opened();
                Some(over)
            }
            Err(message) => {
                found.faults.push(Fault {
                    origin: origin(self.folder, 0),
                    message: format!("{what}: {message}"),
                    hint: None,
                });
                None
            }
        }
    }

    fn parameters(&self, choice: &HelmChoice, found: &mut Found) -> Vec<Parameter> {
        let parameters = choice.parameters.iter();
        let parameters = parameters.filter_map(|parameter| {
            Some(match parameter {
                HelmParameter::Json(text) => Parameter::Json(text.clone()),
                HelmParameter::Typed(text) => Parameter::Typed(text.clone()),
                HelmParameter::Text(text) => Parameter::Text(text.clone()),
                HelmParameter::Literal(text) => Parameter::Literal(text.clone()),
                HelmParameter::File { path, file } => {
                    let what = format!("file parameter `{path}`, `{file}`");
                    let content = self.text(&what, file, found)?;
                    let path = path.clone();
                    Parameter::File { path, content }
                }
            })
        });
        parameters.collect()
    }
}

/// A file of the source, relative to the folder, or one of another source: `$NAME/PATH`.
fn text_of(blobs: &Traced<'_>, folder: &TreePath, name: &str) -> Result<String, String> {
    let elsewhere = name.strip_prefix('$').and_then(|rest| rest.split_once('/'));
    let path = match elsewhere {
        Some((source, rest)) => {
            let root = TreePath::root().join(&format!("${source}"));
            let root = root.unwrap_or_default();
            let is_known = blobs.kind(&root).is_ok_and(|kind| kind.is_some());
            if !is_known {
                return Err(format!("there is no source `{source}` in spec.sources"));
            }
            let path = root.join(rest).filter(|path| path.is_within(&root));
            path.ok_or("leaves its source")?
        }
        None => folder.join(name).ok_or("leaves the repository")?,
    };
    text(&blobs.read_named(&path).map_err(|error| error.to_string())?)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "is not UTF-8".to_owned())
}

/// Hooks of deletes, rollbacks and tests never run here.
fn comes_to_pass(hook: &Hook, setting: &Setting) -> bool {
    let events = if setting.is_install {
        [HookEvent::PreInstall, HookEvent::PostInstall]
    } else {
        [HookEvent::PreUpgrade, HookEvent::PostUpgrade]
    };
    hook.events.iter().any(|event| events.contains(event))
}

struct Reading<'a> {
    folder: &'a TreePath,
    objects: Vec<Object>,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn manifest(&mut self, manifest: &Manifest) {
        // A template's path begins with the chart's name, which stands for its folder.
        let path = manifest
            .path
            .split_once('/')
            .map_or(manifest.path.as_str(), |(_, path)| path);
        let origin = Origin {
            path: self.folder.join(path).unwrap_or_default(),
            line: 0,
        };
        self.value(manifest.value.unpack(), origin);
    }

    fn file(&mut self, path: &str, text: &str) {
        let path = self.folder.join(path).unwrap_or_default();
        match holdfast_yaml::read_values(text, &Limits::default()) {
            Ok(documents) => {
                for (line, value) in documents {
                    let path = path.clone();
                    self.value(value, Origin { path, line });
                }
            }
            Err(error) => self.faults.push(Fault {
                origin: Origin {
                    path,
                    line: error.line,
                },
                message: error.message,
                hint: None,
            }),
        }
    }

    fn value(&mut self, value: Value, origin: Origin) {
        let kind = value
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(items) = value.get("items").and_then(Value::as_array)
            && kind.ends_with("List")
        {
            for item in items {
                self.value(item.clone(), origin.clone());
            }
            return;
        }
        if value.is_null() {
            return;
        }
        match Object::new(value, origin.clone()) {
            Ok(object) => self.objects.push(object),
            Err(error) => self.faults.push(Fault {
                origin,
                message: error.to_string(),
                hint: None,
            }),
        }
    }
}

fn origin(folder: &TreePath, line: u32) -> Origin {
    Origin {
        path: folder.clone(),
        line,
    }
}

fn refused(folder: &TreePath, error: &HelmError) -> Error {
    if let HelmError::Read(error @ BlobError::Storage { .. }) = error {
        return Error::Storage(error.clone());
    }
    let hint = match error {
        HelmError::Missing(_) => Some(
            "name a repository by https://, http:// or oci:// in Chart.yaml, or commit the chart \
             below charts/; names of repositories that begin with @ are those of one machine"
                .to_owned(),
        ),
        _ => None,
    };
    Error::Faults {
        faults: vec![Fault {
            origin: origin(folder, 0),
            message: error.to_string(),
            hint,
        }],
    }
}

/// Where a chart failed that has looked up a Secret. What it says may be made of the Secret.
fn withheld(folder: &TreePath, place: &str) -> Error {
    Error::Faults {
        faults: vec![Fault {
            origin: origin(folder, 0),
            message: format!(
                "the chart failed{place} after it had looked up a Secret, so its words are withheld"
            ),
            hint: Some("`holdfast render --lookup FILE` shows them".to_owned()),
        }],
    }
}

fn place(error: &HelmError) -> String {
    match error {
        HelmError::Template(error) => template_place(error),
        HelmError::Manifest { path, line, .. } => format!(" at ({path}:{line})"),
        _ => String::new(),
    }
}

fn template_place(error: &TemplateError) -> String {
    error.trace.last().map_or_else(String::new, |place| {
        format!(" at ({}:{}:{})", place.file, place.line, place.column)
    })
}
