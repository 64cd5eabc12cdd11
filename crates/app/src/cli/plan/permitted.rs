//! Whether a Stack's Tenant allows what is planned, as the engine asks it. It must not plan.

use std::sync::Arc;

use holdfast_control::Plane;
use holdfast_model::object::Object;
use holdfast_model::stack::Stack;
use holdfast_model::status::Problem;
use holdfast_model::tenant::{Standing, Tenant, Tenants, Untenanted};

use crate::cli::exit::Stop;

/// The Tenant of a Stack, as far as it is known.
pub(super) struct Permission {
    /// Nothing where the Stack is in none.
    pub(super) tenant: Option<Arc<Tenant>>,
    /// What is to be said of that.
    pub(super) note: Option<String>,
}

impl Permission {
    /// Finds the Tenant of a Stack and asks it about the Stack itself.
    ///
    /// # Errors
    /// Where the Stack may not be as it is.
    pub(super) async fn read(plane: &Plane, stack: &Stack) -> anyhow::Result<Self> {
        let all = match plane.tenants().await {
            Ok(all) => all.into_iter().map(Arc::new).collect(),
            Err(error) => {
                let note = format!("whether a Tenant allows this is not known here: {error}");
                return Ok(Self {
                    tenant: None,
                    note: Some(note),
                });
            }
        };
        // Whether a Tenant is required is the engine's own matter, which nobody can read.
        let untenanted = Untenanted::Anything;
        let tenant = match (Tenants { all, untenanted }).standing(&stack.key.namespace) {
            Standing::Free => None,
            Standing::Of(tenant) => Some(tenant),
            Standing::Refused { message, hint } => {
                return Err(Stop::blocked(format!("{message}\n  hint: {hint}")));
            }
        };
        let problems = tenant.as_ref().map(|tenant| tenant.refusals(stack));
        allowed(problems.unwrap_or_default())?;
        Ok(Self { tenant, note: None })
    }

    /// Asks it about the objects that are wanted.
    ///
    /// # Errors
    /// Where some are not allowed; all are named.
    pub(super) fn check(&self, stack: &Stack, desired: &[Object]) -> anyhow::Result<()> {
        let target = &stack.destination.target;
        let refused = self.tenant.iter();
        let refused = refused.flat_map(|tenant| tenant.refused_objects(target, desired));
        allowed(refused.collect())
    }
}

fn allowed(problems: Vec<Problem>) -> anyhow::Result<()> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Stop::not_permitted(&problems)),
    }
}
