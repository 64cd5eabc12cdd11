//! What charts may look up on the target of their Stack. It must not know what they make of it.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::operation::Failure;
use holdfast_model::stack::Lookups;
use holdfast_render::{Live, LookupSource, Unanswered};
use holdfast_target::{Found, Scope, Target};
use tokio::runtime::Handle;

/// Answers lookups from a target. It is asked on threads that may wait.
struct Looking {
    target: Arc<dyn Target>,
    runtime: Handle,
    namespace: String,
    allowed: Lookups,
}

/// Who answers the lookups of charts that go to a namespace of a target; nobody where nothing may be
/// looked up. To be called on a tokio runtime, which the requests are then made on.
pub fn lookups(target: Arc<dyn Target>, namespace: &str, allowed: Lookups) -> LookupSource {
    if allowed == Lookups::None {
        return LookupSource::default();
    }
    LookupSource::of(Arc::new(Looking {
        target,
        runtime: Handle::current(),
        namespace: namespace.to_owned(),
        allowed,
    }))
}

impl Looking {
    async fn ask(&self, question: &Lookup) -> Result<Found, Unanswered> {
        if !self.is_allowed(question).await.map_err(failed)? {
            let message = format!(
                "`{question}` is not in namespace {}, and spec.render.helm.lookup allows no other; \
                 `cluster` does",
                self.namespace
            );
            return Err(Unanswered::Failed { message });
        }
        self.target.look_up(question).await.map_err(failed)
    }

    async fn is_allowed(&self, question: &Lookup) -> Result<bool, Failure> {
        if self.allowed == Lookups::Cluster || question.namespace == self.namespace {
            return Ok(true);
        }
        let kind = question.group_kind();
        let scopes = self.target.scopes(&[kind.clone()].into()).await?;
        Ok(scopes.get(&kind) == Some(&Scope::Cluster))
    }
}

fn failed(failure: Failure) -> Unanswered {
    Unanswered::Failed {
        message: failure.message,
    }
}

impl Live for Looking {
    fn look_up(&self, question: &Lookup) -> Result<Option<Value>, Unanswered> {
        match self.runtime.block_on(self.ask(question))? {
            Found::NoVersion => Err(Unanswered::NoVersion),
            Found::Nothing => Ok(None),
            Found::Object(value) => Ok(Some(value)),
        }
    }
}
