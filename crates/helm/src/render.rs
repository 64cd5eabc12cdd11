//! Renders a chart: values, templates, documents.
//!
//! It must not know clusters; what it says of one comes with the request.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use holdfast_model::Value as Json;
use holdfast_template::{Entries, Inputs, Map, Run, Set, Shape, Value};

use crate::active::{Active, is_compatible, settle};
use crate::chart::{Chart, TemplateFile};
use crate::error::Error;
use crate::globals;
use crate::manifest::{Hook, HookEvent, Manifest, sort};
use crate::objects::{Files, KubeVersion, capabilities, chart_struct, release};
use crate::parameters;
use crate::request::{Layer, Level, Request};
use crate::schema;
use crate::stack::{self, on_own_stack};
use crate::values::{self, Nulls, Table, coalesce};

/// A file of `crds/`, which is never a template and may hold several documents.
#[derive(Clone, Debug)]
pub struct CrdFile {
    /// Its path from the root chart down.
    pub path: String,
    data: Arc<[u8]>,
}

impl CrdFile {
    /// Its text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// What a chart renders to.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The files of `crds/`, as they are, where they were asked for.
    pub crds: Vec<CrdFile>,
    /// The objects of the release, in the order in which Helm installs them.
    pub manifests: Vec<Manifest>,
    /// What runs at events, in the order of kinds.
    pub hooks: Vec<Hook>,
    /// What the chart tells the person who installs it.
    pub notes: String,
}

/// Renders a chart. The same chart and request always give the same result.
///
/// # Errors
/// Missing dependencies, values that do not fit, and what templates refuse.
pub fn render(chart: &Arc<Chart>, request: &Request<'_>) -> Result<Rendered, Error> {
    on_own_stack(|| render_here(chart, request))?
}

fn render_here(chart: &Arc<Chart>, request: &Request<'_>) -> Result<Rendered, Error> {
    if chart.metadata.is_library() {
        return Err(Error::Refused(
            "library charts are not installable".to_owned(),
        ));
    }
    let missing = chart.missing();
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    check_release_name(&request.name)?;
    let given = given_values(request)?;
    let active = settle(chart, &given, request.level)?;
    let version = KubeVersion::parse(&request.capabilities.kube_version)?;
    let values = coalesce(&active, given, Nulls::settled(request.level), request.level)?;
    if !request.skip_schema {
        schema::check(&active, &values)?;
    }
    let wanted = &chart.metadata.kube_version;
    if !wanted.is_empty() && !is_compatible(wanted, &version.normal) {
        return Err(Error::Refused(format!(
            "chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {}",
            version.full
        )));
    }
    let outputs = execute(&active, values, request, &version)?;
    let mut rendered = Rendered::default();
    collect(&active, request, outputs, &mut rendered)?;
    Ok(rendered)
}

fn check_release_name(name: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|byte| is_plain(*byte))
            && bytes.last().is_some_and(|byte| is_plain(*byte))
            && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
    };
    if name.is_empty() || name.len() > 53 || !name.split('.').all(label) {
        return Err(Error::Refused(format!(
            "release name {name:?}: invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
        )));
    }
    Ok(())
}

/// All values of a request laid over each other.
fn given_values(request: &Request<'_>) -> Result<Table, Error> {
    let mut table = Table::new();
    for layer in &request.values {
        match layer {
            Layer::File { name, text } => {
                let read = values::read(text, request.level).map_err(|message| {
                    Error::Values(format!("failed to parse {name}: {message}"))
                })?;
                values::merge(&mut table, read);
            }
            Layer::Inline(Json::Null) => {}
            Layer::Inline(Json::Object(inline)) => {
                let mut inline = Json::Object(inline.clone());
                values::as_floats(&mut inline);
                if let Json::Object(inline) = inline {
                    values::merge(&mut table, inline);
                }
            }
            Layer::Inline(_) => {
                return Err(Error::Values("inline values are no table".to_owned()));
            }
        }
    }
    parameters::apply(&request.parameters, &mut table).map_err(Error::Values)?;
    Ok(table)
}

