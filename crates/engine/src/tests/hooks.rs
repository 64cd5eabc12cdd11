//! What is shown of the logs of a hook that fails.

use holdfast_model::object::ManagerOperation;
use holdfast_target::{Found, LastLines};

use super::target::down;
use super::world::{World, block_on, config, lock};

/// A hook that reads a Secret which is not in Git.
const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \
    holdfast.dev/hook: pre-sync\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      containers:\n      \
    - name: main\n        envFrom:\n        - secretRef: {name: of-others}\n";

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: ours}\n\
    stringData: {password: hunter-two}\n";

const OF_OTHERS: &str = r#"{"apiVersion": "v1", "kind": "Secret",
    "metadata": {"name": "of-others", "namespace": "shop"}, "data": {"token": "c2Vzc2FtLW9wZW4="}}"#;

/// What `Ready` says when the hook of a Stack has failed, which the preparation may change before.
fn said(prepare: impl FnOnce(&mut World)) -> String {
    block_on(async {
        let mut world = World::new();
        world.commit(&[
            ("app/a.yaml", &config("a", "1")),
            ("app/secret.yaml", SECRET),
            ("app/migrate.yaml", JOB),
        ]);
        world.stack("s", "app");
        let target = world.target("in-cluster");
        *lock(&target.wrote) = Some(LastLines {
            pod: "migrate-x".to_owned(),
            container: "main".to_owned(),
            text: "connects with hunter-two\nand sessam-open\nno such table\n".to_owned(),
        });
        let found = Found::Object(OF_OTHERS.parse().expect("it is JSON"));
        *lock(&target.looks_up) = Ok(found);
        prepare(&mut world);
        world.upsert("s");
        world.reconcile("s").await;
        let job = target.named("migrate").expect("it runs");
        let mut value = job.value.unpack();
        value["status"]["conditions"] = r#"[{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "it failed"}]"#
            .parse()
            .expect("it is JSON");
        target.put(&value.to_string(), "kubelet", ManagerOperation::Update);
        world.reconcile("s").await;
        let message = world.status("s").ready.message.clone();
        assert!(message.contains("(app/migrate.yaml:1)"), "{message}");
        message
    })
}

#[test]
fn a_hook_that_fails_shows_what_it_logged_last_and_no_values_of_secrets() {
    let message = said(|_| {});
    let shown =
        "container main of Pod migrate-x logged last: connects with *** | and *** | no such table";
    assert!(message.contains(shown), "{message}");
}

#[test]
fn a_log_is_not_shown_where_its_stack_does_not_want_that() {
    let message = said(|world| world.stack("s", "app").sync.hook_logs = false);
    assert!(!message.contains("such table"), "{message}");
}

#[test]
fn a_log_is_not_shown_where_a_secret_that_the_hook_reads_cannot_be_read() {
    let message = said(|world| *lock(&world.target("in-cluster").looks_up) = Err(down()));
    assert!(!message.contains("such table"), "{message}");
    assert!(
        message.contains("Secret of-others, which it reads"),
        "{message}"
    );
}

#[test]
fn a_hook_without_a_log_says_what_it_said() {
    let message = said(|world| *lock(&world.target("in-cluster").wrote) = None);
    assert!(
        message.contains("it failed") && !message.contains("log"),
        "{message}"
    );
}
