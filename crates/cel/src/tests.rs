//! Rules on small objects. Whole definitions are compared with a real API server by the conformance
//! scripts.

use holdfast_model::Value;
use serde_json::{Value as Json, json};

use super::{compile, evaluate, problems};

/// A schema of some fields with a rule.
fn schema(rule: &str) -> Value {
    json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": rule, "message": "broken"}],
        "properties": {
            "a": {"type": "integer"},
            "text": {"type": "string", "maxLength": 100},
            "list": {"type": "array", "maxItems": 20, "items": {"type": "integer"}},
            "map": {"type": "object", "maxProperties": 20, "additionalProperties": {
                "type": "string", "maxLength": 10,
            }},
            "namespace": {"type": "string", "maxLength": 10},
            "with-dash": {"type": "string", "maxLength": 10},
            "at": {"type": "string", "format": "date-time"},
            "port": {"x-kubernetes-int-or-string": true},
            "inner": {"type": "object", "properties": {"b": {"type": "integer"}}},
        },
    })
}

/// What is wrong with the rule itself.
fn refused(rule: &str) -> Vec<String> {
    let errors = problems(&schema(rule), "spec");
    errors.iter().map(|error| format!("{error:?}")).collect()
}

fn broken(rule: &str, new: &Json, old: Option<&Json>) -> Vec<String> {
    let problems = refused(rule);
    assert!(problems.is_empty(), "{rule}: {problems:?}");
    let schema = schema(rule);
    let rules = compile(&schema).expect("there is a rule");
    let errors = evaluate(&rules, &schema, new, old);
    errors.iter().map(|error| format!("{error:?}")).collect()
}

fn object() -> Json {
    json!({
        "a": 3, "text": "some text", "list": [3, 1, 2], "map": {"x": "1", "y-z": "2"},
        "namespace": "n", "with-dash": "d", "at": "2024-05-01T10:00:00Z", "port": "http",
    })
}

#[test]
fn rules_that_hold() {
    let rules = [
        "self.a == 3 && self.list.size() == 3",
        "self.list.all(x, x > 0) && self.list.exists(x, x == 2)",
        "self.list.exists_one(x, x == 2) && self.list.map(x, x * 2) == [6, 2, 4]",
        "self.list.filter(x, x > 1).size() == 2 && self.list.map(x, x > 1, x) == [3, 2]",
        "self.map.all(k, self.map[k].size() == 1) && 'x' in self.map",
        "self.list.sortBy(x, -x) == [3, 2, 1] && self.list.transformList(i, x, x > 1, i) == [0, 2]",
        "self.map.transformMap(k, v, k + v) == {'x': 'x1', 'y-z': 'y-z2'}",
        "self.map.transformMapEntry(k, v, v == '1', {v: k}) == {'1': 'x'}",
        "[optional.of(1), optional.none()].unwrapOpt() == [1] && [1, 1].distinct() == [1]",
        "self.list.exists_one(i, x, x > 2) && lists.range(2) == [0, 1]",
        "format.dns1123Label().validate(self.text).hasValue()",
        "format.named('uuid').value().validate(self.text).hasValue()",
        "!format.named('nothing').hasValue()",
        "type(self.at) == google.protobuf.Timestamp && google.protobuf.Duration != type(self.at)",
        "self.namespace == 'n' && self.__namespace__ == 'n' && has(self.namespace)",
        "string(self.at) == '2024-05-01T10:00:00Z' && string(duration('90s')) == '90s'",
        "timestamp(0) < self.at && self.at.getHours('+02:00') == 12 && bool('true')",
        "self.at.getHours('Europe/Berlin') == 12 && size('äö') == 2 && b'a' < b'b'",
        "!!(self.a == 3) && --self.a == 3 && 1 - --1 == 0 && !!!false",
        "self.?inner.b.orValue(7) == 7",
        "self.?a.orValue(0) == 3 && self.?a.hasValue() && !self.?inner.hasValue()",
        "self.map[?'nothing'].orValue('z') == 'z' && self.map[?'x'].hasValue()",
        "optional.none().or(optional.of(1)).value() == 1",
        "self.?a.optMap(x, x + 1).orValue(0) == 4",
        "self.?inner.optMap(x, x.b).orValue(5) == 5",
        "self.?a.optFlatMap(x, optional.of(x)).value() == 3",
        "!optional.ofNonZeroValue('').hasValue()",
        "[1, ?self.?inner.b, ?self.?a] == [1, 3]",
        "{'k': 1, ?'l': self.?inner.b} == {'k': 1}",
        "dyn(self.a) == 3 && dyn(self.text) == 'some text'",
        "self.__namespace__ == 'n' && self.with__dash__dash == 'd'",
        "self.at > timestamp('2024-01-01T00:00:00Z') && self.at.getFullYear() == 2024",
        "self.at - timestamp('2024-05-01T09:00:00Z') == duration('1h')",
        "self.text.startsWith('some') && self.text.matches('^[a-z ]+$')",
        "self.text.split(' ').size() == 2 && self.text.upperAscii() == 'SOME TEXT'",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && isQuantity('1')",
        "has(self.a) && !has(self.inner) && (has(self.inner) ? self.inner.b > 0 : true)",
        "self.list.all(i, x, self.list[i] == x) && self.map.exists(k, v, k == 'x' && v == '1')",
        "self.list.transformList(i, x, i + x) == [3, 2, 4]",
        "self.list.exists(x, self.list[x] > 0)",
        "type(self.a) == int && type(self.text) != int && type(self.port) == string",
        "sets.contains(self.list, [1, 2])",
        "self.a in self.list || self.a / 0 == 1",
    ];
    for rule in &rules {
        assert_eq!(
            broken(rule, &object(), None),
            Vec::<String>::new(),
            "{rule}"
        );
    }
}

