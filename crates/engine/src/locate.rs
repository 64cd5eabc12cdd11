//! The render of the revision that a Stack is to be at: which revision that is, and whether it has
//! to be rendered at all. It must not know what is done with the objects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_model::artifact::Blobs;
use holdfast_model::digest::Digest;
use holdfast_model::external::External;
use holdfast_model::pin::{Pin, Standing};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{PlainSecrets, Stack};
use holdfast_model::status::{Problem, Reason};
use holdfast_render::{self as render, Rendered};

use crate::engine::Shared;
use crate::externals::{Digests, Job, RenderFailure, Used, is_moving};
use crate::keys::{self, has_other_keys, marked, opening, values_hold};
use crate::look::{Halt, unreachable};
use crate::lookups::lookups;
use crate::opening::Opening;
use crate::pin;
use crate::plain;
use crate::repositories::Freshness;
use crate::state::{Refused, Render, RenderedFor, StackState};
use crate::tenancy::refused;

/// How many renders are held: that of what Git is at, and the one before it.
const RENDERS: usize = 2;

/// What a Stack is to be at.
pub(crate) struct Located {
    pub(crate) render: Arc<Render>,
    /// What it is known as: the commit that last changed something that is read, or a pinned one.
    pub(crate) revision: Revision,
    pub(crate) is_pinned: bool,
    /// Why what Git is at could not be had although a pin holds meanwhile.
    pub(crate) behind: Option<Box<Halt>>,
}

/// The render of the revision that the Stack is to be at. A pin that has ended is taken away before
/// anything else is done, so that nothing that comes later can make it hold again.
pub(crate) async fn locate(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
) -> Result<Located, Halt> {
    let now = engine.now();
    let Some(pin) = engine.pin(stack) else {
        let newest = newest(engine, stack, state).await;
        let is_known = !matches!(&newest, Err(halt) if halt.reason == Reason::Pending);
        if is_known {
            pin::note(state, None, now);
        }
        let (newest, _) = newest?;
        return Ok(free(state, newest));
    };
    if pin.is_expired(now) {
        engine.end_pin(stack, &pin).await?;
        pin::note(state, None, now);
        let (newest, _) = newest(engine, stack, state).await?;
        return Ok(free(state, newest));
    }
    let behind = match newest(engine, stack, state).await {
        Ok((newest, followed)) => {
            if !holds(engine, stack, state, (&pin, &newest, &followed)).await? {
                engine.end_pin(stack, &pin).await?;
                pin::note(state, None, now);
                return Ok(free(state, newest));
            }
            None
        }
        Err(halt) if can_wait(stack, &pin, halt.reason) => Some(Box::new(halt)),
        Err(halt) => return Err(halt),
    };
    pin::note(state, Some(&pin), now);
    let revision = pinned(&pin, state.followed.as_ref().map(|known| &known.revision));
    let render = rendered(engine, stack, state, revision.clone()).await?;
    let charts = render.revision.charts.clone();
    Ok(Located {
        render,
        revision: Revision { charts, ..revision },
        is_pinned: true,
        behind,
    })
}

/// What Git is at, under the name by which it is known.
fn free(state: &mut StackState, render: Arc<Render>) -> Located {
    state.refused = None;
    state.renders.truncate(RENDERS);
    let followed = state.followed.as_ref();
    let revision = followed.map_or_else(|| render.revision.clone(), |known| known.revision.clone());
    Located {
        render,
        revision,
        is_pinned: false,
        behind: None,
    }
}

/// Whether a pin holds although it is not known what Git is at: as long as it cannot be had, there is
/// nothing newer. Before the first answer, only a pin that Git does not end is known to hold.
fn can_wait(stack: &Stack, pin: &Pin, reason: Reason) -> bool {
    match reason {
        Reason::SourceFailed | Reason::RenderFailed => true,
        Reason::Pending => {
            let mut others = stack.others.iter();
            let names_all = others.all(|other| pin.revision.others.contains_key(&other.name));
            pin.from.is_none() && names_all
        }
        _ => false,
    }
}

