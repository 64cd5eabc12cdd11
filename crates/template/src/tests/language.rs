//! Tests of what the golden file cannot say: errors and their places, limits, sharing, chance.

use std::sync::Arc;

use super::golden::render;
use crate::{Entries, Inputs, Limits, Map, Run, Set, Shape, Value, parse};

/// Renders a text over no values, with limits.
fn limited(text: &str, limits: Limits) -> Result<String, String> {
    let mut set = Set::new();
    let templates = parse("case", text).map_err(|error| error.to_string())?;
    let templates: Vec<_> = templates.into_iter().map(Arc::new).collect();
    set.add_file("case", &templates);
    let inputs = Inputs {
        now: holdfast_model::time::Time::default(),
        entropy: &[7; 32],
        lookup: None,
        strict: false,
        limits,
    };
    let mut run = Run::new(&set, inputs);
    let data = Value::map(Entries::new());
    let outcome = run.render("case", &data);
    run.finish();
    let out = outcome.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn small() -> Limits {
    Limits {
        steps: 100_000,
        text: 1 << 20,
        bytes: 16 << 20,
        items: 10_000,
        ..Limits::default()
    }
}

/// The text fails with a message that holds these words.
fn check_fails(text: &str, words: &str) {
    let error = limited(text, small()).expect_err(text);
    assert!(error.contains(words), "{text}\n{error}");
}

#[test]
fn every_function_has_its_place_in_the_table() {
    let names: Vec<&str> = crate::function_names().collect();
    assert!(names.is_sorted(), "the table is searched by halves");
    assert_eq!(names.len(), 251);
}

#[test]
fn an_error_names_template_line_column_and_expression() {
    check_fails(
        "a\n b {{ upper 1 }}",
        "case:2:12\n  executing \"case\" at <1>:\n    expected string; found 1",
    );
    check_fails("{{ template \"x\" }}", "template \"x\" not defined");
    check_fails(
        "\n{{ if }}",
        "parse error at (case:2): missing value for if",
    );
    check_fails("{{ nope 1 }}", "function \"nope\" not defined");
}

#[test]
fn the_other_branch_may_name_what_the_first_one_declared_and_fails_when_it_uses_it() {
    let check = |text: &str, expected: &str| {
        assert_eq!(limited(text, small()).as_deref(), Ok(expected), "{text}");
    };
    check("{{ if true }}{{ $h := 1 }}{{ else }}{{ $h }}{{ end }}", "");
    check(
        "{{ $h := 5 }}{{ if false }}{{ $h := 1 }}{{ else }}{{ $h }}{{ $h = 3 }}{{ end }}{{ $h }}",
        "53",
    );
    for text in [
        "{{ if false }}{{ $h := 1 }}{{ else }}{{ $h }}{{ end }}",
        "{{ if false }}{{ $h := 1 }}{{ else }}{{ $h = 2 }}{{ end }}",
        "{{ if false }}{{ $h := 1 }}{{ else if $h }}{{ end }}",
        "{{ range list }}{{ $h := 1 }}{{ else }}{{ $h }}{{ end }}",
        "{{ if false }}{{ $h := 1 }}{{ else }}a{{ end }}{{ $h }}",
        "{{ if true }}{{ if true }}{{ $h := 1 }}{{ end }}{{ else }}{{ $h }}{{ end }}",
    ] {
        check_fails(text, "undefined variable");
    }
}

#[test]
fn what_a_chart_refuses_is_told_at_the_outermost_place() {
    check_fails(
        "{{ define \"d\" }}\n\n{{ fail \"no\" }}{{ end }}\n {{ include \"d\" . }}",
        "execution error at (case:4:4): no",
    );
    check_fails("{{ required \"give x\" .x }}", "give x");
}

#[test]
fn an_error_inside_of_include_names_both_places() {
    let text = "{{ define \"d\" }}{{ .x.y }}{{ end }}{{ include \"d\" . }}";
    check_fails(
        text,
        "executing \"d\" at <.x.y>:\n    nil pointer evaluating interface {}.y",
    );
    check_fails(text, "error calling include:");
}

#[test]
fn endless_recursion_ends() {
    check_fails(
        "{{ define \"d\" }}{{ include \"d\" . }}{{ end }}{{ include \"d\" . }}",
        "nested",
    );
    check_fails(
        "{{ define \"d\" }}{{ template \"d\" . }}{{ end }}{{ template \"d\" . }}",
        "nested too deep",
    );
    check_fails(
        "{{ $t := \"{{ tpl .t . }}\" }}{{ tpl $t (dict \"t\" $t) }}",
        "nested too deep",
    );
}

#[test]
fn endless_work_and_output_end() {
    check_fails(
        "{{ range until 9999 }}{{ range until 9999 }}{{ . }}{{ end }}{{ end }}",
        "too many steps",
    );
    check_fails("{{ repeat 1000000000 \"x\" }}", "too much text");
    check_fails("{{ until 2000000000 }}", "too long");
    check_fails("{{ indent 100000000 \"a\\nb\" }}", "too much text");
    check_fails(
        "{{ $s := \"xxxxxxxx\" }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}",
        "too much text",
    );
    check_fails(
        "{{ range until 9999 }}{{ repeat 9999 \"x\" }}{{ end }}",
        "too much",
    );
}

#[test]
fn a_map_that_holds_itself_is_no_trouble() {
    check_fails(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ mustToYaml $d }}",
        "nested",
    );
    let shown = limited(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ len $d }}",
        small(),
    );
    assert_eq!(shown.as_deref(), Ok("1"));
}

