//! Bases that several overlays have in common: built once, and kept by whoever asks for builds. It
//! must not know how they are kept, nor how it is found out that their files are still the same.

use std::sync::Arc;

use holdfast_model::artifact::{Blobs, TreePath};

use super::{Builder, DEEPEST, Gathered, Outcome, Target};
use crate::load::{LoadRestriction, Loader};

/// A base as it was built, before any overlay changed it.
pub struct Base {
    gathered: Gathered,
    /// The folders that it is made of, its own among them.
    entered: Vec<TreePath>,
}

impl Base {
    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.gathered.resources.list.len()
    }

    /// Whether it holds no objects.
    pub fn is_empty(&self) -> bool {
        self.gathered.resources.list.is_empty()
    }
}

/// Keeps bases between builds, and within one.
pub trait Bases: Sync {
    /// The base in a folder: one that was built before from files that are all the same, or what
    /// `build` makes of it, reading through what it is given. `build` answers nothing where the
    /// base is not to be kept, and is called once at most.
    fn base(
        &self,
        folder: &TreePath,
        restriction: LoadRestriction,
        build: &mut dyn FnMut(&dyn Blobs) -> Option<Arc<Base>>,
    ) -> Option<Arc<Base>>;
}

impl Builder<'_> {
    /// Builds the base in a folder on its own, or takes one that was built before.
    pub(super) fn built_base(
        &mut self,
        parent: &Target<'_>,
        loader: &Loader<'_>,
        path: &str,
    ) -> Outcome<Gathered> {
        let bases = self.options.bases.filter(|_| self.may_share(loader));
        let Some(bases) = bases else {
            return self.make_base(parent, loader.clone(), path);
        };
        let mut unshared = None;
        let shared = bases.base(&loader.root, loader.restriction, &mut |blobs| {
            let start = self.entered.len();
            let gathered = self.make_base(parent, loader.reading(blobs), path);
            match gathered {
                Ok(gathered) if self.may_share(loader) => {
                    let mut entered = self.entered.split_off(start);
                    entered.sort();
                    entered.dedup();
                    Some(Arc::new(Base { gathered, entered }))
                }
                other => {
                    unshared = Some(other);
                    None
                }
            }
        });
        if let Some(outcome) = unshared {
            return outcome;
        }
        match shared.filter(|base| fits(base, parent, loader)) {
            Some(base) => {
                self.entered.extend(base.entered.iter().cloned());
                Ok(base.gathered.clone())
            }
            None => self.make_base(parent, loader.clone(), path),
        }
    }

    fn make_base(
        &mut self,
        parent: &Target<'_>,
        loader: Loader<'_>,
        path: &str,
    ) -> Outcome<Gathered> {
        let target = self.open_child(parent, loader, (path, false))?;
        self.accumulate(&target, Gathered::default())
    }

    /// Whether nothing but files of its source decides what a base is: no types of the overlay's, no
    /// charts, nothing fetched, and no notes of where the base was read from.
    fn may_share(&self, loader: &Loader<'_>) -> bool {
        !self.tracks_origins
            && !self.types_are_set
            && !self.rendered_charts
            && self.missing.is_empty()
            && loader.has_no_remotes()
    }
}

/// Whether building the base here would not be refused for leading in a circle or too deep.
fn fits(base: &Base, parent: &Target<'_>, loader: &Loader<'_>) -> bool {
    let leads_back = |entered: &TreePath| loader.is_on_the_way(entered);
    !base.entered.iter().any(leads_back) && parent.depth + base.entered.len() < DEEPEST
}