#[test]
fn rules_that_do_not_hold_and_rules_that_fail() {
    for (rule, expected) in [
        ("self.a == 4", "Invalid value: broken"),
        (
            "self.a / (self.a - 3) == 1",
            "division by zero evaluating rule: broken",
        ),
        (
            "self.list[5] == 1",
            "index out of bounds: 5 evaluating rule: broken",
        ),
        (
            "self.map['none'] == ''",
            "no such key: none evaluating rule: broken",
        ),
        (
            "self.inner.b == 1",
            "no such key: inner evaluating rule: broken",
        ),
        (
            "self.?inner.b.value() == 1",
            "optional.none() dereference evaluating rule: broken",
        ),
        ("self.port > 5", "did not match a supported operator"),
        (
            "9223372036854775807 + self.a > 0",
            "integer overflow evaluating rule: broken",
        ),
        (
            "self.list.all(x, x / (x - 3) != 7)",
            "division by zero evaluating rule: broken",
        ),
    ] {
        let found = broken(rule, &object(), None);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{rule}: {found:?}"
        );
    }
}

#[test]
fn the_state_before_is_compared_where_there_is_one() {
    let (old, new) = (json!({"a": 5}), json!({"a": 3}));
    let rule = "self.a >= oldSelf.a";
    assert!(broken(rule, &new, None).is_empty());
    assert!(broken(rule, &old, Some(&new)).is_empty());
    assert_eq!(broken(rule, &new, Some(&old)).len(), 1);
    let optional = json!({
        "type": "object", "properties": {"a": {"type": "integer"}},
        "x-kubernetes-validations": [
            {"rule": "oldSelf.hasValue() || self.a == 0", "optionalOldSelf": true},
        ],
    });
    let rules = compile(&optional).expect("there is a rule");
    assert_eq!(evaluate(&rules, &optional, &json!({"a": 1}), None).len(), 1);
    assert!(evaluate(&rules, &optional, &json!({"a": 0}), None).is_empty());
    assert!(evaluate(&rules, &optional, &json!({"a": 1}), Some(&json!({"a": 9}))).is_empty());
}

#[test]
fn items_with_keys_are_compared_with_their_counterparts() {
    let list = |kind: &str| {
        json!({
            "type": "array", "x-kubernetes-list-type": kind, "maxItems": 10,
            "x-kubernetes-list-map-keys": ["n"],
            "items": {
                "type": "object", "required": ["n"],
                "properties": {"n": {"type": "string", "maxLength": 5}, "v": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}],
            },
        })
    };
    assert!(problems(&list("map"), "spec").is_empty());
    let refused = problems(&list("atomic"), "spec");
    let refused = format!("{refused:?}");
    assert!(refused.contains("uncorrelatable portion"), "{refused}");
    let list = list("map");
    let rules = compile(&list).expect("there is a rule");
    let old = json!([{"n": "a", "v": 1}, {"n": "b", "v": 5}]);
    let swapped = json!([{"n": "b", "v": 5}, {"n": "a", "v": 1}, {"n": "c", "v": 0}]);
    assert!(evaluate(&rules, &list, &swapped, Some(&old)).is_empty());
    let less = json!([{"n": "b", "v": 4}]);
    let found = format!("{:?}", evaluate(&rules, &list, &less, Some(&old)));
    assert!(found.contains("[0]"), "{found}");
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    for (rule, expected) in [
        ("self.nothing == 1", "undefined field 'nothing'"),
        ("self.?nothing.hasValue()", "undefined field 'nothing'"),
        ("other == 1", "undeclared reference to 'other'"),
        ("self.a ==", "compilation failed"),
        ("cel.bind(x, 1, true)", "undeclared reference to 'cel'"),
        ("Thing{a: 1} == 1", "undeclared reference to 'Thing'"),
        ("", "rule is not specified"),
    ] {
        let found = refused(rule);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{rule}: {found:?}"
        );
    }
}