/// A template file of a render, and what it is executed with.
struct Job<'c> {
    path: String,
    base_path: String,
    file: &'c TemplateFile,
    context: Map,
}

/// The output of every template file, sorted by path.
fn execute(
    active: &Active,
    values: Table,
    request: &Request<'_>,
    version: &KubeVersion,
) -> Result<Vec<(String, String)>, Error> {
    let top = Top {
        level: request.level,
        release: release(request),
        capabilities: capabilities(&request.capabilities, version, request.level),
    };
    let values = match Value::from_json(&Json::Object(values)) {
        Value::Map(values) => values.shaped(Shape::Values),
        _ => Map::new(Shape::Values, Entries::new()),
    };
    globals::share(active, &values);
    let mut jobs = Vec::new();
    let paths = (active.name.clone(), active.name.clone());
    gather(active, &top, (values, paths, true), &mut jobs);
    // Deepest first, and z before a: what is parsed later wins, so a parent's helper does.
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    jobs.sort_by(|left, right| {
        let order = slashes(&left.path).cmp(&slashes(&right.path));
        order.then_with(|| left.path.cmp(&right.path)).reverse()
    });
    let mut set = Set::new();
    for job in &jobs {
        set.add_file(&job.path, job.file.parsed(&job.path)?);
    }
    let mut limits = request.limits;
    limits.stack = stack::FOR_TEMPLATES;
    let mut run = Run::new(
        &set,
        Inputs {
            now: request.now,
            entropy: &request.entropy,
            lookup: request.lookup,
            strict: request.strict,
            limits,
        },
    );
    let outcome = run_all(&mut run, &jobs);
    run.finish();
    // Contexts hold each other, and templates may have put them into values.
    for job in &jobs {
        job.context.clear();
    }
    outcome
}

fn run_all(run: &mut Run<'_>, jobs: &[Job<'_>]) -> Result<Vec<(String, String)>, Error> {
    let mut outputs = Vec::with_capacity(jobs.len());
    for job in jobs {
        if base_name(&job.path).starts_with('_') {
            continue;
        }
        let template = Value::map_of([
            ("Name", Value::text(&job.path)),
            ("BasePath", Value::text(&job.base_path)),
        ]);
        job.context.set("Template", template);
        let out = run.render(&job.path, &Value::Map(job.context.clone()))?;
        let text = match String::from_utf8(out) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        outputs.push((job.path.clone(), text));
    }
    outputs.sort();
    Ok(outputs)
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What is the same for every chart of a render.
struct Top {
    level: Level,
    release: Value,
    capabilities: Value,
}

/// Adds the template files of a chart and of those below it, and gives the chart's context. Of
/// the two paths the first has the aliases of charts, the second the names of their files.
fn gather<'c>(
    active: &'c Active,
    top: &Top,
    (values, (path, original), is_root): (Map, (String, String), bool),
    jobs: &mut Vec<Job<'c>>,
) -> Map {
    let subcharts = Map::new(Shape::Any, Entries::new());
    let metadata = &active.chart.metadata;
    let context = Map::new(
        Shape::Values,
        Entries::from_iter([
            (Rc::from("Chart"), chart_value(active, is_root, top.level)),
            (
                Rc::from("Files"),
                Value::Object(Rc::new(Files::of(&active.chart.files))),
            ),
            (Rc::from("Release"), top.release.clone()),
            (Rc::from("Capabilities"), top.capabilities.clone()),
            (Rc::from("Values"), Value::Map(values.clone())),
            (Rc::from("Subcharts"), Value::Map(subcharts.clone())),
        ]),
    );
    for child in &active.children {
        let below = match values.get(&child.name) {
            Some(Value::Map(below)) => below.shaped(Shape::Values),
            _ => Map::new(Shape::Values, Entries::new()),
        };
        let by_files = format!("{original}/charts/{}", child.chart.name());
        let child_path = match active.is_known_below {
            true => format!("{path}/charts/{}", child.name),
            false => by_files.clone(),
        };
        let below = gather(child, top, (below, (child_path, by_files), false), jobs);
        subcharts.set(child.name.as_str(), Value::Map(below.shaped(Shape::Any)));
    }
    for file in &active.chart.templates {
        if metadata.is_library() && !base_name(&file.name).starts_with('_') {
            continue;
        }
        jobs.push(Job {
            path: format!("{path}/{}", file.name),
            base_path: format!("{path}/templates"),
            file,
            context: context.clone(),
        });
    }
    context
}