/// Whether Git is at nothing newer than what was rolled back. Where that is not certain, what was
/// rolled back is rendered as the Stack is now: a change of the Stack, or of the renderer, is no
/// newer commit.
async fn holds(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    (pin, newest, followed): (&Pin, &Render, &Revision),
) -> Result<bool, Halt> {
    let from = match pin.standing(followed, newest.digest) {
        Standing::Holds => return Ok(true),
        Standing::Ended => return Ok(false),
        Standing::Unclear(from) => from.clone(),
    };
    match rendered(engine, stack, state, from).await {
        Ok(render) => Ok(render.digest == newest.digest),
        Err(halt) if halt.reason == Reason::TargetFailed => Err(halt),
        // It cannot be had any more; what it rendered to then was something else.
        Err(_) => Ok(false),
    }
}

/// The render of what Git is at, and the revision.
async fn newest(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
) -> Result<(Arc<Render>, Revision), Halt> {
    let newest = newest_of(engine, stack, state).await;
    state.source.note(stack, &newest, engine.now());
    newest
}

async fn newest_of(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
) -> Result<(Arc<Render>, Revision), Halt> {
    let freshness = if state.wants_news(stack) || state.is_stale {
        Freshness::Fresh
    } else {
        Freshness::Any
    };
    let mut revision = match engine.repositories.follow(stack, freshness) {
        None => return Err(unanswered(stack)),
        Some(Ok(revision)) => revision,
        Some(Err(failure)) => {
            state.refreshed.clone_from(&stack.refresh);
            return Err(source_failed(failure.message, failure.hint));
        }
    };
    let newest = rendered(engine, stack, state, revision.clone()).await;
    let read = newest.as_ref().ok().map(|render| &render.rendered.trace);
    engine.repositories.take_up(stack, &revision, read);
    match &newest {
        Ok(render) => {
            state.note_followed(stack, &revision, Some(render));
            revision.charts.clone_from(&render.revision.charts);
        }
        Err(halt) if halt.reason == Reason::RenderFailed => {
            state.note_followed(stack, &revision, None);
        }
        Err(_) => {}
    }
    state.refreshed.clone_from(&stack.refresh);
    Ok((newest?, revision))
}

fn unanswered(stack: &Stack) -> Halt {
    let urls: Vec<&str> = stack
        .sources()
        .map(|(_, source)| source.repository.url.as_str())
        .collect();
    Halt::pending(format!("asks {} for news", urls.join(" and ")))
}

/// What a render may be for and still be what the Stack wants. A chart is told whether it is installed
/// or upgraded. What is in place was rendered as one of them, and is not rendered as the other before
/// something else changes.
fn choices(stack: &Stack) -> [RenderedFor; 2] {
    [true, false].map(|is_install| RenderedFor::of(stack, is_install))
}

/// The render of what is in place, as the Stack still wants it; none where that is not known.
pub(crate) fn in_place(stack: &Stack, state: &StackState) -> Option<Arc<Render>> {
    render_of(stack, state, state.rendered?)
}

/// The render of a digest, as the Stack still wants it; none where it is not held.
pub(crate) fn render_of(stack: &Stack, state: &StackState, digest: Digest) -> Option<Arc<Render>> {
    let choices = choices(stack);
    let mut renders = state.renders.iter();
    let found = renders.find(|render| render.digest == digest && choices.contains(&render.stack));
    found.cloned()
}

/// The render of the revision that was applied last, where that is still what is in place.
pub(crate) async fn applied(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
) -> Option<Arc<Render>> {
    let revision = state.applied.clone()?;
    let render = rendered(engine, stack, state, revision).await.ok()?;
    (Some(render.digest) == state.rendered).then_some(render)
}

