//! What makes files a chart, and archives that are none.

use std::io::Write;

use super::{META, chart};
use crate::load_archive;

fn check_refused(files: &[(&str, &str)], words: &str) {
    let error = chart(files).expect_err(words).to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn metadata_is_checked() {
    check_refused(&[("templates/a.yaml", "")], "Chart.yaml file is missing");
    check_refused(
        &[("Chart.yaml", "version: 1.0.0")],
        "chart.metadata.name is required",
    );
    check_refused(
        &[("Chart.yaml", "name: a")],
        "chart.metadata.version is required",
    );
    check_refused(
        &[("Chart.yaml", "name: a\nversion: x")],
        "version \"x\" is invalid",
    );
    check_refused(
        &[("Chart.yaml", "name: ..\nversion: 1.0.0")],
        "is not allowed",
    );
    check_refused(&[("Chart.yaml", "name: a/b\nversion: 1.0.0")], "is invalid");
    check_refused(
        &[("Chart.yaml", "name: a\nversion: 1.0.0\ntype: x")],
        "application or library",
    );
    check_refused(&[("Chart.yaml", "- a")], "cannot unmarshal array");
    check_refused(&[META, ("values.yaml", "- a")], "cannot load values.yaml");
    check_refused(
        &[META, ("charts/s/Chart.yaml", "{}")],
        "error unpacking subchart s in app",
    );
}

#[test]
fn scalars_become_text_where_text_is_wanted() {
    let files = [(
        "Chart.yaml",
        "name: a\nversion: 1\nappVersion: 1.10\nAPIVERSION: v2\nannotations: {a: true, b: 1.5}\n",
    )];
    let chart = chart(&files).expect("it loads");
    assert_eq!(chart.metadata.app_version, "1.1");
    assert_eq!(chart.metadata.version, "1");
    assert_eq!(chart.metadata.api_version, "v2");
    assert_eq!(chart.metadata.annotations[0].1, "true");
}

#[test]
fn old_charts_name_their_dependencies_elsewhere() {
    let files = [
        ("Chart.yaml", "name: a\nversion: 1.0.0\n"),
        (
            "requirements.yaml",
            "dependencies:\n- {name: s, version: '1'}\n",
        ),
    ];
    let chart = chart(&files).expect("it loads");
    assert_eq!(chart.metadata.dependencies[0].name, "s");
    assert_eq!(chart.files.len(), 1);
}

#[test]
fn ignored_files_are_no_part_of_the_chart() {
    let files = [
        META,
        (".helmignore", "# c\n*.md\n/top\nd/\ntemplates/x.yaml\n"),
        ("a.md", ""),
        ("top", ""),
        ("sub/top", ""),
        ("d/e.txt", ""),
        ("templates/x.yaml", ""),
        ("templates/.hidden.yaml", ""),
        ("templates/y.yaml", ""),
    ];
    let chart = chart(&files).expect("it loads");
    let names: Vec<_> = chart.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, [".helmignore", "sub/top"]);
    assert_eq!(chart.templates.len(), 1);
    check_refused(&[META, (".helmignore", "a/**/b")], "double-star");
}

/// A packed chart of these entries.
fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        // Written by hand, as the crate itself refuses bad paths.
        let name = &mut header.as_gnu_mut().expect("a GNU header").name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *data).expect("memory takes it");
    }
    let tar = builder.into_inner().expect("memory takes it");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

const CHART: &[u8] = b"apiVersion: v2\nname: app\nversion: 1.0.0\n";

#[test]
fn a_packed_chart_is_a_chart_and_may_hold_others() {
    let inner = packed(&[("sub/Chart.yaml", b"name: sub\nversion: 1.0.0\n")]);
    let bytes = packed(&[
        ("app/Chart.yaml", CHART),
        ("app/charts/sub-1.0.0.tgz", &inner),
        ("app/templates/a.yaml", b"a: b"),
    ]);
    let chart = load_archive(&bytes).expect("it loads");
    assert_eq!(chart.name(), "app");
    assert_eq!(chart.dependencies[0].name(), "sub");
}

#[test]
fn archives_that_reach_outside_or_lie_are_refused() {
    let refused = |bytes: &[u8], words: &str| {
        let error = load_archive(bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&packed(&[("app/../../x", b"")]), "parent directory");
    refused(&packed(&[("app//etc/passwd", b"")]), "absolute paths");
    refused(&packed(&[("Chart.yaml", CHART)]), "not in base directory");
    refused(&packed(&[("app/C:/x", b"")]), "illegally named");
    refused(&packed(&[]), "no files");
    refused(b"no archive", "damaged");
    let mut cut = packed(&[("app/Chart.yaml", CHART)]);
    cut.truncate(cut.len() / 2);
    refused(&cut, "damaged");
    let bomb = vec![0u8; 120 << 20];
    refused(&packed(&[("app/x", &bomb)]), "larger than the maximum");
}

#[test]
fn links_in_archives_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "app/x", "/etc/passwd")
        .expect("memory takes it");
    let tar = builder.into_inner().expect("memory takes it");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).expect("memory takes it");
    let bytes = encoder.finish().expect("memory takes it");
    let error = load_archive(&bytes)
        .expect_err("links are refused")
        .to_string();
    assert!(error.contains("no plain file"), "{error}");
}
