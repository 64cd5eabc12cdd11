//! The namespace that a Stack goes to, made where its owner asks for that. It must not own it: a namespace
//! holds what others put there, so it is in no inventory, is never pruned, and stays when the Stack goes.

use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{GroupKind, Key, VersionedKey};
use holdfast_model::operation::Failure;
use holdfast_model::packed::Packed;
use holdfast_model::plan::{Plan, Verb};
use holdfast_model::stack::Stack;
use holdfast_target::{Found, Request, Target};

/// Makes the namespace of a Stack, where it is wanted, is not there, and the plan brings something.
///
/// # Errors
/// What the target says when it is asked for it, or to make it.
pub(crate) async fn make(target: &dyn Target, stack: &Stack, plan: &Plan) -> Result<(), Failure> {
    let Some(request) = wanted(stack, plan) else {
        return Ok(());
    };
    let question = Lookup {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: String::new(),
        name: stack.destination.namespace.clone(),
    };
    if matches!(target.look_up(&question).await?, Found::Object(_)) {
        return Ok(());
    }
    target.perform(&request).await?;
    tracing::info!(
        stack = %stack.key,
        namespace = stack.destination.namespace,
        "The namespace was made."
    );
    Ok(())
}

/// The request for it, unless nobody wants it or the plan has it among its objects.
fn wanted(stack: &Stack, plan: &Plan) -> Option<Request> {
    let name = stack.destination.namespace.as_str();
    let brings = |verb| {
        matches!(
            verb,
            Verb::Create | Verb::Update | Verb::Replace | Verb::Run
        )
    };
    let is_due = plan.steps.iter().any(|step| brings(step.verb));
    if !stack.destination.create_namespace || name.is_empty() || !is_due {
        return None;
    }
    let key = Key::new(&GroupKind::new("", "Namespace"), None, name);
    if plan.steps.iter().any(|step| step.key.key == key) {
        return None;
    }
    let mut body = Value::default();
    body["apiVersion"] = "v1".into();
    body["kind"] = "Namespace".into();
    body["metadata"]["name"] = name.into();
    Some(Request {
        verb: Verb::Create,
        key: VersionedKey {
            key,
            version: "v1".into(),
        },
        body: Some(Packed::new(&body)),
        live: None,
    })
}
