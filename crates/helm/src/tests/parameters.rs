//! The grammar of `--set` and its kin.

use serde_json::{Value as Json, json};

use crate::Parameter;
use crate::parameters::apply;
use crate::values::Table;

fn applied(parameter: Parameter, before: Json) -> Result<Json, String> {
    let Json::Object(mut table) = before else {
        return Ok(before);
    };
    apply(&[parameter], &mut table)?;
    Ok(Json::Object(table))
}

fn check(text: &str, wanted: Json) {
    assert_eq!(
        applied(Parameter::Typed(text.to_owned()), json!({})),
        Ok(wanted),
        "{text}"
    );
}

fn check_refused(text: &str) {
    assert!(
        applied(Parameter::Typed(text.to_owned()), json!({})).is_err(),
        "{text}"
    );
}

#[test]
fn values_have_the_types_that_helm_gives_them() {
    check(
        "a=1,b=x,c=true,d=null,e=",
        json!({"a": 1, "b": "x", "c": true, "d": null, "e": ""}),
    );
    check(
        "a=1.5,b=007,c=0,d=-3,e=1e3",
        json!({"a": "1.5", "b": "007", "c": 0, "d": -3, "e": "1e3"}),
    );
    check(
        "a=TRUE,b=False,c=NULL",
        json!({"a": true, "b": false, "c": null}),
    );
    check(
        "a=99999999999999999999",
        json!({"a": "99999999999999999999"}),
    );
}

#[test]
fn names_nest_and_lists_have_indexes() {
    check("a.b.c=1,a.d=2", json!({"a": {"b": {"c": 1}, "d": 2}}));
    check("a[1]=x", json!({"a": [null, "x"]}));
    check("a[0].b=1,a[0].c=2", json!({"a": [{"b": 1, "c": 2}]}));
    check("a[0][1]=x", json!({"a": [[null, "x"]]}));
    check("a={1,x,true},b={}", json!({"a": [1, "x", true], "b": [""]}));
}

#[test]
fn a_backslash_takes_the_meaning_away() {
    check("a\\.b=1", json!({"a.b": 1}));
    check("a=x\\,y", json!({"a": "x,y"}));
    check("a={x\\,y,z}", json!({"a": ["x,y", "z"]}));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for text in [
        "a",
        "a,b=1",
        "a=1,b",
        "a[x]=1",
        "a[-1]=1",
        "a[99999999]=1",
        "a={x",
        "a[0]x=1",
    ] {
        check_refused(text);
    }
    check_refused(&format!("{}=1", vec!["a"; 40].join(".")));
    check_refused("a=1,a.b=2");
    check_refused("a=1,a[0]=2");
}

#[test]
fn other_kinds_read_their_values_differently() {
    let before = json!({"a": {"b": 1}});
    let text = |text: &str| Parameter::Text(text.to_owned());
    assert_eq!(
        applied(text("a.b=2"), before.clone()),
        Ok(json!({"a": {"b": "2"}}))
    );
    let literal = Parameter::Literal("a.c=x,y{z}\\".to_owned());
    assert_eq!(
        applied(literal, before.clone()),
        Ok(json!({"a": {"b": 1, "c": "x,y{z}\\"}}))
    );
    let document = Parameter::Json("a.b={\"x\": [1, null]},c=\"s\"".to_owned());
    assert_eq!(
        applied(document, before.clone()),
        Ok(json!({"a": {"b": {"x": [1.0, null]}}, "c": "s"}))
    );
    let whole = Parameter::Json("{\"a\": {\"d\": 1}}".to_owned());
    assert_eq!(
        applied(whole, before.clone()),
        Ok(json!({"a": {"b": 1, "d": 1.0}}))
    );
    let file = Parameter::File {
        path: "a.f".to_owned(),
        content: "x,y=z\n".to_owned(),
    };
    assert_eq!(
        applied(file, before),
        Ok(json!({"a": {"b": 1, "f": "x,y=z\n"}}))
    );
}

#[test]
fn kinds_are_applied_in_helm_s_order() {
    let mut table = Table::new();
    let parameters = [
        Parameter::Literal("a=literal".to_owned()),
        Parameter::Json("a=\"json\"".to_owned()),
        Parameter::Typed("a=typed,b=typed".to_owned()),
    ];
    assert_eq!(apply(&parameters, &mut table), Ok(()));
    assert_eq!(Json::Object(table), json!({"a": "literal", "b": "typed"}));
}