#[test]
fn what_may_cost_too_much_is_refused() {
    let unbounded = |rule: &str| {
        json!({
            "type": "array", "items": {"type": "string"},
            "x-kubernetes-validations": [{"rule": rule}],
        })
    };
    let refused = |rule: &str| format!("{:?}", problems(&unbounded(rule), "spec"));
    let found = refused("self.all(x, self.all(y, x == y))");
    assert!(
        found.contains("estimated rule cost exceeds budget by factor of more than 100x"),
        "{found}"
    );
    assert!(found.contains("entire OpenAPIv3 schema"), "{found}");
    assert_eq!(refused("self.size() < 10"), "[]");
}

#[test]
fn what_cannot_be_bounded_costs_too_much() {
    for (rule, is_refused) in [
        ("self.text + string(self.a) == ''", true),
        ("type(self.a) == type(2)", true),
        ("type(self.a) == int", false),
        (
            "self.map.all(k, k.startsWith('a') && self.map[k].matches('^a+$'))",
            false,
        ),
        ("self.list.map(x, string(x)).join(',') == ''", true),
    ] {
        let found = refused(rule).concat();
        assert_eq!(
            found.contains("estimated rule cost"),
            is_refused,
            "{rule}: {found}"
        );
    }
}

#[test]
fn no_rule_takes_longer_than_it_may() {
    let schema = json!({
        "type": "array", "maxItems": 100_000, "items": {"type": "integer"},
        "x-kubernetes-validations": [{"rule": "self.all(x, self.all(y, x != y + 1000000))"}],
    });
    let rules = compile(&schema).expect("there is a rule");
    let long: Vec<i32> = (0..2000).collect();
    let found = format!("{:?}", evaluate(&rules, &schema, &json!(long), None));
    assert!(found.contains("actual cost limit exceeded"), "{found}");
    let short: Vec<i32> = (0..50).collect();
    assert!(evaluate(&rules, &schema, &json!(short), None).is_empty());
}

#[test]
fn all_rules_of_an_object_share_a_budget() {
    let schema = json!({
        "type": "array", "items": {
            "type": "array", "items": {"type": "string"},
            "x-kubernetes-validations": [{"rule": "self.all(x, x.contains(x))"}],
        },
    });
    let rules = compile(&schema).expect("there are rules");
    let row = vec!["x".repeat(1000); 90];
    let rows = vec![row.clone(); 12];
    let found = format!("{:?}", evaluate(&rules, &schema, &json!(rows), None));
    assert!(found.contains("running out of cost budget"), "{found}");
    assert!(evaluate(&rules, &schema, &json!([row]), None).is_empty());
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let overload = "found no matching overload for '_==_' applied to";
    for (rule, expected) in [
        (
            "self.a ==\n'x'",
            format!("1:8: {overload} '(int, string)'/ | self.a ==/ | .......^"),
        ),
        (
            "self.text == 'ä' && self.list == 'b'",
            format!(
                "1:31: {overload} '(list(int), string)'/ | self.text == 'ä' && self.list == 'b'/ \
                 | ..............．...............^"
            ),
        ),
        (
            "self.list.map(x, [x]).all(y, y[0] == '')",
            format!("1:35: {overload} '(int, string)'"),
        ),
        (
            "self.a",
            "cel expression must evaluate to a bool".to_owned(),
        ),
        (
            "math.greatest(1, 2) == 2",
            "1:14: undeclared reference to 'greatest'".to_owned(),
        ),
    ] {
        let found = refused(rule);
        let lines = found.concat().replace("\\n", "/");
        assert!(
            found.len() == 1 && lines.contains(&expected),
            "{rule}: {lines}"
        );
    }
}

#[test]
fn no_expression_is_too_deep_or_has_endless_types() {
    let doubled = "{x: x}".to_owned();
    for rule in [
        format!("self.a > 0{}", " + 1".repeat(2500)),
        format!("self.a > 0{}", " + 1".repeat(249)),
        format!("{}1{} == []", "[".repeat(95), "]".repeat(95)),
        format!("{}1{} == 1", "(".repeat(95), ")".repeat(95)),
        format!("[1]{} == []", ".map(x, [x])".repeat(249)),
        format!("dyn(self){}", ".a".repeat(250)),
        format!("{}1{} == {{}}", "{1: ".repeat(95), "}".repeat(95)),
        format!("true{}", " ? true : false".repeat(95)),
        format!("self{} == 1", ".a".repeat(4500)),
        format!("{}true", "!".repeat(5000)),
        format!("{}1 == 1", "-".repeat(5000)),
        format!("{}1{} == []", "[".repeat(2000), "]".repeat(2000)),
        format!("{}1{} == 1", "(".repeat(4000), ")".repeat(4000)),
        format!("true{}", " && true".repeat(1200)),
        format!("true{}", " ? true : false".repeat(600)),
        format!("[1]{} == []", format!(".map(x, {doubled})").repeat(600)),
        format!("self.list{} == []", ".map(x, [x])".repeat(700)),
        format!("optional.of(1){}.hasValue()", ".optMap(x, x)".repeat(30)),
    ] {
        let found = refused(&rule);
        assert!(found.len() < 2, "{found:?}");
    }
}
