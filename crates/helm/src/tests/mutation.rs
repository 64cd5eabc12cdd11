//! Whatever the files and values are, loading and rendering end with a result or an error.

use proptest::prelude::*;

use super::{META, rendered, request};
use crate::{Layer, Limits, Parameter, load_archive};

fn small() -> Limits {
    Limits {
        steps: 20_000,
        text: 1 << 20,
        bytes: 8 << 20,
        items: 5_000,
        ..Limits::default()
    }
}

/// Pieces of templates that mean something alone or together.
fn template() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " if ",
        " else ",
        " end ",
        "range ",
        "with ",
        "define \"x\"",
        "include \"x\" .",
        "tpl ",
        "template \"x\"",
        ".Values",
        ".a",
        "$x := ",
        "$x",
        "(",
        ")",
        "|",
        "\"s\"",
        "1",
        "-1.5",
        "nil",
        "dict \"a\" 1",
        "list 1 2",
        "set ",
        "merge ",
        "toYaml ",
        "quote ",
        "printf \"%d %s %v\" ",
        "until 5",
        "index ",
        "\n",
        "---\n",
        "a: b\n",
        "'c'",
        "`r`",
        "/*",
        "*/",
        "trunc 3 ",
        "substr 1 9 ",
        "regexReplaceAll \"a(\" ",
        "indent 2 ",
        "fromYaml ",
        "b64dec ",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_template_renders_or_is_refused(text in template(), values in ".{0,40}") {
        let mut request = request();
        request.limits = small();
        request.values = vec![Layer::File { name: "v".to_owned(), text: values }];
        let files = [META, ("templates/a.yaml", text.as_str()), ("values.yaml", "a: {b: [1, x, null]}")];
        let _ = rendered(&files, &request);
    }

    #[test]
    fn any_text_is_a_template_or_is_refused(text in ".{0,80}") {
        let wrapped = format!("{{{{ {text} }}}}");
        let mut request = request();
        request.limits = small();
        let _ = rendered(&[META, ("templates/a.yaml", wrapped.as_str())], &request);
        let _ = rendered(&[META, ("templates/a.yaml", text.as_str())], &request);
    }

    #[test]
    fn any_metadata_loads_or_is_refused(meta in ".{0,80}", ignore in ".{0,20}", schema in ".{0,40}") {
        let files = [("Chart.yaml", meta.as_str()), (".helmignore", ignore.as_str())];
        let _ = rendered(&files, &request());
        let files = [META, ("values.schema.json", schema.as_str()), (".helmignore", ignore.as_str())];
        let _ = rendered(&files, &request());
    }

    #[test]
    fn any_parameter_is_applied_or_refused(text in "[a-c=.,\\[\\]{}0-9\\\\\"n]{0,30}") {
        let mut request = request();
        for parameter in [
            Parameter::Typed(text.clone()),
            Parameter::Text(text.clone()),
            Parameter::Json(text.clone()),
            Parameter::Literal(text.clone()),
        ] {
            request.parameters = vec![parameter];
            let _ = rendered(&[META], &request);
        }
    }

    #[test]
    fn any_bytes_are_an_archive_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_archive(&bytes);
        let mut framed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        framed.extend(bytes);
        let _ = load_archive(&framed);
    }
}
