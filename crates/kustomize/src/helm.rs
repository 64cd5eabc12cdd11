//! `helmCharts`: what is asked of the chart renderer, and what becomes of its answer.

use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_yaml::{Limits, Node, NodeValue, read_first_node};

use crate::file::{HelmChart, HelmGlobals};
use crate::load::{LoadError, Loader};
use crate::merge::merge;
use crate::resource::Resource;
use crate::tables::Types;
use crate::value::{Through, to_node, to_value};

/// Renders a chart to objects.
pub type HelmRenderer<'a> = &'a dyn Fn(&HelmChartRequest) -> Result<Vec<Value>, String>;

/// A chart that a kustomization asks for. `Debug` leaves the values out.
#[derive(Clone, PartialEq)]
pub struct HelmChartRequest {
    /// The folder of the kustomization.
    pub folder: TreePath,
    /// The folder with charts, relative to the kustomization.
    pub chart_home: String,
    /// The chart's name.
    pub name: String,
    /// Its version, where one is asked for.
    pub version: String,
    /// The repository it comes from; empty for a chart in the chart home.
    pub repo: String,
    /// The release name; empty when one is to be made up.
    pub release_name: String,
    /// The namespace of the release; empty for the default one.
    pub namespace: String,
    /// The content of the values files, in order.
    pub values: Vec<String>,
    /// Whether CRDs are part of the output.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
    /// Further API versions that the chart may ask about.
    pub api_versions: Vec<String>,
    /// The Kubernetes version that the chart may ask about; empty for the default one.
    pub kube_version: String,
    /// A template for the release name.
    pub name_template: String,
}

impl std::fmt::Debug for HelmChartRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "HelmChartRequest({} {} in {})",
            self.name, self.version, self.folder
        )
    }
}

/// Renders an entry of `helmCharts`.
pub(crate) fn inflate(
    loader: &Loader<'_>,
    chart: &HelmChart,
    globals: &HelmGlobals,
    namespace: &str,
    renderer: Option<HelmRenderer<'_>>,
) -> Result<Vec<Resource>, LoadError> {
    let Some(renderer) = renderer else {
        return Err(LoadError::Message(
            "must specify --enable-helm: charts in kustomizations are switched off".to_owned(),
        ));
    };
    if chart.name.is_empty() {
        return Err(LoadError::Message("chart name cannot be empty".to_owned()));
    }
    let chart_home = if globals.chart_home.is_empty() {
        "charts"
    } else {
        &globals.chart_home
    };
    let request = HelmChartRequest {
        folder: loader.root.clone(),
        chart_home: chart_home.to_owned(),
        name: chart.name.clone(),
        version: chart.version.clone(),
        repo: chart.repo.clone(),
        release_name: chart.release_name.clone(),
        namespace: namespace.to_owned(),
        values: values(loader, chart, chart_home)?,
        include_crds: chart.include_crds,
        skip_hooks: chart.skip_hooks,
        skip_tests: chart.skip_tests,
        api_versions: chart.api_versions.clone(),
        kube_version: chart.kube_version.clone(),
        name_template: chart.name_template.clone(),
    };
    let objects = renderer(&request)?;
    Ok(objects
        .iter()
        .filter(|object| !object.is_null())
        .map(|object| {
            let mut resource = Resource::new(to_node(object, Through::Json), &loader.root, 0);
            resource.from_helm = true;
            resource
        })
        .collect())
}

/// The values files of a chart, with the values written in place merged as `valuesMerge` says.
fn values(
    loader: &Loader<'_>,
    chart: &HelmChart,
    chart_home: &str,
) -> Result<Vec<String>, LoadError> {
    let load = |path: &str| -> Result<String, LoadError> {
        let bytes = loader.load(path)?;
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|_| LoadError::Message(format!("values file `{path}` is not UTF-8")))
    };
    let mut first = match chart.values_file.as_str() {
        "" => load(&format!("{chart_home}/{}/values.yaml", chart.name)).unwrap_or_default(),
        path => load(path)?,
    };
    if let Some(inline) = &chart.values_inline {
        first = merge_values(&first, inline, &chart.values_merge)?;
    }
    let mut all = vec![first];
    for path in &chart.additional_values_files {
        all.push(load(path)?);
    }
    Ok(all)
}

fn merge_values(file: &str, inline: &Value, how: &str) -> Result<String, String> {
    if how == "replace" {
        return Ok(holdfast_yaml::to_yaml(inline));
    }
    let document = read_first_node(file, &Limits::default()).map_err(|error| error.to_string())?;
    let is_mapping = |node: &Node| matches!(node.value, NodeValue::Mapping(_));
    let file = document.map(|document| document.node).filter(is_mapping);
    let file = file.unwrap_or_else(|| Node::mapping(Vec::new()));
    let inline = to_node(inline, Through::Json);
    // Nothing is known of the types of values: lists are replaced, nulls take away.
    let types = Types::default();
    let merged = match how {
        "" | "override" => merge(file, inline, &types)?,
        "merge" => merge(inline, file, &types)?,
        _ => return Err("valuesMerge must be one of merge, override, replace".to_owned()),
    };
    let merged = merged.unwrap_or_else(|| Node::mapping(Vec::new()));
    Ok(holdfast_yaml::to_yaml(&to_value(&merged)?))
}
