//! A request with who makes it: all that is read of Stacks goes through here, so that nobody sees what they
//! may not. It must not know what is shown.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use holdfast_model::digest::Hasher;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::view::{Change, Fleet, Sight, StackView};
use http::request::Parts;

use crate::access::Viewer;
use crate::access::roles::Verb;
use crate::site::Site;

/// What of a change may be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// That something has changed.
    Something,
    /// Which Stack it is.
    Named,
}

/// The site as somebody sees it.
#[derive(Clone)]
pub(crate) struct Asker {
    site: Arc<Site>,
    pub(crate) viewer: Viewer,
}

impl Deref for Asker {
    type Target = Arc<Site>;

    fn deref(&self) -> &Self::Target {
        &self.site
    }
}

impl FromRequestParts<Arc<Site>> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        // The guard puts it there; a request that has not passed it may do nothing.
        let viewer = parts.extensions.get::<Viewer>().cloned();
        Ok(Self::new(site, viewer.unwrap_or_else(Viewer::stranger)))
    }
}

impl Asker {
    pub(crate) fn new(site: &Arc<Site>, viewer: Viewer) -> Self {
        Self {
            site: Arc::clone(site),
            viewer,
        }
    }

    /// Whether something may be done with a Stack.
    pub(crate) fn may(&self, verb: Verb, stack: &Stack) -> bool {
        let target = &stack.destination.target.0;
        self.viewer.rights.decide(verb, &stack.key, target).allows
    }

    /// The Stacks that may be seen. The number of what is seen in part changes when what is seen does, and
    /// tells nothing of the rest.
    pub(crate) fn fleet(&self) -> Arc<Fleet> {
        let fleet = self.site.views().fleet();
        if self.viewer.rights.is_everything() {
            return fleet;
        }
        let stacks = fleet.stacks.iter();
        let stacks: Vec<Arc<StackView>> = stacks
            .filter(|view| self.may(Verb::Get, &view.stack))
            .cloned()
            .collect();
        let mut digest = Hasher::new("fleet");
        for view in &stacks {
            digest.field(view.stack.uid.0.as_bytes());
            digest.field(&view.number.to_le_bytes());
        }
        let digest = digest.finish();
        // Six bytes: a number that scripts can hold.
        let number = digest.as_bytes().iter().take(6);
        let number = number.fold(0, |number, byte| number << 8 | u64::from(*byte));
        Arc::new(Fleet {
            number,
            stacks,
            sight: fleet.sight,
        })
    }

    /// A Stack that may be seen. Nobody finds out whether there is one that they may not see.
    pub(crate) fn stack(&self, key: &StackKey) -> Option<Arc<StackView>> {
        let view = self.site.views().stack(key)?;
        self.may(Verb::Get, &view.stack).then_some(view)
    }

    /// How far what is shown can be relied on.
    pub(crate) fn sight(&self) -> Sight {
        self.site.views().fleet().sight
    }

    /// Whether somebody may hear that something has changed, and of which Stack.
    pub(crate) fn hears(&self, change: &Change) -> Heard {
        let Some(key) = &change.stack else {
            return Heard::Something;
        };
        if self.viewer.rights.is_everything() {
            return Heard::Named;
        }
        match self.site.views().stack(key) {
            Some(view) if self.may(Verb::Get, &view.stack) => Heard::Named,
            Some(_) => Heard::Nothing,
            // Where it went to is not known any more; whoever could have seen it looks again.
            None if self.viewer.rights.reaches(key) => Heard::Something,
            None => Heard::Nothing,
        }
    }

    /// Whoever this is as they are now; none when they have to sign in again.
    pub(crate) fn again(&self) -> Option<Self> {
        let (Some(access), Some(person)) = (&self.site.access, &self.viewer.person) else {
            return Some(self.clone());
        };
        let viewer = access.again(person, self.site.now())?;
        Some(Self::new(&self.site, viewer))
    }
}
