//! Who may do what: the rules of roles and bindings, decided as the real authorizer decides them.
//! It must not know how anybody has proved who they are.

use holdfast_admit::{ApiError, ObjectName, ResourceId, Result, Subject};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use serde_json::json;

use crate::call::User;
use crate::store::Store;

const GROUP: &str = "rbac.authorization.k8s.io";
/// Who may do everything, whatever the roles say.
const MASTERS: &str = "system:masters";

/// What somebody wants to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// A path that is no resource; empty for resources.
    pub(crate) path: &'a str,
}

/// Who a service account is.
pub(crate) fn service_account(namespace: &str, name: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
    }
}

/// Refuses what somebody may not do.
pub(crate) fn check(store: &Store, user: &User, wish: &Wish<'_>) -> Result<()> {
    if is_allowed(store, user, wish) {
        return Ok(());
    }
    let who = &user.name;
    if !wish.path.is_empty() {
        let mut error = ApiError::forbidden(
            &Subject {
                group: "",
                name: "",
            },
            "",
            "",
        );
        error.message = format!(
            "forbidden: User {who:?} cannot {} path {:?}",
            wish.verb, wish.path
        );
        error.details = Some(json!({}));
        return Err(error);
    }
    let resource = full_resource(wish);
    let place = if wish.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", wish.namespace)
    };
    let message = format!(
        "User {who:?} cannot {} resource {resource:?} in API group {:?} {place}",
        wish.verb, wish.group
    );
    let subject = Subject {
        group: wish.group,
        name: wish.resource,
    };
    Err(ApiError::forbidden(&subject, wish.name, &message))
}

fn full_resource(wish: &Wish<'_>) -> String {
    if wish.subresource.is_empty() {
        wish.resource.to_owned()
    } else {
        format!("{}/{}", wish.resource, wish.subresource)
    }
}

/// Whether somebody may do something.
pub(crate) fn is_allowed(store: &Store, user: &User, wish: &Wish<'_>) -> bool {
    if user.groups.iter().any(|group| group == MASTERS) {
        return true;
    }
    rules_for(store, user, wish.namespace)
        .iter()
        .any(|rule| covers(rule, wish))
}

/// By which binding somebody may do something, in the words of the real server.
pub(crate) fn reason(store: &Store, user: &User, wish: &Wish<'_>) -> Option<String> {
    if user.groups.iter().any(|group| group == MASTERS) {
        return None;
    }
    let home = Some(wish.namespace).filter(|namespace| !namespace.is_empty());
    let everywhere = list(store, "clusterrolebindings", None).into_iter();
    let everywhere = everywhere.map(|binding| ("ClusterRoleBinding", "", binding));
    let here = home.map(|home| list(store, "rolebindings", Some(home)));
    let here = here.into_iter().flatten();
    let here = here.map(|binding| ("RoleBinding", wish.namespace, binding));
    everywhere
        .chain(here)
        .find_map(|(kind, namespace, binding)| {
            let subjects = items(&binding, "subjects").iter();
            let mut subjects = subjects.filter(|subject| is_bound(subject, user, namespace));
            let subject = subjects.next()?;
            let role = &binding["roleRef"];
            let rules = rules_of(store, role, namespace);
            rules.iter().find(|rule| covers(rule, wish))?;
            let mut name = text(&binding["metadata"], "name").to_owned();
            if !namespace.is_empty() {
                name = format!("{name}/{namespace}");
            }
            let mut who = text(subject, "name").to_owned();
            if text(subject, "kind") == "ServiceAccount" {
                who = format!("{who}/{}", text(subject, "namespace"));
            }
            Some(format!(
                "RBAC: allowed by {kind} {name:?} of {} {:?} to {} {who:?}",
                text(role, "kind"),
                text(role, "name"),
                text(subject, "kind"),
            ))
        })
}

/// The rules that somebody has in a namespace, and in all of them.
pub(crate) fn rules_for(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    for binding in list(store, "clusterrolebindings", None) {
        if binds(&binding, user, "") {
            rules.extend(rules_of(store, &binding["roleRef"], ""));
        }
    }
    if !namespace.is_empty() {
        for binding in list(store, "rolebindings", Some(namespace)) {
            if binds(&binding, user, namespace) {
                rules.extend(rules_of(store, &binding["roleRef"], namespace));
            }
        }
    }
    rules
}

fn list(store: &Store, plural: &str, namespace: Option<&str>) -> Vec<Value> {
    store.values(&ResourceId::new(GROUP, plural), namespace)
}

/// Whether a binding is for somebody; accounts that name no namespace are of the binding's.
fn binds(binding: &Value, user: &User, namespace: &str) -> bool {
    let mut subjects = items(binding, "subjects").iter();
    subjects.any(|subject| is_bound(subject, user, namespace))
}

fn is_bound(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = text(subject, "namespace");
            let home = if own.is_empty() { namespace } else { own };
            user.name == format!("system:serviceaccount:{home}:{name}")
        }
        _ => false,
    }
}

