//! Times renders against the real tools, in one run on the same machine: the corpora, and many
//! overlays over one base. It must not compare what is rendered; the corpus runs do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use holdfast_helm::on_own_stack;
use holdfast_kustomize::{LoadRestriction, build};
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use holdfast_model::stack::RenderChoice;
use holdfast_render::{Setting, Supplies, render};
use serde_json::{Value, json};

use crate::compare::println;
use crate::disk::DiskBlobs;
use crate::{helm, packed, peak};

/// How many overlays lie over one base.
const OVERLAYS: usize = 2_000;
/// How many of them the reference builds.
const OVERLAYS_OF_REFERENCE: usize = 40;
/// How many renders run at once, here and by the reference.
const THREADS: usize = 2;

/// What the command line asks for.
pub struct Options {
    /// The folder with both corpora.
    pub data: PathBuf,
    /// Every which case is rendered; 1 for all.
    pub every: usize,
    /// Which part alone is timed: `kustomize`, `helm` or `overlays`.
    pub only: Option<String>,
    /// Where to write the figures as JSON.
    pub json: Option<PathBuf>,
}

/// Runs everything and prints a table.
///
/// # Errors
/// A corpus that cannot be read, and a reference that cannot be started.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut figures = json!({"every": options.every, "threads": THREADS});
    let is_wanted = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    if is_wanted("kustomize") {
        figures["overlays of the corpus"] = corpus(options, "kustomize", "HOLDFAST_KUBECTL")?;
    }
    if is_wanted("helm") {
        figures["charts of the corpus"] = corpus(options, "helm", "HOLDFAST_HELM")?;
    }
    if is_wanted("overlays") {
        figures["overlays over one base"] = overlays()?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{figures:#}\n"))
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A prime by which jobs are mixed: cases of one repository stand together, and where its slow ones
/// come last, one thread would wait for the other.
const STRIDE: usize = 7_919;

/// How long each of `count` jobs took, and all of them together.
fn times(count: usize, job: &(dyn Fn(usize) + Sync)) -> (Vec<Duration>, Duration) {
    let next = AtomicUsize::new(0);
    let took = Mutex::new(vec![Duration::ZERO; count]);
    let begin = Instant::now();
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let index = number * STRIDE % count;
        let begin = Instant::now();
        job(index);
        let elapsed = begin.elapsed();
        if let Ok(mut took) = took.lock() {
            took[index] = elapsed;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                if on_own_stack(work).is_err() {
                    work();
                }
            });
        }
    });
    let total = begin.elapsed();
    (took.into_inner().unwrap_or_default(), total)
}

/// The program that an environment variable names.
fn reference(variable: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(program) = std::env::var_os(variable).map(PathBuf::from) else {
        println(&format!(
            "{variable} names no program: nothing to compare with"
        ));
        return Ok(None);
    };
    if !program.is_file() {
        bail!("{variable} names `{}`, which is no file", program.display());
    }
    Ok(Some(program))
}

fn run_reference(program: &Path, folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env_clear().env("HOME", folder);
    // A case that it refuses here is timed like the others.
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn corpus(options: &Options, kind: &str, variable: &str) -> anyhow::Result<Value> {
    let data = options.data.join(kind);
    let unpacked = packed::unpack(&data)?;
    let data = unpacked
        .as_ref()
        .map_or(data, |folder| folder.path().into());
    let text = std::fs::read_to_string(data.join("cases.jsonl"))?;
    let lines = text.lines().step_by(options.every.max(1));
    let cases: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
    let mut cases = cases?;
    cases.retain(|case| case["expect"] == "ok");
    let arguments: Vec<Vec<&str>> = cases
        .iter()
        .map(|case| {
            let all = case["args"].as_array().into_iter().flatten();
            all.filter_map(Value::as_str).collect()
        })
        .collect();
    let blobs = DiskBlobs { root: data.clone() };
    let program = reference(variable)?;
    warm(&data);
    if let (Some(program), Some(first)) = (&program, arguments.first()) {
        run_reference(program, &data, first);
    }
    let ours = times(cases.len(), &|index| {
        let rendered = match kind {
            "helm" => helm::render_cold(&arguments[index], &blobs),
            _ => render_overlay(&cases[index], &blobs),
        };
        drop(std::hint::black_box(rendered));
    });
    let theirs = program.map(|program| {
        times(cases.len(), &|index| {
            run_reference(&program, &data, &arguments[index]);
        })
    });
    let mut figures = report(kind, &ours, theirs.as_ref());
    if kind == "helm" {
        figures["peak memory"] = peak::measure(&data, &cases, &arguments)?;
    }
    println(&format!("  slowest    {}", slowest(&cases, &ours.0)));
    Ok(figures)
}

/// Reads every file once, so that whoever comes first is not measured with the disk.
fn warm(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => warm(&path),
            Ok(kind) if kind.is_file() => drop(std::fs::read(&path)),
            _ => {}
        }
    }
}

/// How many of the slowest cases are named.
const SLOWEST: usize = 5;

fn slowest(cases: &[Value], took: &[Duration]) -> String {
    let mut sorted: Vec<(&Duration, &str)> = took
        .iter()
        .zip(cases)
        .map(|(took, case)| (took, case["id"].as_str().unwrap_or_default()))
        .collect();
    sorted.sort_by(|left, right| right.cmp(left));
    let named = sorted.iter().take(SLOWEST);
    let named: Vec<String> = named
        .map(|(took, id)| format!("{id} {:.1} ms", took.as_secs_f64() * 1e3))
        .collect();
    named.join(", ")
}

