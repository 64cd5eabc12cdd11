//! The Helm cases: charts rendered in this process from the arguments that Helm was given.
//!
//! It must not know how charts are rendered, only how `helm template` is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use holdfast_helm::{Chart, Hook, Layer, Level, Parameter, Request, load, render};
use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::time::Time;

use crate::Options;
use crate::compare;
use crate::disk::DiskBlobs;

/// The moment that renders take for the present; what depends on it is masked.
const NOW: Time = Time {
    millis: 1_764_000_000_000,
};

/// Charts by folder: many cases render the same one.
type Charts = Mutex<HashMap<String, Result<Arc<Chart>, String>>>;

/// Runs the cases and returns how many failed.
///
/// # Errors
/// A corpus that cannot be read.
pub fn run(options: &Options) -> anyhow::Result<usize> {
    let blobs = DiskBlobs {
        root: options.data.clone(),
    };
    let charts = Charts::default();
    if options.time {
        time(options, &blobs)?;
    }
    compare::run(options, &|case| {
        let arguments: Vec<&str> = case.list("args");
        let mut command = Command::parse(&arguments, &blobs)?;
        command.request.level = level(case.text("helm"));
        let chart = cached(&charts, &blobs, &command.chart)?;
        command.run(&chart)
    })
}

/// Whose rules a case was made by; the latest ones where it does not say.
fn level(version: &str) -> Level {
    match version.trim_start_matches('v') {
        version if version.starts_with("3.") => Level::Helm3,
        version if version.starts_with("4.0.") || version.starts_with("4.1.") => Level::Helm41,
        _ => Level::Helm42,
    }
}

fn cached(charts: &Charts, blobs: &DiskBlobs, folder: &str) -> Result<Arc<Chart>, String> {
    let known = charts
        .lock()
        .ok()
        .and_then(|charts| charts.get(folder).cloned());
    if let Some(known) = known {
        return known;
    }
    let loaded = load_chart(blobs, folder);
    if let Ok(mut charts) = charts.lock() {
        charts.insert(folder.to_owned(), loaded.clone());
    }
    loaded
}

fn load_chart(blobs: &dyn Blobs, folder: &str) -> Result<Arc<Chart>, String> {
    let path = tree_path(folder)?;
    let chart = load(blobs, &path).map_err(|error| error.to_string())?;
    Ok(Arc::new(chart))
}

fn tree_path(text: &str) -> Result<TreePath, String> {
    TreePath::parse(text).ok_or_else(|| format!("`{text}` leaves the corpus"))
}

/// What `helm template` was asked for.
struct Command {
    chart: String,
    request: Request<'static>,
    hooks: bool,
}

impl Command {
    fn parse(arguments: &[&str], blobs: &dyn Blobs) -> Result<Self, String> {
        let mut request = Request::new("release-name", "default");
        request.now = NOW;
        let mut hooks = true;
        let mut places: Vec<&str> = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                let value = rest.next().copied();
                value.ok_or_else(|| format!("`{argument}` takes a value"))
            };
            match *argument {
                "--namespace" => request.namespace = value()?.to_owned(),
                "--kube-version" => request.capabilities.kube_version = value()?.to_owned(),
                "--api-versions" => {
                    let versions = value()?.split(',').map(str::to_owned);
                    request.capabilities.api_versions.extend(versions);
                }
                "--include-crds" => request.include_crds = true,
                "--skip-tests" => request.skip_tests = true,
                "--no-hooks" => hooks = false,
                "--skip-schema-validation" => request.skip_schema = true,
                "--is-upgrade" => {
                    request.is_install = false;
                    request.is_upgrade = true;
                }
                "--set" => request
                    .parameters
                    .push(Parameter::Typed(value()?.to_owned())),
                "--set-string" => request
                    .parameters
                    .push(Parameter::Text(value()?.to_owned())),
                "--set-json" => request
                    .parameters
                    .push(Parameter::Json(value()?.to_owned())),
                "--set-literal" => {
                    request
                        .parameters
                        .push(Parameter::Literal(value()?.to_owned()));
                }
                "--values" | "-f" => request.values.push(values_file(blobs, value()?)?),
                flag if flag.starts_with('-') => return Err(format!("`{flag}` is not known")),
                place => places.push(place),
            }
        }
        let ["template", release, chart] = places[..] else {
            return Err("the arguments are not those of `helm template`".to_owned());
        };
        request.name = release.to_owned();
        Ok(Self {
            chart: chart.to_owned(),
            request,
            hooks,
        })
    }

    fn run(&self, chart: &Arc<Chart>) -> Result<String, String> {
        let rendered = render(chart, &self.request).map_err(|error| error.to_string())?;
        let hooks: &[Hook] = if self.hooks { &rendered.hooks } else { &[] };
        Ok(rendered.print(hooks))
    }
}

fn values_file(blobs: &dyn Blobs, name: &str) -> Result<Layer, String> {
    let bytes = blobs
        .read(&tree_path(name)?)
        .map_err(|error| error.to_string())?;
    Ok(Layer::File {
        name: name.to_owned(),
        text: String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?,
    })
}

/// Renders what `helm template` is asked for with these arguments, from the chart's files.
pub(crate) fn render_cold(arguments: &[&str], blobs: &DiskBlobs) -> Result<String, String> {
    let command = Command::parse(arguments, blobs)?;
    let chart = load_chart(blobs, &command.chart)?;
    command.run(&chart)
}

/// How often a case is rendered for a time.
const ROUNDS: u32 = 20;

/// Prints the best time from cold files and with the chart kept, for podinfo or what is asked for.
fn time(options: &Options, blobs: &DiskBlobs) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(options.data.join("cases.jsonl"))?;
    let wanted = options.filter.as_deref().unwrap_or("podinfo");
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line)?;
        let id = case["id"].as_str().unwrap_or_default();
        if !id.contains(wanted) || case["expect"] != "ok" {
            continue;
        }
        let arguments: Vec<&str> = case["args"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
            .collect();
        let (mut cold, mut warm) = (std::time::Duration::MAX, std::time::Duration::MAX);
        for _ in 0..ROUNDS {
            let begin = std::time::Instant::now();
            let command = Command::parse(&arguments, blobs).map_err(anyhow::Error::msg)?;
            let chart = load_chart(blobs, &command.chart).map_err(anyhow::Error::msg)?;
            let rendered = command.run(&chart);
            cold = cold.min(begin.elapsed());
            rendered
                .map_err(anyhow::Error::msg)
                .context("the case should render")?;
            let begin = std::time::Instant::now();
            let again = command.run(&chart);
            warm = warm.min(begin.elapsed());
            drop(again);
        }
        compare::println(&format!(
            "{id}: cold {:.2} ms, warm {:.2} ms",
            cold.as_secs_f64() * 1e3,
            warm.as_secs_f64() * 1e3
        ));
    }
    Ok(())
}
