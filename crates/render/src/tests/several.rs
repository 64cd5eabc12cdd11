//! Renders that read several sources.

use std::sync::Arc;

use holdfast_kustomize::Fetched as FetchedFiles;
use holdfast_model::artifact::{Blobs, MemoryBlobs, TreePath};
use holdfast_model::digest::Digest;
use holdfast_model::external::External;
use holdfast_model::stack::{Remotes, RenderChoice};

use super::{CHART, setting};
use crate::{Error, Fetched, Mount, Rendered, Supplies, below, join, render};

fn sources(env: &[(&str, &str)]) -> Arc<dyn Blobs> {
    let mount = Mount {
        name: "env".to_owned(),
        blobs: Arc::new(MemoryBlobs::of(env.iter().copied())),
        folder: TreePath::parse("prod").expect("a path"),
    };
    join(Arc::new(MemoryBlobs::of(CHART)), vec![mount])
}

fn choice(value_file: &str) -> RenderChoice {
    let mut choice = RenderChoice::default();
    choice.helm.value_files = vec![value_file.to_owned()];
    choice
}

fn render_it(
    blobs: &Arc<dyn Blobs>,
    choice: &RenderChoice,
    supplies: &Supplies,
) -> Result<Rendered, Error> {
    let folder = TreePath::parse("app").expect("a path");
    render(&**blobs, &folder, choice, &setting(), supplies)
}

fn text(rendered: &Rendered) -> String {
    let value = rendered.objects[0].value();
    let text = value.pointer("/data/text").and_then(|text| text.as_str());
    text.unwrap_or_default().to_owned()
}

fn check_fault(blobs: &Arc<dyn Blobs>, value_file: &str, wanted: &str) {
    let error = render_it(blobs, &choice(value_file), &Supplies::default());
    let error = error.expect_err("it is refused");
    assert_eq!(error.faults()[0].message, wanted);
}

#[test]
fn values_of_another_source_are_read_and_stand_in_the_trace() {
    let blobs = sources(&[("prod/size.yaml", "text: big\n"), ("other.yaml", "")]);
    let rendered = render_it(&blobs, &choice("$env/size.yaml"), &Supplies::default());
    let rendered = rendered.expect("it renders");
    assert_eq!(text(&rendered), "big");
    let paths: Vec<_> = rendered.trace.paths().expect("no links").collect();
    let read = paths.iter().filter_map(|path| below(path, "env"));
    assert_eq!(read.collect::<Vec<_>>(), ["", "size.yaml"]);
    let same = sources(&[("prod/size.yaml", "text: big\n"), ("other.yaml", "changed")]);
    assert!(rendered.trace.holds(&*same));
    let changed = sources(&[("prod/size.yaml", "text: small\n")]);
    assert!(!rendered.trace.holds(&*changed));
}

#[test]
fn files_of_other_sources_that_are_not_there_are_told_as_they_are_written() {
    let blobs = sources(&[("prod/size.yaml", ""), ("secret.yaml", "text: no\n")]);
    check_fault(
        &blobs,
        "$env/none.yaml",
        "values file `$env/none.yaml`: `$env/none.yaml` does not exist in the source",
    );
    check_fault(
        &blobs,
        "$enw/size.yaml",
        "values file `$enw/size.yaml`: there is no source `enw` in spec.sources",
    );
    // Neither the source's folder nor the source itself can be left.
    check_fault(
        &blobs,
        "$env/../secret.yaml",
        "values file `$env/../secret.yaml`: leaves its source",
    );
    check_fault(
        &blobs,
        "$../app/prod.yaml",
        "values file `$../app/prod.yaml`: there is no source `..` in spec.sources",
    );
}

#[test]
fn a_values_file_by_its_address_is_fetched_where_that_is_allowed() {
    let blobs = sources(&[]);
    let url = "https://config.example/prod.yaml";
    let mut choice = choice(url);
    let wanted = External::Remote {
        url: url.to_owned(),
    };
    let missing = render_it(&blobs, &choice, &Supplies::default()).expect_err("not fetched");
    assert_eq!(missing, Error::Missing(vec![wanted.clone()]));
    let mut supplies = Supplies::default();
    let file = FetchedFiles::File(Arc::from(&b"text: fetched\n"[..]));
    supplies.add(wanted, Digest::of_bytes(b"1"), Fetched::Files(file));
    choice.remotes = Remotes::Allow;
    let rendered = render_it(&blobs, &choice, &supplies).expect("it renders");
    assert_eq!(text(&rendered), "fetched");
}
