//! `holdfast get`: Stacks, Targets and Tenants in a table, or as programs read them.

use std::process::ExitCode;

use clap::Args;
use holdfast_model::Value;
use serde_json::json;

use super::api::{All, Api, condition, items, selected, text};
use super::jsonpath::Template;
use super::show::{Output, Table, for_programs};
use super::{Global, print};

mod rows;
pub(crate) mod watch;

/// Show Stacks, or Targets or Tenants, and how they are doing.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast get\n  \
    holdfast get shop cache -o wide\n  \
    holdfast get -A --failing\n  \
    holdfast get -l team=a -w\n  \
    holdfast get shop -o jsonpath='{.status.appliedRevision}'\n  \
    holdfast get targets")]
pub(crate) struct Get {
    /// The Stacks; all of the namespace when left out. `targets` or `tenants`, and names after it, for
    /// those.
    names: Vec<String>,
    /// Show the Stacks of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "names")]
    all_namespaces: bool,
    /// Only those with these labels, such as team=a.
    #[arg(long, short = 'l', value_name = "LABELS", conflicts_with = "names")]
    selector: Option<String>,
    /// Only those that are not ready.
    #[arg(long)]
    failing: bool,
    /// Go on, and show each one again when it changes.
    #[arg(long, short)]
    watch: bool,
    /// How to print: table, wide, name, json, yaml or jsonpath=TEMPLATE.
    #[arg(long, short, default_value = "table", value_name = "FORMAT", value_parser = format)]
    output: Format,
}

/// How objects are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    Table,
    Wide,
    Name,
    For(Output),
    Path(Template),
}

fn format(text: &str) -> Result<Format, String> {
    Ok(match text {
        "table" => Format::Table,
        "wide" => Format::Wide,
        "name" => Format::Name,
        "json" => Format::For(Output::Json),
        "yaml" => Format::For(Output::Yaml),
        _ => match text.strip_prefix("jsonpath=") {
            Some(template) => Format::Path(Template::parse(template)?),
            None => {
                return Err(
                    "write table, wide, name, json, yaml or jsonpath=TEMPLATE, such as \
                     jsonpath='{.status.appliedRevision}'"
                        .to_owned(),
                );
            }
        },
    })
}

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stacks,
    Targets,
    Tenants,
}

impl Kind {
    fn resource(self) -> &'static str {
        match self {
            Self::Stacks => "stacks.holdfast.dev",
            Self::Targets => "targets.holdfast.dev",
            Self::Tenants => "tenants.holdfast.dev",
        }
    }
}

impl Get {
    pub(crate) async fn run(mut self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let kind = match self.names.first().map(String::as_str) {
            Some("targets" | "target") => Kind::Targets,
            Some("tenants" | "tenant") => Kind::Tenants,
            _ => Kind::Stacks,
        };
        // `get stacks targets` is of a Stack with that name.
        let is_word = |name: &str| {
            matches!(
                name,
                "targets" | "target" | "tenants" | "tenant" | "stacks" | "stack"
            )
        };
        if self.names.first().is_some_and(|name| is_word(name)) {
            self.names.remove(0);
        }
        let path = self.path(&api, kind);
        let (list, version) = self.list(&api, &path, kind).await?;
        self.show(&list, kind, &api);
        if self.watch {
            watch::follow(&api, &path, version, |seen| match seen {
                watch::Seen::Changed(object) if self.is_meant(object) => {
                    self.show_again(object, kind);
                }
                _ => {}
            })
            .await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self, api: &Api, kind: Kind) -> String {
        let path = match kind {
            Kind::Stacks => api.stacks_path(All::of(self.all_namespaces)),
            Kind::Targets => "/apis/holdfast.dev/v1alpha1/targets".to_owned(),
            Kind::Tenants => "/apis/holdfast.dev/v1alpha1/tenants".to_owned(),
        };
        selected(path, self.selector.as_deref())
    }

    /// What is meant, and the version of the list that it is of.
    async fn list(
        &self,
        api: &Api,
        path: &str,
        kind: Kind,
    ) -> anyhow::Result<(Vec<Value>, String)> {
        let list = api.get(path).await?;
        let version = text(&list, "/metadata/resourceVersion").to_owned();
        let mut found: Vec<Value> = items(&list, "/items").to_vec();
        for name in &self.names {
            let is_there = found.iter().any(|it| text(it, "/metadata/name") == name);
            anyhow::ensure!(is_there, "{} \"{name}\" not found", kind.resource());
        }
        found.retain(|object| self.is_meant(object));
        Ok((found, version))
    }

    fn is_meant(&self, object: &Value) -> bool {
        let name = text(object, "/metadata/name");
        let is_named = self.names.is_empty() || self.names.iter().any(|wanted| wanted == name);
        let is_ready = condition(object, "Ready", "status") == "True";
        is_named && !(self.failing && is_ready)
    }

    fn table(&self, found: &[Value], kind: Kind) -> Table {
        match (kind, &self.output) {
            (Kind::Targets, _) => rows::targets(found),
            (Kind::Tenants, _) => rows::tenants(found),
            (Kind::Stacks, Format::Wide) => rows::wide(found),
            (Kind::Stacks, _) => rows::stacks(found),
        }
    }

    fn show(&self, found: &[Value], kind: Kind, api: &Api) {
        match &self.output {
            Format::For(output) => {
                let alone = found.first().filter(|_| self.names.len() == 1).cloned();
                let list = || json!({"apiVersion": "v1", "kind": "List", "items": found});
                for_programs(*output, &alone.unwrap_or_else(list));
            }
            Format::Name | Format::Path(_) => {
                for object in found {
                    self.show_again(object, kind);
                }
            }
            Format::Table | Format::Wide if found.is_empty() => {
                let which = if self.failing {
                    " that are not ready"
                } else {
                    ""
                };
                let all = self.all_namespaces;
                print(&match kind {
                    Kind::Targets => "there are no Targets\n".to_owned(),
                    Kind::Tenants => "there are no Tenants\n".to_owned(),
                    Kind::Stacks if all => format!("there are no Stacks{which}\n"),
                    Kind::Stacks => {
                        format!(
                            "there are no Stacks{which} in namespace {}\n",
                            api.namespace
                        )
                    }
                });
            }
            Format::Table | Format::Wide => self.table(found, kind).print(),
        }
    }

    /// Shows one, without a heading.
    fn show_again(&self, object: &Value, kind: Kind) {
        let word = match kind {
            Kind::Stacks => "stack",
            Kind::Targets => "target",
            Kind::Tenants => "tenant",
        };
        match &self.output {
            Format::For(output) => {
                for_programs(*output, object);
            }
            Format::Name => print(&format!("{word}/{}\n", text(object, "/metadata/name"))),
            Format::Path(template) => print(&format!("{}\n", template.fill(object))),
            Format::Table | Format::Wide => {
                self.table(std::slice::from_ref(object), kind).print_rows();
            }
        }
    }
}