#[test]
fn a_very_deep_value_is_dropped_without_recursion() {
    let text = "{{ $d := dict }}{{ range until 9000 }}{{ $d = dict \"a\" $d }}{{ end }}ok";
    assert_eq!(limited(text, small()).as_deref(), Ok("ok"));
    let list = "{{ $d := list }}{{ range until 9000 }}{{ $d = list $d }}{{ end }}ok";
    assert_eq!(limited(list, small()).as_deref(), Ok("ok"));
}

#[test]
fn a_parser_gives_up_on_deep_nesting() {
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    check_fails(&parens, "nested too deep");
    let blocks = format!("{}x{}", "{{ if 1 }}".repeat(5000), "{{ end }}".repeat(5000));
    check_fails(&blocks, "nested too deep");
}

#[test]
fn chance_is_the_same_for_the_same_entropy() {
    let text = "{{ randAlphaNum 12 }} {{ uuidv4 }} {{ randInt 0 1000 }} {{ randBytes 8 }}";
    let first = limited(text, small());
    assert_eq!(first, limited(text, small()));
    let more = limited(&format!("{text} {{{{ randAlpha 3 }}}}"), small());
    assert!(more.is_ok_and(|more| more.starts_with(&first.unwrap_or_default())));
}

#[test]
fn tpl_sees_what_it_defines_and_nobody_else_does() {
    let text = "{{ tpl \"{{ define \\\"x\\\" }}in{{ end }}{{ include \\\"x\\\" . }}\" . }}";
    assert_eq!(limited(text, small()).as_deref(), Ok("in"));
    check_fails(
        &format!("{text}{{{{ include \"x\" . }}}}"),
        "no template \"x\"",
    );
    check_fails("{{ tpl \"{{ if }}\" . }}", "cannot parse");
}

#[test]
fn a_later_template_replaces_an_earlier_one_unless_it_is_blank() {
    let mut set = Set::new();
    for text in [
        "{{ define \"x\" }}1{{ end }}",
        "{{ define \"x\" }} {{ end }}{{ include \"x\" . }}",
    ] {
        let templates = parse("f", text).expect("the text is a template");
        let templates: Vec<_> = templates.into_iter().map(Arc::new).collect();
        set.add_file("f", &templates);
    }
    let inputs = Inputs {
        now: holdfast_model::time::Time::default(),
        entropy: &[0; 32],
        lookup: None,
        strict: false,
        limits: Limits::default(),
    };
    let mut run = Run::new(&set, inputs);
    let out = run.render("f", &Value::Nil);
    assert_eq!(out.as_deref(), Ok(&b"1"[..]));
}