fn render_overlay(case: &Value, blobs: &DiskBlobs) -> Result<String, String> {
    let folder = TreePath::parse(case["dir"].as_str().unwrap_or_default());
    let options = holdfast_kustomize::Options {
        restriction: LoadRestriction::None,
        ..holdfast_kustomize::Options::default()
    };
    let built = build(blobs, &folder.unwrap_or_default(), &options);
    built
        .map(|built| built.to_yaml())
        .map_err(|error| error.to_string())
}

type Times = (Vec<Duration>, Duration);

fn report(what: &str, ours: &Times, theirs: Option<&Times>) -> Value {
    let mut figures = json!({"builds": ours.0.len(), "ours": figures_of(ours)});
    println(&format!("{what}: {} builds", ours.0.len()));
    println(&format!("  ours       {}", line_of(ours)));
    let Some(theirs) = theirs else {
        return figures;
    };
    println(&format!("  reference  {}", line_of(theirs)));
    let ratio = theirs.1.as_secs_f64() / ours.1.as_secs_f64().max(1e-9);
    let slower = ours
        .0
        .iter()
        .zip(&theirs.0)
        .filter(|(ours, theirs)| ours > theirs);
    let slower = slower.count();
    println(&format!(
        "  {ratio:.1} times as fast; {slower} slower than the reference's own"
    ));
    figures["reference"] = figures_of(theirs);
    figures["ratio"] = json!(ratio);
    figures["slower"] = json!(slower);
    figures
}

fn at(times: &Times, share: usize) -> f64 {
    let mut sorted = times.0.clone();
    sorted.sort();
    let index = sorted.len().saturating_sub(1) * share / 100;
    sorted.get(index).map_or(0.0, Duration::as_secs_f64) * 1e3
}

fn figures_of(times: &Times) -> Value {
    json!({
        "median ms": at(times, 50),
        "p99 ms": at(times, 99),
        "longest ms": at(times, 100),
        "total s": times.1.as_secs_f64(),
    })
}

fn line_of(times: &Times) -> String {
    format!(
        "median {:8.2} ms   99 % {:8.2} ms   longest {:8.2} ms   all {:7.2} s",
        at(times, 50),
        at(times, 99),
        at(times, 100),
        times.1.as_secs_f64()
    )
}

const BASE: &str = "resources: [app.yaml]
configMapGenerator:
- {name: settings, literals: [LEVEL=info, REGION=none]}
labels:
- {pairs: {app: shop}, includeSelectors: true}
";

const APP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: shop/web:1
        envFrom: [{configMapRef: {name: settings}}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - {http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
";

fn overlay_of(number: usize) -> String {
    format!(
        "resources: [../base]\nnamespace: team-{number}\nnamePrefix: t{number}-\n\
         images: [{{name: shop/web, newTag: \"{number}\"}}]\nreplicas: [{{name: web, count: 2}}]\n\
         patches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    \
         metadata: {{name: web}}\n    spec: {{template: {{spec: {{priorityClassName: p{number}}}}}}}\n"
    )
}

/// Many overlays over one base, from one tree in memory: as an engine meets them in a commit.
fn overlays() -> anyhow::Result<Value> {
    let mut files = vec![
        ("base/kustomization.yaml".to_owned(), BASE.to_owned()),
        ("base/app.yaml".to_owned(), APP.to_owned()),
    ];
    for number in 0..OVERLAYS {
        let path = format!("o{number}/kustomization.yaml");
        files.push((path, overlay_of(number)));
    }
    let pairs = files.iter();
    let blobs = MemoryBlobs::of(pairs.map(|(path, text)| (path.as_str(), text.as_str())));
    let supplies = Supplies::sharing(std::sync::Arc::default());
    let ours = times(OVERLAYS, &|number| {
        let folder = TreePath::parse(&format!("o{number}")).unwrap_or_default();
        let (choice, setting) = (RenderChoice::default(), Setting::default());
        let rendered = render(&blobs, &folder, &choice, &setting, &supplies);
        drop(std::hint::black_box(rendered));
    });
    let theirs = match reference("HOLDFAST_KUBECTL")? {
        None => None,
        Some(program) => {
            let disk = tempfile::tempdir()?;
            for (path, text) in &files {
                let path = disk.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap_or(disk.path()))?;
                std::fs::write(path, text)?;
            }
            Some(times(OVERLAYS_OF_REFERENCE, &|number| {
                let folder = format!("o{number}");
                run_reference(&program, disk.path(), &["kustomize", folder.as_str()]);
            }))
        }
    };
    let mut figures = json!({"builds": OVERLAYS, "ours": figures_of(&ours)});
    println(&format!("overlays over one base: {OVERLAYS}"));
    println(&format!("  ours       {}", line_of(&ours)));
    if let Some(theirs) = theirs {
        println(&format!(
            "  reference  {}   for {OVERLAYS_OF_REFERENCE}",
            line_of(&theirs)
        ));
        figures["reference"] = figures_of(&theirs);
        figures["builds of reference"] = json!(OVERLAYS_OF_REFERENCE);
    }
    Ok(figures)
}
