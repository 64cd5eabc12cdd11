//! Rendered objects in the namespaces where a Stack wants them, worked out once a render. It must not
//! compare them with anything.

use std::sync::Arc;

use holdfast_model::object::Object;
use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason};
use holdfast_target::Target;

use crate::look::{Halt, unreachable};
use crate::place::{PlaceError, kinds, place};
use crate::state::{Placed, Render, StackState};

/// Puts the rendered objects where the Stack wants them.
pub(crate) async fn arrange(
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    render: &Arc<Render>,
) -> Result<Arc<[Object]>, Halt> {
    let objects = &render.rendered.objects;
    let namespace = &stack.destination.namespace;
    let scopes = target.scopes(&kinds(objects)).await.map_err(unreachable)?;
    let same = |placed: &&Placed| {
        Arc::ptr_eq(&placed.render, render)
            && placed.scopes == scopes
            && placed.namespace == *namespace
    };
    if let Some(placed) = state.placed.as_ref().filter(same) {
        return Ok(Arc::clone(&placed.objects));
    }
    let objects: Arc<[Object]> = place(objects, &scopes, namespace)
        .map_err(written_twice)?
        .into();
    state.placed = Some(Placed {
        render: Arc::clone(render),
        scopes,
        namespace: namespace.clone(),
        objects: Arc::clone(&objects),
    });
    Ok(objects)
}

fn written_twice(twice: Vec<PlaceError>) -> Halt {
    let problems: Vec<Problem> = twice
        .into_iter()
        .map(|error| Problem {
            reason: "WrittenTwice".to_owned(),
            origin: Some(error.second.clone()),
            message: error.to_string(),
            object: Some(error.key),
            hint: Some("keep one of them".to_owned()),
        })
        .collect();
    let halt = Halt::new(Reason::RenderFailed, problems[0].message.clone());
    Halt { problems, ..halt }
}
