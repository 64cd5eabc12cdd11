//! What Stacks of Tenants may do, and which ways around that there are not.

use std::time::Duration;

use holdfast_model::object::ManagerOperation;
use holdfast_model::operation::{Class, Failure};
use holdfast_model::stack::{ChartSource, Lookups, OtherSource, StackKey, TargetName};
use holdfast_model::status::{Reason, Status, Truth};
use holdfast_model::tenant::{Destinations, Patterns, Tenant, Untenanted};

use super::world::{World, block_on, config, lock};

fn patterns(texts: &[&str]) -> Patterns {
    Patterns::read(texts.iter().copied()).expect("these are patterns")
}

/// A Tenant of namespace `team-a` that may put ConfigMaps into namespace `shop`.
fn tenant() -> Tenant {
    Tenant {
        name: "a".to_owned(),
        namespaces: patterns(&["team-a"]),
        sources: patterns(&["file://**"]),
        destinations: vec![Destinations {
            targets: patterns(&["in-cluster"]),
            namespaces: patterns(&["shop"]),
        }],
        kinds: patterns(&["ConfigMap"]),
        cluster_kinds: Patterns::default(),
        service_account: None,
        problems: Vec::new(),
    }
}

/// A world with a Stack `s` of one ConfigMap.
fn world() -> World {
    let mut world = World::new();
    world.commit(&[("app/a.yaml", &config("a", "1"))]);
    world.stack("s", "app");
    world
}

/// What is said of the Stack, which did nothing and owns nothing.
fn refused(world: &World, words: &str) -> Status {
    let status = world.status("s");
    assert_eq!(world.effects(), [""; 0], "{words}");
    assert_eq!(status.ready.reason, Reason::NotPermitted, "{status:#?}");
    assert_eq!(status.ready.holds, Truth::False);
    assert!(
        status.ready.message.contains(words),
        "{words}: {}",
        status.ready.message
    );
    assert!(
        status.problems.iter().all(|problem| problem.hint.is_some()),
        "{status:#?}"
    );
    status
}

#[test]
fn a_stack_does_what_its_tenant_allows_and_is_reconciled_when_that_changes() {
    block_on(async {
        let world = world();
        world.engine.set_tenants(vec![tenant()]);
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.is_ready("s"), "{:#?}", world.status("s"));
        assert_eq!(world.effects(), ["s owns a", "in-cluster: apply a"]);

        let narrow = Tenant {
            kinds: patterns(&["Secret"]),
            ..tenant()
        };
        world.engine.set_tenants(vec![narrow.clone()]);
        world.settle().await;
        refused(&world, "ConfigMap is not among its kinds");
        // Nothing has changed, so nobody is woken.
        world.engine.set_tenants(vec![narrow]);
        assert!(!world.engine.shared.queue.has_next());
        world.engine.set_tenants(vec![tenant()]);
        world.settle().await;
        assert!(world.is_ready("s"));
        world.engine.set_tenants(Vec::new());
        world.settle().await;
        assert!(world.is_ready("s"));
        assert_eq!(world.effects(), [""; 0]);
    });
}

type Change = fn(&mut World);

/// What a Stack asks for, and what is said of that.
const ESCAPES: [(&str, Change); 9] = [
    ("https://evil.example/x is not among its sources", |world| {
        world.stack("s", "app").source.repository.url = "https://evil.example/x.git".to_owned();
    }),
    ("an address with `..` in its path is not read", |world| {
        world
            .stack("s", "app")
            .source
            .repository
            .url
            .push_str("/../other");
    }),
    (
        "spec.sources, values: https://evil.example/x is not",
        |world| {
            let mut source = world.stack("s", "app").source.clone();
            source.repository.url = "https://evil.example/x".to_owned();
            let name = "values".to_owned();
            world.stack("s", "app").others = vec![OtherSource { name, source }];
        },
    ),
    (
        "spec.render.helm.chart: oci://evil.example/charts is not",
        |world| {
            world.stack("s", "app").render.helm.chart = Some(ChartSource {
                repository: "oci://evil.example/charts".to_owned(),
                name: "x".to_owned(),
                version: String::new(),
            });
        },
    ),
    ("namespace kube-system of Target in-cluster", |world| {
        world.stack("s", "app").destination.namespace = "kube-system".to_owned();
    }),
    ("namespace shop of Target other", |world| {
        world.add_target("other");
        world.stack("s", "app").destination.target = TargetName("other".to_owned());
    }),
    ("spec.dependsOn names Stack team-b/x", |world| {
        world.stack("s", "app").depends_on = vec![StackKey {
            namespace: "team-b".to_owned(),
            name: "x".to_owned(),
        }];
    }),
    (
        "spec.render.helm.lookup: cluster reads everything",
        |world| {
            world.stack("s", "app").render.helm.lookups = Lookups::Cluster;
        },
    ),
    ("cannot be read: spec.sources: is required", |world| {
        world.engine.set_tenants(vec![Tenant {
            problems: vec!["spec.sources: is required".to_owned()],
            ..tenant()
        }]);
    }),
];

#[test]
fn what_a_tenant_does_not_allow_is_not_read_and_not_applied() {
    for (words, change) in ESCAPES {
        block_on(async {
            let mut world = world();
            world.engine.set_tenants(vec![tenant()]);
            change(&mut world);
            world.upsert("s");
            world.settle().await;
            refused(&world, words);
            // Its repository has not been asked either.
            assert!(
                !world
                    .engine
                    .shared
                    .repositories
                    .is_asked(&world.stacks["s"]),
                "{words}"
            );
        });
    }
}