/// The revision of a pin; sources that it says nothing of are as they are followed.
fn pinned(pin: &Pin, followed: Option<&Revision>) -> Revision {
    let mut revision = pin.revision.clone();
    for (name, commit) in followed.iter().flat_map(|followed| &followed.others) {
        let others = revision.others.entry(name.clone());
        others.or_insert_with(|| commit.clone());
    }
    revision
}

/// Renders a revision, or takes the render of an earlier one from which nothing that was read has
/// changed: a commit elsewhere in the repository is no news.
async fn rendered(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    revision: Revision,
) -> Result<Arc<Render>, Halt> {
    let choices = choices(stack);
    let known = state.renders.iter();
    // Of a revision that says what its charts were no other charts will do.
    let known: Vec<Arc<Render>> = known
        .filter(|render| choices.contains(&render.stack))
        .filter(|render| render.revision.has_charts_of(&revision))
        .cloned()
        .collect();
    let same_commits = known
        .iter()
        .filter(|render| render.revision.has_commits_of(&revision));
    for render in same_commits {
        if counts(engine, stack, state, (render, &revision)).await? {
            return Ok(Arc::clone(render));
        }
    }
    let tree = engine
        .repositories
        .files(stack, &revision)
        .await
        .map_err(|failure| source_failed(failure.message, failure.hint))?;
    for render in &known {
        if render.rendered.trace.holds(&*tree)
            && counts(engine, stack, state, (render, &revision)).await?
        {
            return Ok(Arc::clone(render));
        }
    }
    render_anew(engine, stack, state, revision, tree).await
}

/// Whether a render of the same files counts for a revision: what it read from elsewhere is still
/// the same.
async fn counts(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    (render, revision): (&Arc<Render>, &Revision),
) -> Result<bool, Halt> {
    Ok(
        still_holds(engine, stack, state, (&render.used, revision)).await?
            && lookups_hold(engine, stack, state, render).await?
            && values_hold(engine, stack, state, render).await?,
    )
}

/// Renders a revision, unless it was tried before and cannot be.
async fn render_anew(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    revision: Revision,
    tree: Arc<dyn Blobs>,
) -> Result<Arc<Render>, Halt> {
    let wanted = RenderedFor::of(stack, state.applied.is_none());
    let same = |refused: &&Refused| {
        refused.revision.has_commits_of(&revision)
            && refused.revision.has_charts_of(&revision)
            && refused.stack == wanted
    };
    if let Some(refused) = state.refused.as_ref().filter(same)
        && !state.wants_news(stack)
        && still_holds(engine, stack, state, (&refused.used, &revision)).await?
        && !has_other_keys(engine, stack, refused).await?
    {
        return Err(refused.halt(stack, &revision));
    }
    let opening = opening(engine, stack).await?;
    let setting = setting(engine, stack, state, (&*tree, &opening)).await?;
    let job = Job::of(stack, tree, setting, &revision, engine.tenant(stack)?);
    let oldest = oldest(stack, state);
    let begun = Instant::now();
    engine.counters.render();
    let rendered = engine
        .externals
        .render(&job, Some(&*engine.ports.connections), oldest);
    let rendered = rendered.await.and_then(|made| admitted(stack, &job, made));
    let (rendered, used) = match rendered {
        Ok(rendered) => rendered,
        Err(RenderFailure::Fetch { message, hint }) => return Err(source_failed(message, hint)),
        Err(RenderFailure::Refused(problem)) => return Err(refused(vec![*problem])),
        Err(RenderFailure::Render { error, used }) => {
            let of = (&opening, &revision, wanted);
            return Err(unrendered(stack, state, of, (error, used)));
        }
    };
    state.looked_up = Some(begun);
    let rendered = marked(rendered, stack, &engine.digests);
    let render = Arc::new(Render {
        digest: render::digest(&rendered.objects),
        revision: Revision {
            charts: used.charts,
            ..revision
        },
        stack: wanted,
        rendered,
        used: used.digests,
        watched: opening.watched(),
    });
    hold(state, &render);
    Ok(render)
}