/// `.Chart`: a map, or with Helm 3 a struct.
fn chart_value(active: &Active, is_root: bool, level: Level) -> Value {
    let metadata = &active.chart.metadata;
    match metadata.to_value(&active.name, is_root, &active.wanted) {
        Value::Map(map) if level == Level::Helm3 => chart_struct(&map.entries()),
        value => value,
    }
}

const NOTES: &str = "NOTES.txt";

fn collect(
    active: &Active,
    request: &Request<'_>,
    outputs: Vec<(String, String)>,
    rendered: &mut Rendered,
) -> Result<(), Error> {
    let own_notes = format!("{}/templates/{NOTES}", active.name);
    let mut files = Vec::with_capacity(outputs.len());
    for (path, text) in outputs {
        if path == own_notes {
            rendered.notes = text;
        } else if !path.ends_with(NOTES) && !text.trim().is_empty() {
            files.push((path, text));
        }
    }
    let (manifests, mut hooks) = sort(files, request.level)?;
    if request.skip_tests {
        hooks.retain(|hook| !hook.events.contains(&HookEvent::Test));
    }
    rendered.manifests = manifests;
    rendered.hooks = hooks;
    if request.include_crds {
        collect_crds(active, &active.name, &mut rendered.crds);
    }
    Ok(())
}

fn collect_crds(active: &Active, path: &str, crds: &mut Vec<CrdFile>) {
    for file in &active.chart.files {
        let extension = file
            .name
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let is_manifest = matches!(extension.as_str(), "yaml" | "yml" | "json");
        if file.name.starts_with("crds/") && is_manifest {
            crds.push(CrdFile {
                path: format!("{path}/{}", file.name),
                data: Arc::clone(&file.data),
            });
        }
    }
    for child in &active.children {
        collect_crds(child, &format!("{path}/charts/{}", child.name), crds);
    }
}

impl Rendered {
    /// Everything as `helm template` prints it; `hooks` are the ones that are wanted.
    pub fn print(&self, hooks: &[Hook]) -> String {
        let crds = self.crds.iter().map(|crd| crd.path.len() + crd.data.len());
        let hook_manifests = hooks.iter().map(|hook| &hook.manifest);
        let manifests = self.manifests.iter().chain(hook_manifests.clone());
        let manifests = manifests.map(|manifest| manifest.path.len() + manifest.text.len());
        // Outputs have many megabytes where charts bring definitions: they grow once.
        let size = crds.chain(manifests).map(|size| size + SEPARATOR.len() + 2);
        let mut out = String::with_capacity(size.sum::<usize>() + 1);
        for crd in &self.crds {
            push(&mut out, &crd.path, &crd.text());
        }
        for manifest in &self.manifests {
            push(&mut out, &manifest.path, &manifest.text);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        for manifest in hook_manifests {
            push(&mut out, &manifest.path, &manifest.text);
        }
        out
    }
}

/// What stands before a document, and before the path of its template.
const SEPARATOR: &str = "---\n# Source: ";

fn push(out: &mut String, path: &str, text: &str) {
    out.push_str(SEPARATOR);
    out.push_str(path);
    out.push('\n');
    out.push_str(text);
    out.push('\n');
}
