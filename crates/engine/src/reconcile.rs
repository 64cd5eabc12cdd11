//! One look at a Stack, from its intent to what came of it. This is the product, top to bottom;
//! what a step does is in the module that it calls, what is shown of it in `fold`, and what is said in
//! `happened`.

use holdfast_model::stack::Stack;
use holdfast_target::Target;
use tracing::{Instrument as _, debug_span};

use crate::accept::accept;
use crate::arrange::arrange;
use crate::carry_out::carry_out;
use crate::depend;
use crate::engine::Shared;
use crate::health;
use crate::keep::kept;
use crate::locate::{Located, locate};
use crate::look::{Aim, Course, Halt, Look, Purpose, unreachable};
use crate::moving::{arrive, has_arrived, leave_others, notice_change};
use crate::operate;
use crate::others::others;
use crate::ports::Intent;
use crate::propose::{Known, Question, desired_keys, propose};
use crate::resume;
use crate::settle::{remember, settle};
use crate::state::StackState;
use crate::tenancy::{permit, permit_objects};
use crate::{terminate, who};

/// Looks at a Stack that is to be kept equal to Git.
pub(crate) async fn reconcile(
    engine: &Shared,
    intent: &Intent,
    state: &mut StackState,
) -> Result<Look, Halt> {
    who::hear(&intent.stack, state, engine.now());
    terminate::hear(engine, &intent.stack, state).await;
    notice_change(engine, &intent.stack, state);
    let stack = accept(intent)?;
    permit(engine, stack, state)?;
    let mut unready = depend::unready(engine, stack);
    if let Some(halt) = unready.take_if(|_| depend::is_bare(state)) {
        return Err(halt);
    }
    let target = engine.target_of(stack).await.map_err(unreachable)?;
    arrive(engine, stack, state).await.map_err(unreachable)?;
    let located = locate(engine, stack, state).instrument(debug_span!("render"));
    let reached = match located.await {
        Ok(located) => {
            state.is_stale = false;
            let purpose = match unready {
                None => Purpose::Reach,
                Some(_) => Purpose::Hold,
            };
            let aim = Aim { located, purpose };
            pursue(engine, &*target, stack, state, aim).await
        }
        Err(halt) => {
            if unready.is_some() {
                // What it depends on may be what it could not be rendered without.
                state.refused = None;
            }
            Err(halt)
        }
    };
    let mut look = match reached {
        Ok(look) => look,
        Err(mut halt) => {
            if let Some(aim) = kept(engine, stack, state, halt.reason).await {
                let look = pursue(engine, &*target, stack, state, aim).await;
                halt.kept = look.ok().map(Box::new);
            }
            return Err(halt);
        }
    };
    if let Some(mut halt) = unready.filter(|halt| depend::holds_up(halt, &look)) {
        halt.kept = Some(Box::new(look));
        return Err(halt);
    }
    if !state.inventory.left.is_empty() && has_arrived(&look) {
        look.leaving = leave_others(engine, stack, state, &look).await;
    }
    Ok(look)
}

/// From a render to what came of it.
async fn pursue(
    engine: &Shared,
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    aim: Aim,
) -> Result<Look, Halt> {
    let Located {
        render,
        revision,
        is_pinned,
        behind,
    } = aim.located;
    let desired = arrange(target, stack, state, &render).await?;
    permit_objects(engine, stack, state, &render, &desired)?;
    state.remember_applied(render.digest, &desired);
    state.take_back(stack);
    let keys = desired_keys(&desired, state.inventory.keys());
    let observed = target.observe(&stack.key, &keys).await;
    let mut snapshot = observed.map_err(unreachable)?;
    health::look_round(&mut snapshot, target).await;
    let question = Question {
        stack,
        revision: &revision,
        desired: &desired,
        snapshot: &snapshot,
    };
    let others = others(engine, state, question);
    let known = Known::of(state, &desired, engine.now());
    let plan = propose(target, question, &known, &others).await;
    state.note_settled(stack, &plan);
    let may_act = match aim.purpose {
        Purpose::Reach => true,
        Purpose::Finish => resume::is_going_on(state, stack, &plan),
        Purpose::Hold | Purpose::Keep => !plan.changes().any(operate::is_new),
    };
    let course = if may_act {
        carry_out(engine, target, stack, state, plan.clone(), &mut snapshot).await?
    } else {
        Course::Unasked
    };
    match aim.purpose {
        Purpose::Reach | Purpose::Hold | Purpose::Finish => {
            settle(state, stack, &render, &plan, &course)
        }
        Purpose::Keep => remember(state, stack, &render, &course),
    }
    operate::note_ended(engine, stack, state, &plan, &snapshot).await;
    let mut health = health::report(&plan, &snapshot);
    let explained = health::explain(&mut health, state, &snapshot, target, engine.now());
    explained.instrument(debug_span!("explain")).await;
    Ok(Look {
        revision,
        plan,
        health,
        course,
        is_pinned,
        behind,
        leaving: Vec::new(),
        purpose: aim.purpose,
    })
}
