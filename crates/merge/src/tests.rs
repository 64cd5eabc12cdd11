//! Patches and ownership on small objects. Whole requests are compared with a real API server
//! by the conformance scripts.

use holdfast_model::Value;
use holdfast_schema::{Schema, TypeRef};
use proptest::prelude::*;
use serde_json::json;

use crate::apply::{Applier, ApplyError, Context, apply, update};
use crate::fields::{Element, FieldSet};
use crate::managers::Managers;
use crate::typed::{Duplicates, check, compare, field_set, merge, remove};
use crate::{json_patch, merge_patch, strategic};

fn type_of(name: &str) -> TypeRef {
    Schema::builtin().type_named(name).expect("the type exists")
}

#[test]
fn merge_patch_follows_the_examples_of_its_rfc() {
    let check = |target: Value, patch: Value, expected: Value| {
        let mut target = target;
        merge_patch::apply(&mut target, &patch);
        assert_eq!(target, expected);
    };
    check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
    check(
        json!({"a": "b"}),
        json!({"b": "c"}),
        json!({"a": "b", "b": "c"}),
    );
    check(json!({"a": "b"}), json!({"a": null}), json!({}));
    check(
        json!({"a": "b", "b": "c"}),
        json!({"a": null}),
        json!({"b": "c"}),
    );
    check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
    check(
        json!({"a": {"b": "c"}}),
        json!({"a": {"b": "d", "c": null}}),
        json!({"a": {"b": "d"}}),
    );
    check(
        json!({"a": [{"b": "c"}]}),
        json!({"a": [1]}),
        json!({"a": [1]}),
    );
    check(json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"]));
    check(json!({"a": "foo"}), json!(null), json!(null));
    check(
        json!({"e": null}),
        json!({"a": 1}),
        json!({"e": null, "a": 1}),
    );
    check(
        json!([1, 2]),
        json!({"a": "b", "c": null}),
        json!({"a": "b"}),
    );
    check(
        json!({}),
        json!({"a": {"bb": {"ccc": null}}}),
        json!({"a": {"bb": {}}}),
    );
}

#[test]
fn json_patch_follows_the_examples_of_its_rfc() {
    let check = |target: Value, patch: Value, expected: Option<Value>| {
        let mut target = target;
        let result = json_patch::apply(&mut target, &patch);
        assert_eq!(result.ok().map(|()| target), expected);
    };
    check(
        json!({"foo": "bar"}),
        json!([{"op": "add", "path": "/baz", "value": "qux"}]),
        Some(json!({"baz": "qux", "foo": "bar"})),
    );
    check(
        json!({"foo": ["bar", "baz"]}),
        json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
        Some(json!({"foo": ["bar", "qux", "baz"]})),
    );
    check(
        json!({"foo": ["bar", "qux", "baz"]}),
        json!([{"op": "remove", "path": "/foo/1"}]),
        Some(json!({"foo": ["bar", "baz"]})),
    );
    check(
        json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
        json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
        Some(json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}})),
    );
    check(
        json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        json!([{"op": "test", "path": "/baz", "value": "bar"}]),
        None,
    );
    check(
        json!({"foo": "bar"}),
        json!([{"op": "add", "path": "/baz/bat", "value": "qux"}]),
        None,
    );
    // Where the server's library is more lenient than the RFC.
    check(
        json!({"foo": {}}),
        json!([{"op": "replace", "path": "/foo/bar", "value": 1}]),
        Some(json!({"foo": {"bar": 1}})),
    );
    check(
        json!({"foo": [1]}),
        json!([{"op": "replace", "path": "/foo/1", "value": 2}]),
        None,
    );
    check(
        json!({"/": 9, "~1": 10}),
        json!([{"op": "test", "path": "/~01", "value": 10}]),
        Some(json!({"/": 9, "~1": 10})),
    );
    check(
        json!({"foo": ["bar"]}),
        json!([{"op": "add", "path": "/foo/-", "value": ["abc"]}]),
        Some(json!({"foo": ["bar", ["abc"]]})),
    );
}

