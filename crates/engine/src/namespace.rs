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
    let Some(request) = missing(target, stack, plan).await? else {
        return Ok(());
    };
    target.perform(&request).await?;
    tracing::info!(
        stack = %stack.key,
        namespace = stack.destination.namespace,
        "The namespace was made."
    );
    Ok(())
}

/// Whether carrying a plan out would make the namespace of its Stack first.
///
/// # Errors
/// What the target says when it is asked for it.
pub async fn makes_namespace(
    target: &dyn Target,
    stack: &Stack,
    plan: &Plan,
) -> Result<bool, Failure> {
    let missing = missing(target, stack, plan).await?;
    Ok(missing.is_some())
}

/// The request for it, where it is wanted and not there.
async fn missing(
    target: &dyn Target,
    stack: &Stack,
    plan: &Plan,
) -> Result<Option<Request>, Failure> {
    let Some(request) = wanted(stack, plan) else {
        return Ok(None);
    };
    let question = Lookup {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: String::new(),
        name: stack.destination.namespace.clone(),
    };
    let found = target.look_up(&question).await?;
    Ok((!matches!(found, Found::Object(_))).then_some(request))
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