/// What comes of files that could not be rendered. It is remembered where trying again gives the same.
fn unrendered(
    stack: &Stack,
    state: &mut StackState,
    (opening, revision, wanted): (&Opening, &Revision, RenderedFor),
    (error, used): (render::Error, Used),
) -> Halt {
    if let Some(away) = opening.away() {
        return keys::away(stack, &away, Some(&error));
    }
    let refused = Refused {
        revision: Revision {
            charts: used.charts,
            ..revision.clone()
        },
        stack: wanted,
        used: used.digests,
        error,
        unopened: opening.unopened(),
        lacks_values: opening.lacks_values(),
    };
    let halt = refused.halt(stack, revision);
    let may_pass = refused.error.may_pass() || refused.lacks_values;
    state.refused = (!may_pass).then_some(refused);
    halt
}

fn hold(state: &mut StackState, render: &Arc<Render>) {
    state.renders.insert(0, Arc::clone(render));
    // What was rolled back may have to be rendered anew beside what is pinned and what Git is at.
    let pinned = usize::from(state.pin.is_some());
    state.renders.truncate(RENDERS + pinned);
}

/// What was rendered, unless there is a Secret in it that its Stack wants to be sealed.
fn admitted(
    stack: &Stack,
    job: &Job,
    (rendered, used): (Rendered, Used),
) -> Result<(Rendered, Used), RenderFailure> {
    if stack.secrets.plain == PlainSecrets::Warn {
        return Ok((rendered, used));
    }
    let is_chart = render::detect(&*job.tree, &job.folder, &job.choice);
    let is_chart = is_chart == Ok(render::Renderer::Helm);
    match plain::refused(&rendered.objects, is_chart) {
        Some(error) => Err(RenderFailure::Render { error, used }),
        None => Ok((rendered, used)),
    }
}

impl Refused {
    /// Why nothing was rendered. Where keys are missing they are looked for again.
    fn halt(&self, stack: &Stack, revision: &Revision) -> Halt {
        let halt = render_failed(revision, &self.error);
        match keys::again(stack, self) {
            Some(pause) => halt.again_where(true, pause),
            None => halt,
        }
    }
}

/// How fresh what may move has to be: from after a person asked, or not older than the interval.
fn oldest(stack: &Stack, state: &StackState) -> Option<Instant> {
    let now = Instant::now();
    if state.wants_news(stack) {
        return Some(now);
    }
    now.checked_sub(stack.source.repository.interval)
}

/// Whether the charts and bases from outside of the source that a render used are still those that
/// it would get: ranges of versions at every interval, all of them when a person asks, and none of
/// those whose versions the revision says.
async fn still_holds(
    engine: &Shared,
    stack: &Stack,
    state: &StackState,
    (used, revision): (&Digests, &Revision),
) -> Result<bool, Halt> {
    let asked = state.wants_news(stack);
    let is_said = |external: &External| {
        let label = external.label();
        label.is_some_and(|label| revision.charts.contains_key(&label))
    };
    let all = used.iter();
    let checked: Digests = all
        .filter(|(external, _)| (asked || is_moving(external)) && !is_said(external))
        .map(|(external, digest)| (external.clone(), *digest))
        .collect();
    let Some(oldest) = oldest(stack, state).filter(|_| !checked.is_empty()) else {
        return Ok(true);
    };
    let connections = &*engine.ports.connections;
    let holds = engine
        .externals
        .holds(&checked, &stack.render, connections, oldest);
    holds
        .await
        .map_err(|failure| source_failed(failure.message, failure.hint))
}

