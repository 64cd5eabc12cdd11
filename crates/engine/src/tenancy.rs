//! What a Stack may do: its Tenant is asked before anything is read for it, before anything is fetched
//! that a render names, and before anything is planned. It must not know how Tenants are written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::object::Object;
use holdfast_model::operation::Failure;
use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason};
use holdfast_model::tenant::{Standing, Tenant, Tenants, Untenanted};
use holdfast_target::Target;

use crate::engine::Shared;
use crate::externals::refusal;
use crate::look::Halt;
use crate::state::{Render, StackState};

/// The Tenants that are known.
pub(crate) struct Tenancy {
    known: Mutex<Known>,
}

struct Known {
    tenants: Arc<Tenants>,
    /// What they mean for the namespaces that somebody has asked about.
    standings: HashMap<String, Standing>,
}

/// What was found to be permitted last, and by whom.
pub(crate) struct Permitted {
    tenant: Arc<Tenant>,
    render: Arc<Render>,
    objects: Arc<[Object]>,
}

impl Tenancy {
    /// No Tenants are known yet.
    pub(crate) fn new(untenanted: Untenanted) -> Self {
        let all = Vec::new();
        let known = Known {
            tenants: Arc::new(Tenants { all, untenanted }),
            standings: HashMap::new(),
        };
        Self {
            known: Mutex::new(known),
        }
    }

    /// What counts for the Stacks of a namespace now.
    pub(crate) fn standing(&self, namespace: &str) -> Standing {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = known.standings.get(namespace) {
            return standing.clone();
        }
        let standing = known.tenants.standing(namespace);
        known
            .standings
            .insert(namespace.to_owned(), standing.clone());
        standing
    }

    /// Takes the Tenants as they are now; as they were before, and as they are. A Tenant that has not
    /// changed is the one that it was.
    pub(crate) fn replace(&self, tenants: Vec<Tenant>) -> (Arc<Tenants>, Arc<Tenants>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&known.tenants);
        let as_before = |tenant: Tenant| {
            let mut all = before.all.iter();
            let same = all.find(|known| ***known == tenant);
            same.map_or_else(|| Arc::new(tenant), Arc::clone)
        };
        let mut all: Vec<Arc<Tenant>> = tenants.into_iter().map(as_before).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        let untenanted = before.untenanted;
        let tenants = Arc::new(Tenants { all, untenanted });
        *known = Known {
            tenants: Arc::clone(&tenants),
            standings: HashMap::new(),
        };
        (before, tenants)
    }
}

impl Shared {
    /// The Tenant that a Stack is of; nothing where it may do what the engine may do.
    ///
    /// # Errors
    /// Where it may do nothing.
    pub(crate) fn tenant(&self, stack: &Stack) -> Result<Option<Arc<Tenant>>, Halt> {
        match self.tenancy.standing(&stack.key.namespace) {
            Standing::Free => Ok(None),
            Standing::Of(tenant) => Ok(Some(tenant)),
            Standing::Refused { message, hint } => Err(refused(vec![Problem {
                reason: Reason::NotPermitted.to_string(),
                object: None,
                origin: None,
                message,
                hint: Some(hint.to_owned()),
            }])),
        }
    }

    /// The target of a Stack, for all that is done there in its name.
    pub(crate) async fn target_of(
        self: &Shared,
        stack: &Stack,
    ) -> Result<Arc<dyn Target>, Failure> {
        let target = self.target(&stack.destination.target).await?;
        let standing = self.tenancy.standing(&stack.key.namespace);
        let user = match &standing {
            Standing::Of(tenant) => tenant.acts_as(stack),
            Standing::Free | Standing::Refused { .. } => None,
        };
        Ok(match user {
            Some(user) => target.acting_as(&user),
            None => target,
        })
    }
}

/// Refuses a Stack that asks for what its Tenant does not allow, before anything is read for it.
pub(crate) fn permit(engine: &Shared, stack: &Stack, state: &mut StackState) -> Result<(), Halt> {
    let asked = match engine.tenant(stack) {
        Ok(None) => return Ok(()),
        Ok(Some(tenant)) => match tenant.refusals(stack) {
            none if none.is_empty() => return Ok(()),
            problems => refused(problems),
        },
        Err(halt) => halt,
    };
    // Whoever asked for news of Git has this as the answer: Git is not asked.
    state.refreshed.clone_from(&stack.refresh);
    Err(asked)
}

/// Refuses what a Stack was rendered from, and the objects that it wants, where its Tenant does not allow
/// them.
pub(crate) fn permit_objects(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    render: &Arc<Render>,
    objects: &Arc<[Object]>,
) -> Result<(), Halt> {
    let Some(tenant) = engine.tenant(stack)? else {
        return Ok(());
    };
    let is_known = |known: &Permitted| {
        Arc::ptr_eq(&known.tenant, &tenant)
            && Arc::ptr_eq(&known.render, render)
            && Arc::ptr_eq(&known.objects, objects)
    };
    if state.permitted.as_ref().is_some_and(is_known) {
        return Ok(());
    }
    let read = render.used.keys();
    let read = read.filter_map(|external| refusal(&tenant, external));
    let wanted = tenant.refused_objects(&stack.destination.target, objects.iter());
    let problems: Vec<Problem> = read.chain(wanted).collect();
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    state.permitted = Some(Permitted {
        tenant,
        render: Arc::clone(render),
        objects: Arc::clone(objects),
    });
    Ok(())
}

/// A reconciliation that ended since something is not permitted. The Stack is woken when that changes.
pub(crate) fn refused(problems: Vec<Problem>) -> Halt {
    let more = match problems.len() {
        0 | 1 => String::new(),
        count => format!("; and {} more", count - 1),
    };
    let first = problems.first();
    let message = first.map(|first| format!("{first}{more}"));
    Halt {
        problems,
        ..Halt::new(Reason::NotPermitted, message.unwrap_or_default())
    }
}
