//! Small cases of the reader; the large tables come from Go and are in `tests/`.

use holdfast_model::Value;

use crate::{DuplicateKeys, Limits, read_nodes, read_value, read_values};

fn check(text: &str, expected: &str) {
    let value = match read_value(text, &Limits::default()) {
        Ok(value) => value,
        Err(error) => panic!("{text:?} is refused: {error}"),
    };
    let expected: Value = serde_json::from_str(expected).unwrap();
    assert_eq!(value, expected, "{text:?}");
}

fn check_refused(text: &str, expected: &str) {
    match read_value(text, &Limits::default()) {
        Ok(value) => panic!("{text:?} is accepted as {value}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text:?}"),
    }
}

#[test]
fn block_collections_follow_indentation() {
    check(
        "a: 1\nb:\n- x\n- w: 2\n  z: 3\nc:\n  d: [1, {e: f}]\n",
        r#"{"a":1,"b":["x",{"w":2,"z":3}],"c":{"d":[1,{"e":"f"}]}}"#,
    );
    check("- - 1\n  - 2\n-\n- a:\n", r#"[[1,2],null,{"a":null}]"#);
    check("? a\n: b\n? c\n", r#"{"a":"b","c":null}"#);
    check(
        "[a: 1, b, {c, d: }]",
        r#"[{"a":1},"b",{"c":null,"d":null}]"#,
    );
}

#[test]
fn scalars_fold_and_chomp() {
    check(
        "a: |\n  x\n   y\n\n  z\n\nb: 1\n",
        "{\"a\":\"x\\n y\\n\\nz\\n\",\"b\":1}",
    );
    check("a: >-\n  x\n  y\n\n  z\n", r#"{"a":"x y\nz"}"#);
    check("a: |+\n  x\n\n", r#"{"a":"x\n\n"}"#);
    check("a: |2-\n   x\n", r#"{"a":" x"}"#);
    check("a: x\n  y\n\n  z\n", r#"{"a":"x y\nz"}"#);
    check("\"a\\\n  b\\u00e9 \n c\"", r#""abé c""#);
    check("'it''s'", r#""it's""#);
}

#[test]
fn words_and_numbers_mean_what_go_means() {
    check(
        "[yes, y, off, tRue, ~, , 0777, 08, 0o17, 0x1F, 1_000, 12:30]"
            .replace(", ,", ",")
            .as_str(),
        r#"[true,true,false,"tRue",null,511,8.0,15,31,1000,"12:30"]"#,
    );
    check(
        "[18446744073709551615, 1e3, .5, 1e400, 2024-01-02, '1', !!str 1]",
        r#"[18446744073709551615,1000.0,0.5,"1e400","2024-01-02","1","1"]"#,
    );
    check(
        "{1: a, true: b, 1.5: c}",
        r#"{"1":"a","true":"b","1.5":"c"}"#,
    );
}

#[test]
fn anchors_and_merges_expand() {
    check(
        "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n",
        r#"{"a":{"b":1},"c":{"b":1},"d":{"b":1,"e":2}}"#,
    );
    check(
        "a: &x {b: 1, c: 1}\nd: {b: 2, <<: *x}\ne: {<<: *x, b: 2}",
        r#"{"a":{"b":1,"c":1},"d":{"b":1,"c":1},"e":{"b":2,"c":1}}"#,
    );
}

#[test]
fn errors_name_line_and_column() {
    check_refused(
        "a: b: c",
        "line 1, column 5: mapping values are not allowed in this context",
    );
    check_refused(
        "a: 1\n b: 2\n",
        "line 2, column 3: mapping values are not allowed in this context",
    );
    check_refused(
        "a: [1, 2\nb: 3",
        "line 2, column 2: did not find expected ',' or ']'",
    );
    check_refused(
        "a:\n\t- b",
        "line 2, column 1: found character that cannot start any token",
    );
    check_refused("a: *b", "line 1, column 4: unknown anchor 'b' referenced");
    check_refused(
        "a: &b [*b]",
        "line 1, column 8: anchor 'b' value contains itself",
    );
    check_refused("~: 1", "line 1, column 1: null cannot be a key");
}

#[test]
fn duplicate_keys_are_refused_where_asked_for() {
    check("a: 1\na: 2", r#"{"a":2}"#);
    let error = read_value("a: 1\nb:\n  c: 1\n  c: 2", &Limits::strict()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 4, column 3: key `c` is already set on line 3"
    );
    assert_eq!(Limits::strict().duplicate_keys, DuplicateKeys::Refused);
}

#[test]
fn documents_know_their_lines() {
    let text = "# one\n\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\n- c\n";
    let values = read_values(text, &Limits::default()).unwrap();
    let expected = [
        (3, r#"{"a":1}"#),
        (4, "null"),
        (7, r#"{"b":2}"#),
        (10, r#"["c"]"#),
    ];
    let expected: Vec<(u32, Value)> = expected
        .map(|(line, text)| (line, serde_json::from_str(text).unwrap()))
        .into();
    assert_eq!(values, expected);
    assert_eq!(read_nodes("", &Limits::default()).unwrap(), []);
}

#[test]
fn depth_and_aliases_are_bounded() {
    let deep = "[".repeat(100_000);
    check_refused(
        &deep,
        "line 1, column 500: nested more than 500 levels deep",
    );
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(","));
    }
    let error = read_value(&bomb, &Limits::default()).unwrap_err();
    assert_eq!(error.message, "document contains excessive aliasing");
}

mod properties {
    use proptest::prelude::*;

    use crate::{DuplicateKeys, Rules};
    use crate::{Limits, node_to_value, read_nodes, read_value, to_yaml, to_yaml_v3};
    use holdfast_model::Value;

    fn values() -> impl Strategy<Value = Value> {
        let text = "[-a-z0-9 :#'\"\\n\\t\\[\\]{},&*!|>%@?~.é漢]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_map(|number: f64| Value::from(number + 0.125)),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Texts made of what block collections are made of, right and wrong.
    fn block_texts() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a: ",
            "b:",
            "y: ",
            "1: ",
            "\"k\": ",
            "'k': ",
            "<<: ",
            "- ",
            "-",
            "\n",
            "\n",
            "\n  ",
            "\n    ",
            "\n\n  ",
            " \n",
            "x",
            "x y",
            "1",
            "0x1F",
            "~",
            "true",
            ".inf",
            "2024-01-02",
            "\"q\"",
            "\"a\\n\\\"\"",
            "'it''s'",
            "'a\n  b'",
            "|",
            "|-",
            "|+",
            ">",
            ">-",
            "#",
            " # c",
            "[]",
            "{}",
            "[1, x]",
            "{k: v, l: [\"m\"]}",
            "[a: b]",
            "&n ",
            "*n",
            "!!str ",
            "---\n",
            "...\n",
            "\t",
            "é",
            "\u{2028}",
            ": ",
            "?",
            ",",
            "%",
            "\r\n",
            "-x",
            "::",
            "a:b",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_short_way_reads_what_the_parser_reads(text in block_texts()) {
            if !text.starts_with('\u{feff}')
                && let Some((line, value)) = crate::quick::read(&text)
            {
                let documents = read_nodes(&text, &Limits::default());
                let mut documents = documents.expect("the parser reads it too");
                prop_assert_eq!(documents.len(), 1);
                let document = documents.remove(0);
                prop_assert_eq!(document.line, line);
                let read = node_to_value(document.node, Rules::V2, DuplicateKeys::LastWins);
                prop_assert_eq!(read.expect("it has values"), value);
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[-a-z0 :#'\"\\n\\t\\[\\]{},&*!|>%@?~.\\\\é]{0,80}") {
            let _ = read_value(&text, &Limits::default());
        }

        #[test]
        fn what_is_written_reads_back(value in values()) {
            let text = to_yaml(&value);
            let limits = Limits::strict();
            prop_assert_eq!(&read_value(&text, &limits).unwrap(), &value);
            let node = read_nodes(&text, &limits).unwrap().remove(0).node;
            let again = read_nodes(&to_yaml_v3(&node), &limits).unwrap().remove(0).node;
            let again = node_to_value(again, Rules::V3, DuplicateKeys::Refused).unwrap();
            prop_assert_eq!(again, value);
        }
    }
}

mod comments {
    use crate::{Dialect, Emitter, Limits, Sequences, Style, read_commented};

    #[test]
    fn comments_are_given_with_their_places_and_none_of_what_looks_like_one() {
        let text = "# head\na: 1 # behind\nb: 'x # y'\nc: |\n  # text\n# end\n";
        let (documents, comments) = read_commented(text, &Limits::default()).unwrap();
        assert_eq!(documents.len(), 1);
        let found: Vec<(u32, u32, bool, &str)> = comments
            .iter()
            .map(|comment| (comment.line, comment.column, comment.alone, &*comment.text))
            .collect();
        let expected = [
            (1, 1, true, "# head"),
            (2, 6, false, "# behind"),
            (6, 1, true, "# end"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn comments_are_written_where_go_writes_them() {
        let mut emitter = Emitter::new(Dialect::V3 {
            indent: 4,
            sequences: Sequences::Wide,
        });
        emitter.begin_mapping(2);
        emitter.comment("# head");
        emitter.key("a");
        emitter.begin_sequence(1);
        emitter.comment("# item");
        emitter.scalar("1", Style::Plain);
        emitter.comment_behind("# behind");
        emitter.comment("# foot");
        emitter.end();
        emitter.merge_key();
        emitter.begin_mapping(0);
        emitter.comment("# nowhere");
        emitter.end();
        emitter.end();
        let text = "# head\na:\n    # item\n    - 1 # behind\n    # foot\n!!merge <<: {}\n";
        assert_eq!(emitter.finish(), text);
    }
}