/// Whether the target still answers what a render looked up there as it did. It is asked at every
/// interval, and when a person asks; what it cannot be asked does not hold.
async fn lookups_hold(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    render: &Arc<Render>,
) -> Result<bool, Halt> {
    let is_recent = state.looked_up >= oldest(stack, state);
    if !render.looks_up() || is_recent {
        return Ok(true);
    }
    let at = Instant::now();
    if let Some(told) = render.rendered.trace.told() {
        let target = &stack.destination.target;
        let now = engine.capabilities(target).await.map_err(unreachable)?;
        if told != render::told(&now.version, &now.api_versions) {
            return Ok(false);
        }
    }
    let live = lookups_of(engine, stack).await?;
    let entropy = engine.entropy(&stack.uid, &stack.render.seed);
    let render = Arc::clone(render);
    let work = move || render.rendered.trace.lookups_hold(&live, &entropy);
    let holds = tokio::task::spawn_blocking(work).await.unwrap_or_default();
    if holds {
        state.looked_up = Some(at);
    }
    Ok(holds)
}

async fn lookups_of(engine: &Shared, stack: &Stack) -> Result<render::LookupSource, Halt> {
    let destination = &stack.destination;
    let target = engine.target_of(stack).await.map_err(unreachable)?;
    let allowed = stack.render.helm.lookups;
    Ok(lookups(target, &destination.namespace, allowed))
}

/// What a render is told of the world. Only charts ask what the target is.
async fn setting(
    engine: &Shared,
    stack: &Stack,
    state: &StackState,
    (tree, opening): (&dyn Blobs, &Opening),
) -> Result<render::Setting, Halt> {
    let mut setting = render::Setting {
        name: stack.key.name.clone(),
        namespace: stack.destination.namespace.clone(),
        is_install: state.applied.is_none(),
        now: engine.now(),
        entropy: engine.entropy(&stack.uid, &stack.render.seed),
        kube_version: None,
        api_versions: Vec::new(),
        lookups: render::LookupSource::default(),
        unsealer: opening.unsealer.clone(),
    };
    let is_chart = render::detect(tree, &stack.source.path, &stack.render);
    if is_chart == Ok(render::Renderer::Helm) {
        let target = &stack.destination.target;
        let capabilities = engine.capabilities(target).await.map_err(unreachable)?;
        setting.kube_version = Some(capabilities.version.clone());
        setting.api_versions = capabilities.api_versions.clone();
        setting.lookups = lookups_of(engine, stack).await?;
    }
    Ok(setting)
}

fn source_failed(message: String, hint: Option<String>) -> Halt {
    Halt {
        reason: Reason::SourceFailed,
        message: message.clone(),
        problems: vec![Problem {
            reason: Reason::SourceFailed.to_string(),
            object: None,
            origin: None,
            message,
            hint,
        }],
        again: Some(Duration::from_secs(30)),
        kept: None,
    }
}

fn render_failed(revision: &Revision, error: &render::Error) -> Halt {
    let problems = match error.faults() {
        [] => vec![Problem {
            reason: Reason::RenderFailed.to_string(),
            object: None,
            origin: None,
            message: error.to_string(),
            hint: matches!(error, render::Error::Missing(_))
                .then(|| "spec.render.remotes refuses that; commit a copy, or allow it".to_owned()),
        }],
        faults => faults
            .iter()
            .map(|fault| Problem {
                reason: Reason::RenderFailed.to_string(),
                object: None,
                origin: Some(fault.origin.clone()),
                message: fault.message.clone(),
                hint: fault.hint.clone(),
            })
            .collect(),
    };
    let pause = match error {
        // A disk that failed may not fail again.
        render::Error::Storage(_) => Duration::from_secs(5),
        _ => Duration::from_secs(30),
    };
    let first: &Problem = &problems[0];
    Halt {
        reason: Reason::RenderFailed,
        message: format!("{revision} cannot be rendered: {first}"),
        problems,
        again: error.may_pass().then_some(pause),
        kept: None,
    }
}
