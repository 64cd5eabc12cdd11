//! What the tables say about well-known types.

use serde_json::json;

use crate::{ListRelation, Scalar, Schema, Shape, TypeRef, kinds_of_crd};

fn walk(start: &str, path: &[&str]) -> TypeRef {
    let mut current = Schema::builtin()
        .type_named(start)
        .expect("the type exists");
    for part in path {
        current = match *part {
            "*" => current.item(),
            name => current.child(name),
        }
        .expect("the path exists");
    }
    current
}

#[test]
fn every_type_of_the_table_decodes_and_every_reference_leads_somewhere() {
    for name in Schema::builtin().type_names() {
        let type_ref = Schema::builtin().type_named(name).expect("it is listed");
        let Shape::Struct(object) = type_ref.shape() else {
            panic!("{name} is no object");
        };
        for field in &object.fields {
            let anything = matches!(field.type_ref.shape(), Shape::Any { atomic: false });
            // Only the JSON values inside CRD schemas may be anything.
            assert!(
                !anything || name.starts_with("apiextensions."),
                "{name}.{} leads nowhere",
                field.name
            );
        }
    }
}

#[test]
fn kinds_know_scope_names_and_subresources() {
    let deployment = Schema::builtin().kind("apps", "v1", "Deployment");
    let deployment = deployment.expect("deployments are built in");
    assert_eq!(deployment.plural, "deployments");
    assert!(deployment.namespaced);
    assert_eq!(deployment.short_names, ["deploy"]);
    assert_eq!(deployment.categories, ["all"]);
    let scale = deployment.subresource("scale").expect("it scales");
    assert_eq!(
        (scale.group.as_str(), scale.kind.as_str()),
        ("autoscaling", "Scale")
    );
    let namespace = Schema::builtin().resource("", "v1", "namespaces");
    assert!(!namespace.expect("namespaces are built in").namespaced);
    assert_eq!(Schema::builtin().release(), "1.37.2");
}

#[test]
fn lists_know_their_keys_and_patch_strategy() {
    let containers = walk("core.v1.PodSpec", &["containers"]);
    assert_eq!(containers.list_keys(), Some(&["name".to_owned()][..]));
    let ports = walk("core.v1.PodSpec", &["containers", "*", "ports"]);
    let keys = ["containerPort".to_owned(), "protocol".to_owned()];
    assert_eq!(ports.list_keys(), Some(&keys[..]));
    let spec = Schema::builtin()
        .type_named("core.v1.PodSpec")
        .expect("it exists");
    let volumes = spec.field("volumes").expect("pods have volumes");
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
    assert_eq!(volumes.merge_key.as_deref(), Some("name"));
    assert!(walk("core.v1.ServiceSpec", &["selector"]).is_atomic());
    assert!(!walk("apps.v1.DeploymentSpec", &["template"]).is_atomic());
    let finalizers = walk("meta.v1.ObjectMeta", &["finalizers"]);
    let Shape::List(list) = finalizers.shape() else {
        panic!("finalizers are a list");
    };
    assert_eq!(list.relation, ListRelation::Set);
}

#[test]
fn fields_know_pointers_and_defaults() {
    let spec = Schema::builtin()
        .type_named("apps.v1.DeploymentSpec")
        .expect("it exists");
    assert!(spec.field("replicas").expect("field").pointer);
    assert!(!spec.field("minReadySeconds").expect("field").pointer);
    let port = Schema::builtin()
        .type_named("core.v1.ContainerPort")
        .expect("it exists");
    assert_eq!(
        port.field("protocol").expect("field").default,
        Some(json!("TCP"))
    );
    assert!(matches!(
        walk("core.v1.ServicePort", &["targetPort"]).shape(),
        Shape::Scalar(Scalar::IntOrString)
    ));
}

#[test]
fn a_custom_resource_gets_the_same_kind_of_type() {
    let crd = json!({"spec": {
    "group": "example.com", "scope": "Namespaced",
    "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
    "versions": [{"name": "v1", "served": true, "storage": true,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "default": 3},
                "parts": {"type": "array", "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
            }}}}}}]}});
    let kinds = kinds_of_crd(&crd).expect("it is a definition");
    let widget = &kinds[0];
    assert_eq!(widget.kind.singular, "widget");
    assert_eq!(widget.kind.list_kind, "WidgetList");
    assert!(widget.has_status && widget.served && widget.storage);
    let spec = widget.kind.type_ref.child("spec").expect("it has a spec");
    assert_eq!(spec.field("size").expect("field").default, Some(json!(3)));
    assert_eq!(
        spec.child("parts").expect("field").list_keys(),
        Some(&["name".to_owned()][..])
    );
    assert!(spec.child("unknown").is_none());
    let free = spec.child("free").expect("field");
    assert!(free.child("anything").is_some());
    let metadata = widget.kind.type_ref.child("metadata").expect("field");
    assert!(metadata.field("managedFields").is_some());
}