#[test]
fn strategic_patches_merge_lists_by_key_and_obey_directives() {
    let check = |target: Value, patch: Value, expected: Value| {
        let result = strategic::apply(&target, &patch, &type_of("core.v1.PodSpec"));
        assert_eq!(result.expect("it merges"), expected);
    };
    let two = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
    check(
        two.clone(),
        json!({"containers": [{"name": "b", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}),
    );
    check(
        two.clone(),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b", "image": "1"}]}),
    );
    check(
        two.clone(),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "1"}]}),
        json!({"containers": [{"name": "c", "image": "1"}, {"name": "b", "image": "1"},
            {"name": "a", "image": "1"}]}),
    );
    check(
        two,
        json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}),
        json!({"containers": [{"name": "z"}]}),
    );
    check(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"],
            "hostPath": {"path": "/x"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
    );
    check(
        json!({"tolerations": [{"key": "a"}]}),
        json!({"tolerations": [{"key": "b"}]}),
        json!({"tolerations": [{"key": "b"}]}),
    );
    check(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"a": null, "b": "2"}}),
        json!({"nodeSelector": {"b": "2"}}),
    );
}

#[test]
fn primitive_lists_lose_what_the_directive_names() {
    let result = strategic::apply(
        &json!({"finalizers": ["a", "b"]}),
        &json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}),
        &type_of("meta.v1.ObjectMeta"),
    );
    assert_eq!(
        result.expect("it merges"),
        json!({"finalizers": ["c", "b"]})
    );
}

#[test]
fn an_unknown_directive_is_refused() {
    let spec = type_of("core.v1.PodSpec");
    let result = strategic::apply(&json!({}), &json!({"$patch": "explode"}), &spec);
    assert!(matches!(result, Err(strategic::Error::BadDirective { .. })));
    let result = strategic::apply(
        &json!({"containers": [{"name": "a"}]}),
        &json!({"containers": [{"image": "x"}]}),
        &spec,
    );
    assert!(matches!(result, Err(strategic::Error::NoMergeKey { .. })));
}

fn deployment(replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"name": "web", "image": image, "ports": [{"containerPort": 80}]}]}}}})
}

#[test]
fn field_sets_name_list_items_by_their_keys() {
    let set = field_set(&deployment(2, "web:1"), &type_of("apps.v1.Deployment"));
    let expected = json!({
    "f:apiVersion": {}, "f:kind": {}, "f:metadata": {"f:name": {}},
    "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}, "f:ports": {
            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}
        }}}}}}});
    assert_eq!(set.write(), expected);
    assert_eq!(FieldSet::read(&expected), Ok(set));
}

fn context<'a>(type_ref: &'a TypeRef, ignored: &'a FieldSet, empty: &'a Value) -> Context<'a> {
    Context {
        type_ref,
        api_version: "apps/v1",
        subresource: "",
        ignored,
        empty,
        versions: &(),
        now: "2026-01-01T00:00:00Z",
    }
}