#[test]
fn an_absent_value_leaves_nothing_in_the_output() {
    assert_eq!(
        limited("a{{ .x }}b{{ \"<no value>\" }}c", small()).as_deref(),
        Ok("abc")
    );
}

#[test]
fn the_same_map_under_two_types_is_one_map() {
    let map = Map::new(Shape::Values, Entries::new());
    map.shaped(Shape::Any).set("a", Value::int(1));
    assert!(map.get("a").is_some());
}

#[test]
fn certificates_and_keys_look_right() {
    let text = "{{ $ca := genCA \"ca\" 10 }}{{ $c := genSignedCert \"x\" (list \"10.0.0.1\") (list \"x.y\") 5 $ca }}{{ $c.Cert }}{{ $c.Key }}{{ typeOf $ca }}";
    let out = limited(text, Limits::default()).expect("certificates are made");
    assert!(out.starts_with("-----BEGIN CERTIFICATE-----\n"), "{out}");
    assert!(out.contains("-----BEGIN RSA PRIVATE KEY-----\n"), "{out}");
    assert!(out.ends_with("sprig.certificate"), "{out}");
}

#[test]
fn a_password_hash_is_bcrypt() {
    // A known pair of salt and hash.
    let hash = crate::crypto::bcrypt::hash(b"hello", [1; 16]).expect("the password is short");
    assert!(hash.starts_with("$2a$10$"), "{hash}");
    assert_eq!(hash.len(), 60);
    assert_eq!(
        render("{{ htpasswd \"a:b\" \"c\" }}").as_deref(),
        Ok("invalid username: a:b")
    );
}

#[test]
fn ed25519_signs_as_its_standard_says() {
    let key = crate::crypto::edwards::Key::of([
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ]);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        hex(key.public()),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
    assert!(hex(&key.sign(b"")).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974"));
}

#[test]
fn powers_agree_with_the_general_way() {
    use crate::crypto::power::power;
    use num_bigint::BigUint;
    let mut chance = crate::chance::Chance::new([3; 32]);
    for bits in [64, 127, 961, 1000, 1024, 1030, 2048] {
        let mut modulus = crate::crypto::prime::number(&mut chance, bits);
        modulus.set_bit(0, true);
        let base = crate::crypto::prime::number(&mut chance, bits + 7);
        let exponent = crate::crypto::prime::number(&mut chance, bits - 3);
        let one = BigUint::from(1u8);
        let full = (&one << bits) - &one;
        let least = (&one << (bits - 1)) + &one;
        for modulus in [modulus, full, least] {
            let highest = &modulus - &one;
            for base in [&base, &BigUint::ZERO, &BigUint::from(2u8), &highest] {
                for exponent in [&exponent, &highest, &BigUint::ZERO] {
                    let wanted = base.modpow(exponent, &modulus);
                    assert_eq!(power(base, exponent, &modulus), wanted);
                }
            }
        }
    }
}

/// As Go's parser has it: variables go out of scope where the whole branch ends, and executing finds
/// those of the branch that runs, or of outside.
#[test]
fn the_other_branch_may_name_what_the_first_declares_and_fails_only_when_it_runs() {
    let branch = "{{ if COND }}{{ $x := 1 }}{{ $x }}{{ else }}{{ $x }}{{ end }}";
    let with = |condition: &str| limited(&branch.replace("COND", condition), small());
    assert_eq!(with("true").as_deref(), Ok("1"));
    let error = with("false").expect_err("it has no value");
    assert!(error.contains("undefined variable"), "{error}");
    let outer = "{{ $x := 5 }}{{ if false }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}";
    assert_eq!(limited(outer, small()).as_deref(), Ok("5"));
    check_fails(
        "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
        "undefined variable",
    );
}
