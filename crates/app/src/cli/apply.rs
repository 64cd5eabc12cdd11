//! `holdfast apply`: Stacks and Targets from files, with unknown fields refused at once.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::native::{self, stack, target};
use holdfast_model::Value;
use holdfast_yaml::Limits;
use http::Method;

use super::api::{Api, text};
use super::{Global, print};

/// Apply Stacks and Targets from files.
#[derive(Args)]
pub(crate) struct Apply {
    /// A file of YAML or JSON, or - for standard input.
    #[arg(long = "filename", short, required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Apply {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut objects = Vec::new();
        for file in &self.files {
            objects.extend(read(file)?);
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

fn read(file: &PathBuf) -> anyhow::Result<Vec<Value>> {
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
        version == native::API_VERSION && matches!(kind, "Stack" | "Target"),
        "holdfast apply takes Stack and Target of {}, not {kind} of {version}; commit other \
         objects to the repository of a Stack",
        native::API_VERSION
    );
    let problems = match kind {
        "Stack" => {
            let mut placed = object.clone();
            // The namespace is filled in later; the reader only wants to know that there is one.
            if text(&placed, "/metadata/namespace").is_empty()
                && let Some(metadata) = placed.get_mut("metadata").and_then(Value::as_object_mut)
            {
                metadata.insert("namespace".to_owned(), "default".into());
            }
            stack::read(&placed).problems
        }
        _ => target::read(object).1,
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