#[test]
fn an_apply_conflicts_with_another_owner_unless_forced() {
    let type_ref = type_of("apps.v1.Deployment");
    let (none, empty) = (FieldSet::default(), json!({}));
    let context = context(&type_ref, &none, &empty);
    let managers = update(
        &context,
        &empty,
        &deployment(2, "web:1"),
        Managers::default(),
        "curl",
    );
    let live = deployment(2, "web:1");
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 3}});
    let gentle = Applier {
        manager: "holdfast",
        force: false,
    };
    let refused = apply(&context, &live, &config, managers.clone(), gentle);
    let Err(ApplyError::Conflicts { conflicts }) = refused else {
        panic!("it conflicts");
    };
    assert_eq!(conflicts[0].field(), ".spec.replicas");
    let forced = Applier {
        force: true,
        ..gentle
    };
    let applied = apply(&context, &live, &config, managers, forced).expect("it is forced");
    let object = applied.object.expect("it changed");
    assert_eq!(object["spec"]["replicas"], json!(3));
    assert_eq!(object["spec"]["template"], live["spec"]["template"]);
    let fields = applied.managers.write();
    assert_eq!(fields[0]["manager"], json!("holdfast"));
    assert_eq!(fields[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert!(fields[1]["fieldsV1"]["f:spec"].get("f:replicas").is_none());
}

#[test]
fn what_is_no_longer_applied_goes_and_what_others_own_stays() {
    let type_ref = type_of("core.v1.ConfigMap");
    let (none, empty) = (FieldSet::default(), json!({}));
    let context = Context {
        api_version: "v1",
        ..context(&type_ref, &none, &empty)
    };
    let applier = Applier {
        manager: "a",
        force: false,
    };
    let first = json!({"data": {"x": "1", "y": "1", "z": "1"}});
    let applied = apply(&context, &empty, &first, Managers::default(), applier).expect("applied");
    let live = applied.object.expect("it changed");
    let other = Applier {
        manager: "b",
        force: false,
    };
    let shared = json!({"data": {"z": "1"}});
    let applied = apply(&context, &live, &shared, applied.managers, other).expect("applied");
    assert_eq!(applied.object, None);
    let second = json!({"data": {"x": "1"}});
    let applied = apply(&context, &live, &second, applied.managers, applier).expect("applied");
    assert_eq!(applied.object, Some(json!({"data": {"x": "1", "z": "1"}})));
}

#[test]
fn unknown_fields_and_doubled_keys_do_not_fit() {
    let type_ref = type_of("core.v1.PodSpec");
    let problems = check(
        &json!({"containers": [{"name": "a"}, {"name": "a"}], "bogus": 1}),
        &type_ref,
        Duplicates::Refused,
    );
    assert_eq!(
        problems,
        [
            ".bogus: field not declared in schema",
            ".containers: duplicate entries for key [name=\"a\"]"
        ]
    );
}

fn arbitrary_spec() -> impl Strategy<Value = Value> {
    let containers = proptest::collection::btree_map("[a-d]", "[x-z]", 0..4);
    let labels = proptest::collection::btree_map("[a-d]", "[x-z]", 0..4);
    (containers, labels, proptest::option::of(0..3)).prop_map(|(containers, labels, grace)| {
        let containers: Vec<Value> = containers
            .iter()
            .map(|(name, image)| json!({"name": name, "image": image}))
            .collect();
        let mut spec = json!({});
        if !containers.is_empty() {
            spec["containers"] = json!(containers);
        }
        if !labels.is_empty() {
            spec["nodeSelector"] = json!(labels);
        }
        if let Some(grace) = grace {
            spec["terminationGracePeriodSeconds"] = json!(grace);
        }
        spec
    })
}

proptest! {
    #[test]
    fn a_merge_has_every_field_that_was_applied(old in arbitrary_spec(), new in arbitrary_spec()) {
        let type_ref = type_of("core.v1.PodSpec");
        let merged = merge(&old, &new, &type_ref);
        let applied = field_set(&new, &type_ref);
        prop_assert_eq!(applied.difference(&field_set(&merged, &type_ref)), FieldSet::default());
        // Nothing of what was applied differs in the result.
        let changes = compare(&new, &merged, &type_ref);
        prop_assert_eq!(changes.removed, FieldSet::default());
        prop_assert_eq!(changes.modified, FieldSet::default());
    }

    #[test]
    fn removing_all_fields_of_a_value_leaves_nothing(value in arbitrary_spec()) {
        let type_ref = type_of("core.v1.PodSpec");
        let left = remove(&value, &field_set(&value, &type_ref), &type_ref);
        prop_assert!(left.is_null() || left == json!({"containers": null}), "{left}");
    }

    #[test]
    fn sets_obey_the_laws_of_sets(left in arbitrary_spec(), right in arbitrary_spec()) {
        let type_ref = type_of("core.v1.PodSpec");
        let (left, right) = (field_set(&left, &type_ref), field_set(&right, &type_ref));
        let both = left.union(&right);
        prop_assert_eq!(&both, &right.union(&left));
        prop_assert_eq!(left.intersection(&right).union(&left.difference(&right)), left.clone());
        prop_assert_eq!(FieldSet::read(&both.write()), Ok(both));
    }
}

#[test]
fn elements_are_in_the_order_of_the_real_server() {
    let order = [
        "f:a",
        "f:b",
        r#"k:{"port":8}"#,
        r#"k:{"port":8,"protocol":"TCP"}"#,
        r#"k:{"port":80}"#,
        r#"k:{"port":443}"#,
        r#"k:{"port":"a1"}"#,
        r#"k:{"port":"a10"}"#,
        r#"k:{"port":"a9"}"#,
        "v:-20",
        "v:-2",
        "v:3",
        "v:20",
        "v:\"10\"",
        "v:true",
        "v:null",
        "i:1",
        "i:10",
    ];
    let elements: Vec<Element> = order
        .iter()
        .map(|text| Element::parse(text).expect("an element"))
        .collect();
    for (index, left) in elements.iter().enumerate() {
        for (other, right) in elements.iter().enumerate() {
            assert_eq!(left.cmp(right), index.cmp(&other), "{left:?} {right:?}");
        }
    }
}