#[test]
fn objects_that_a_tenant_does_not_allow_are_named_with_their_files() {
    let in_namespace = |namespace: &str| {
        config("b", "1").replace("{name:", &format!("{{namespace: {namespace}, name:"))
    };
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-b}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n";
    let target = "apiVersion: holdfast.dev/v1alpha1\nkind: Target\nmetadata: {name: b}\n";
    for (text, words) in [
        (
            in_namespace("team-b"),
            "namespace team-b of Target in-cluster is not among",
        ),
        (
            in_namespace("kube-system"),
            "namespace kube-system of Target in-cluster",
        ),
        (
            namespace.to_owned(),
            "Namespace lives in no namespace, and spec.kinds.cluster",
        ),
        (secret.to_owned(), "Secret is not among its kinds"),
        (
            target.to_owned(),
            "Target.holdfast.dev is not among its kinds",
        ),
    ] {
        block_on(async {
            let world = world();
            world.engine.set_tenants(vec![tenant()]);
            world.commit(&[("app/b.yaml", &text)]);
            world.upsert("s");
            world.reconcile("s").await;
            let status = refused(&world, words);
            let problem = &status.problems[0];
            let origin = problem.origin.as_ref().expect("it was written somewhere");
            assert_eq!(origin.to_string(), "app/b.yaml:1");
            assert!(
                problem
                    .hint
                    .as_ref()
                    .is_some_and(|hint| hint.starts_with("the Tenant allows "))
            );
        });
    }
}

#[test]
fn what_is_in_place_is_kept_while_a_commit_brings_what_is_not_allowed() {
    block_on(async {
        let world = world();
        world.engine.set_tenants(vec![tenant()]);
        world.upsert("s");
        world.reconcile("s").await;
        world.effects();
        world.notices();
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n";
        world.commit(&[("app/a.yaml", &config("a", "2")), ("app/b.yaml", secret)]);
        let hand = r#"{"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": "shop"}, "data": {"text": "hand"}}"#;
        let target = world.target("in-cluster");
        target.put(hand, "alice", ManagerOperation::Update);
        world.reconcile("s").await;
        assert_eq!(world.effects(), ["in-cluster: apply a"]);
        let live = target.named("a").expect("it is there").value;
        assert_eq!(live.unpack()["data"]["text"], 1);
        let status = world.status("s");
        assert_eq!(status.ready.reason, Reason::NotPermitted);
        assert_eq!(status.healthy.holds, Truth::True);
        let said = world.notices();
        let is_said =
            |line: &String| line.starts_with("s NotPermitted: Secret/shop/b (app/b.yaml:1)");
        assert_eq!(
            said.iter().filter(|line| is_said(line)).count(),
            1,
            "{said:?}"
        );
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
        world.commit(&[("app/b.yaml", "")]);
        world.reconcile("s").await;
        assert!(world.is_ready("s"));
        assert_eq!(world.effects(), ["in-cluster: apply a"]);
    });
}

#[test]
fn a_stack_acts_as_the_service_account_of_its_tenant_and_goes_without_it() {
    block_on(async {
        let mut world = world();
        let acting = Tenant {
            service_account: Some("deployer".to_owned()),
            ..tenant()
        };
        world.engine.set_tenants(vec![acting]);
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.is_ready("s"), "{:#?}", world.status("s"));
        let target = world.target("in-cluster");
        let users = std::mem::take(&mut *lock(&target.users));
        assert_eq!(
            users.into_iter().collect::<Vec<_>>(),
            ["system:serviceaccount:team-a:deployer"]
        );
        // Its account may be gone already, with the namespace of both.
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.is_released("s"));
        assert!(lock(&target.users).is_empty());
    });
}

#[test]
fn what_is_forbidden_is_tried_again_since_rights_are_given_elsewhere() {
    block_on(async {
        let mut world = world();
        world.stack("s", "app").sync.retries = 1;
        let target = world.target("in-cluster");
        *lock(&target.refuses) = Some(Failure {
            class: Class::Terminal,
            reason: "Forbidden",
            message: "it may not patch configmaps".to_owned(),
            hint: None,
        });
        world.upsert("s");
        for _ in 0..3 {
            world.reconcile("s").await;
            let status = world.status("s");
            assert_eq!(status.ready.reason, Reason::ApplyFailed, "{status:#?}");
            assert!(status.retry.is_some(), "{status:#?}");
            world.pass(Duration::from_secs(301));
        }
        *lock(&target.refuses) = None;
        world.reconcile("s").await;
        assert!(world.is_ready("s"));
    });
}

#[test]
fn who_is_in_no_tenant_may_do_nothing_where_one_is_required_and_two_are_none() {
    block_on(async {
        let mut world = world();
        world.untenanted = Untenanted::Nothing;
        world.restart();
        world.settle().await;
        refused(
            &world,
            "namespace team-a is in no Tenant, and this engine keeps none such",
        );
        let second = Tenant {
            name: "b".to_owned(),
            ..tenant()
        };
        world.engine.set_tenants(vec![tenant(), second]);
        world.settle().await;
        refused(&world, "namespace team-a is in Tenants a and b");
        world.engine.set_tenants(vec![tenant()]);
        world.settle().await;
        world.reconcile("s").await;
        assert!(world.is_ready("s"));
    });
}