fn rules_of(store: &Store, reference: &Value, namespace: &str) -> Vec<Value> {
    let (plural, namespace) = match text(reference, "kind") {
        "Role" => ("roles", namespace),
        _ => ("clusterroles", ""),
    };
    let name = ObjectName {
        namespace: namespace.to_owned(),
        name: text(reference, "name").to_owned(),
    };
    let role = store.get(&ResourceId::new(GROUP, plural), &name);
    role.map(|role| items(&role.value(), "rules").to_vec())
        .unwrap_or_default()
}

fn covers(rule: &Value, wish: &Wish<'_>) -> bool {
    let has = |field: &str, wanted: &dyn Fn(&str) -> bool| {
        items(rule, field)
            .iter()
            .filter_map(Value::as_str)
            .any(|known| known == "*" || wanted(known))
    };
    if !has("verbs", &|known| known == wish.verb) {
        return false;
    }
    if !wish.path.is_empty() {
        return has("nonResourceURLs", &|known| match known.strip_suffix('*') {
            Some(start) => wish.path.starts_with(start),
            None => known == wish.path,
        });
    }
    let resource = full_resource(wish);
    let any_of = |known: &str| {
        let parent = known.strip_prefix("*/");
        known == resource || parent.is_some_and(|sub| sub == wish.subresource)
    };
    let names = items(rule, "resourceNames");
    let named = names.is_empty() || names.iter().any(|name| name == wish.name);
    named && has("apiGroups", &|known| known == wish.group) && has("resources", &any_of)
}

/// The roles of everybody, with their bindings: who am I, what may I do, what is there.
fn roles_of_all() -> Vec<(&'static str, Value)> {
    let versions = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let asked = |group: &str, resources: Value| json!({"apiGroups": [group], "resources": resources, "verbs": ["create"]});
    let reviews = json!(["selfsubjectaccessreviews", "selfsubjectrulesreviews"]);
    let basic = json!([
        asked("authorization.k8s.io", reviews),
        asked("authentication.k8s.io", json!(["selfsubjectreviews"])),
    ]);
    let known = "system:authenticated";
    let roles = [
        ("system:basic-user", basic, vec![known]),
        (
            "system:discovery",
            json!([{"nonResourceURLs": paths, "verbs": ["get"]}]),
            vec![known],
        ),
        (
            "system:public-info-viewer",
            json!([{"nonResourceURLs": versions, "verbs": ["get"]}]),
            vec![known, "system:unauthenticated"],
        ),
    ];
    let objects = roles.into_iter().flat_map(|(name, rules, groups)| {
        let subjects = groups
            .iter()
            .map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group}));
        let binding = binding(name, subjects.collect());
        [
            ("clusterroles", cluster_role(name, rules)),
            ("clusterrolebindings", binding),
        ]
    });
    objects.collect()
}

fn cluster_role(name: &str, rules: Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "rules": rules,
    })
}

/// The binding of a role that has the same name.
fn binding(name: &str, subjects: Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": subjects,
    })
}

/// The roles that every cluster has from the start.
#[expect(clippy::too_many_lines, reason = "it is a table of roles")]
pub(crate) fn first_roles() -> Vec<(&'static str, Value)> {
    let namespaced = json!([
        "configmaps",
        "endpoints",
        "events",
        "persistentvolumeclaims",
        "pods",
        "pods/log",
        "pods/status",
        "replicationcontrollers",
        "secrets",
        "serviceaccounts",
        "services",
        "controllerrevisions",
        "daemonsets",
        "deployments",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale",
        "horizontalpodautoscalers",
        "cronjobs",
        "jobs",
        "ingresses",
        "networkpolicies",
        "poddisruptionbudgets",
        "endpointslices",
        "leases",
        "limitranges",
        "resourcequotas",
    ]);
    let groups = json!([
        "",
        "apps",
        "autoscaling",
        "batch",
        "networking.k8s.io",
        "policy",
        "discovery.k8s.io",
        "coordination.k8s.io",
    ]);
    let mut readable = namespaced.clone();
    if let Some(list) = readable.as_array_mut() {
        list.retain(|resource| resource != "secrets");
    }
    let reads = json!(["get", "list", "watch"]);
    let writes = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    let rule = |verbs: &Value, resources: &Value| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let roles = json!({
        "apiGroups": [GROUP], "resources": ["roles", "rolebindings"], "verbs": writes
    });
    let everything = json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]);
    let masters = json!([{"apiGroup": GROUP, "kind": "Group", "name": MASTERS}]);
    let named = [
        ("cluster-admin", everything),
        ("admin", json!([rule(&writes, &namespaced), roles])),
        ("edit", json!([rule(&writes, &namespaced)])),
        ("view", json!([rule(&reads, &readable)])),
    ];
    let named = named.map(|(name, rules)| ("clusterroles", cluster_role(name, rules)));
    let mut objects = named.to_vec();
    objects.push(("clusterrolebindings", binding("cluster-admin", masters)));
    objects.extend(roles_of_all());
    objects
}
