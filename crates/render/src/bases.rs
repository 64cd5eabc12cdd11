//! Bases of overlays that are kept as they were built, with what was read for them, so that
//! overlays over one base build it once. It must not know what a base is made of.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_kustomize::{Base, LoadRestriction};
use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::digest::{Digest, Hasher};

use crate::trace::{Trace, Traced};
use crate::unseal::Unseal;

/// How many objects are kept in bases together.
const OBJECTS: usize = 20_000;
/// How many bases are kept.
const BASES: usize = 1_000;
/// How many bases that differ in more than their kustomization are kept for one folder.
const VARIANTS: usize = 4;

/// Bases that were built, kept for as long as their files are the same, and shared by all Stacks and
/// commits that use them.
#[derive(Default)]
pub struct Bases {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bases: HashMap<Digest, Vec<Arc<Known>>>,
    /// The keys, the oldest first.
    order: VecDeque<Digest>,
    objects: usize,
}

/// A base, and what was read for it.
struct Known {
    base: Arc<Base>,
    trace: Trace,
}

impl Bases {
    fn of(&self, key: &Digest) -> Vec<Arc<Known>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bases.get(key).cloned().unwrap_or_default()
    }

    fn keep(&self, key: Digest, known: Arc<Known>) {
        let objects = known.base.len();
        if objects > OBJECTS / 4 {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        let variants = held.bases.entry(key).or_default();
        if variants.len() >= VARIANTS {
            let oldest = variants.remove(0);
            held.objects -= oldest.base.len();
        } else {
            held.order.push_back(key);
        }
        variants.push(known);
        held.objects += objects;
        while held.objects > OBJECTS || held.order.len() > BASES {
            let Some(oldest) = held.order.pop_front() else {
                break;
            };
            let Some(variants) = held.bases.get_mut(&oldest) else {
                continue;
            };
            held.objects -= variants.remove(0).base.len();
            if variants.is_empty() {
                held.bases.remove(&oldest);
            }
        }
    }
}

/// The bases that one render takes and leaves.
pub(crate) struct Sharing<'a> {
    bases: &'a Bases,
    blobs: &'a dyn Blobs,
    unseal: Option<&'a dyn Unseal>,
    /// What was read for bases: by the render itself, and on top of it by each base that is being
    /// built.
    read: Mutex<Vec<Trace>>,
}

impl<'a> Sharing<'a> {
    /// Builds bases from the files of a reader, which note nothing, and opens what it opens.
    pub(crate) fn new(bases: &'a Bases, reader: &Traced<'a>) -> Self {
        Self {
            bases,
            blobs: reader.untraced(),
            unseal: reader.unseal(),
            read: Mutex::new(vec![Trace::default()]),
        }
    }

    /// What was read for bases, those included that were built before.
    pub(crate) fn finish(self) -> Trace {
        let read = self.read.into_inner();
        let mut read = read.unwrap_or_else(PoisonError::into_inner);
        read.pop().unwrap_or_default()
    }

    fn with_read<T>(&self, change: impl FnOnce(&mut Vec<Trace>) -> T) -> T {
        change(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, trace: &Trace) {
        self.with_read(|read| {
            if let Some(top) = read.last_mut() {
                top.include(trace);
            }
        });
    }

    /// Folders of many repositories have the same path; their kustomizations mostly differ.
    fn key(&self, folder: &TreePath, restriction: LoadRestriction) -> Digest {
        let mut hasher = Hasher::new("base");
        hasher.field(folder.as_str().as_bytes());
        hasher.field(format!("{restriction:?}").as_bytes());
        // Who leaves a file sealed has another base.
        let opens_files = self.unseal.is_some_and(Unseal::opens_files);
        hasher.field(&[u8::from(opens_files)]);
        for name in holdfast_kustomize::FILE_NAMES {
            let path = folder.join(name).unwrap_or_default();
            if let Ok(Some(identity)) = self.blobs.identity(&path) {
                hasher.field(identity.as_bytes());
            }
        }
        hasher.finish()
    }
}

impl holdfast_kustomize::Bases for Sharing<'_> {
    fn base(
        &self,
        folder: &TreePath,
        restriction: LoadRestriction,
        build: &mut dyn FnMut(&dyn Blobs) -> Option<Arc<Base>>,
    ) -> Option<Arc<Base>> {
        let key = self.key(folder, restriction);
        let known = self.bases.of(&key);
        let same = known
            .iter()
            .rev()
            .find(|known| known.trace.holds(self.blobs));
        if let Some(same) = same {
            self.note(&same.trace);
            return Some(Arc::clone(&same.base));
        }
        self.with_read(|read| read.push(Trace::default()));
        let traced = Traced::new(self.blobs).opening(self.unseal);
        let base = build(&traced);
        let mut trace = traced.finish();
        if let Some(inner) = self.with_read(Vec::pop) {
            trace.include(&inner);
        }
        self.note(&trace);
        let base = base?;
        if trace.has_opened() {
            // What was sealed is for this Stack alone.
            return Some(base);
        }
        let known = Known {
            base: Arc::clone(&base),
            trace,
        };
        self.bases.keep(key, Arc::new(known));
        Some(base)
    }
}
