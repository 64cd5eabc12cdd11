//! `holdfast apply`: Stacks, Targets and Tenants from files, with unknown fields refused at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::fields::SpecProblem;
use holdfast_api::native::{self, stack, target, tenant};
use holdfast_model::Value;
use holdfast_yaml::Limits;
use http::Method;

use super::api::{Api, text};
use super::{Global, print};

/// Apply Stacks, Targets and Tenants from files and folders.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast apply -f shop.yaml cache.yaml\n  \
    holdfast apply -f stacks/ -R\n  \
    cat shop.yaml | holdfast apply -f -")]
pub(crate) struct Apply {
    /// Files of YAML or JSON, folders of such files, or - for standard input.
    #[arg(long = "filename", short, required = true, value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Take the folders in a folder too.
    #[arg(long, short = 'R')]
    recursive: bool,
}

impl Apply {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut objects = Vec::new();
        for file in &self.files {
            for file in self.files_of(file, 0)? {
                objects.extend(read(&file)?);
            }
        }
        anyhow::ensure!(!objects.is_empty(), "there is nothing in these files");
        let api = Api::connect(global).await?;
        for object in objects {
            let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
            let path = match kind {
                "Stack" => {
                    let namespace = match text(&object, "/metadata/namespace") {
                        "" => api.namespace.as_str(),
                        namespace => namespace,
                    };
                    format!(
                        "/apis/{}/namespaces/{namespace}/stacks/{name}",
                        native::API_VERSION
                    )
                }
                "Tenant" => format!("/apis/{}/tenants/{name}", native::API_VERSION),
                _ => format!("/apis/{}/targets/{name}", native::API_VERSION),
            };
            let path =
                format!("{path}?fieldManager=holdfast-cli&force=true&fieldValidation=Strict");
            let answer = api
                .send(
                    Method::PATCH,
                    &path,
                    "application/apply-patch+yaml",
                    Some(&object),
                )
                .await;
            answer.with_context(|| format!("{kind} {name}"))?;
            print(&format!("{kind} {name} applied\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Folders are not followed deeper than this.
const DEPTH: usize = 32;

impl Apply {
    /// A file itself, or the YAML and JSON files of a folder in the order of their names.
    fn files_of(&self, path: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
        if !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let label = path.display();
        anyhow::ensure!(depth < DEPTH, "{label} is more than {DEPTH} folders deep");
        let entries = std::fs::read_dir(path).with_context(|| label.to_string())?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.with_context(|| label.to_string())?.path());
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() && self.recursive {
                files.extend(self.files_of(&path, depth + 1)?);
            } else if path.is_file() && is_read(&path) {
                files.push(path);
            }
        }
        Ok(files)
    }
}

fn is_read(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn read(file: &Path) -> anyhow::Result<Vec<Value>> {
    let label = file.display();
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("could not read {label}"))?;
    let documents = holdfast_yaml::read_values(&text, &Limits::strict())
        .with_context(|| format!("{label} is not YAML"))?;
    let mut objects = Vec::new();
    for (line, value) in documents.into_iter().filter(|(_, value)| !value.is_null()) {
        check(&value).with_context(|| format!("{label}:{line}"))?;
        objects.push(value);
    }
    Ok(objects)
}

/// Refuses what the engine would not take either, before anything is sent.
fn check(object: &Value) -> anyhow::Result<()> {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    anyhow::ensure!(
        version == native::API_VERSION && matches!(kind, "Stack" | "Target" | "Tenant"),
        "holdfast apply takes Stack, Target and Tenant of {}, not {kind} of {version}; commit other \
         objects to the repository of a Stack",
        native::API_VERSION
    );
    let problems: Vec<String> = match kind {
        "Stack" => {
            let mut placed = object.clone();
            // The namespace is filled in later; the reader only wants to know that there is one.
            if text(&placed, "/metadata/namespace").is_empty()
                && let Some(metadata) = placed.get_mut("metadata").and_then(Value::as_object_mut)
            {
                metadata.insert("namespace".to_owned(), "default".into());
            }
            words(&stack::read(&placed).problems)
        }
        "Tenant" => tenant::read(object).problems,
        _ => words(&target::read(object).1),
    };
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    anyhow::bail!(
        "{kind} {} cannot be used:{}",
        text(object, "/metadata/name"),
        lines.concat()
    )
}

fn words(problems: &[SpecProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
