//! What is known of types that are found out on the way, and which type may stand where another is
//! wanted (`checker/types.go` of cel-go). It must not know expressions.

use std::sync::Arc;

use super::kinds::Type;

/// How many steps one expression may take. Types can be told in a few words and be endless when
/// they are written out; what takes longer than this is taken for right.
const STEPS: u32 = 2_000_000;

/// What stands for the variables, and how to get back to what did before.
pub(super) struct Bindings<'a> {
    known: Vec<Option<Type<'a>>>,
    before: Vec<(u32, Option<Type<'a>>)>,
    left: u32,
}

impl<'a> Bindings<'a> {
    pub(super) fn new() -> Self {
        Self {
            known: Vec::new(),
            before: Vec::new(),
            left: STEPS,
        }
    }

    /// Whether there were too many steps, so that nothing that was found can be relied on.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The first of so many new variables.
    pub(super) fn fresh(&mut self, count: u32) -> u32 {
        let first = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.known.extend((0..count).map(|_| None));
        first
    }

    /// Whether one type may stand where the other is wanted; if so, what that says of variables is
    /// known from now on.
    pub(super) fn fits(&mut self, given: &Type<'a>, wanted: &Type<'a>) -> bool {
        self.all_fit(&[(given, wanted)])
    }

    /// The same of several, all together.
    pub(super) fn all_fit(&mut self, pairs: &[(&Type<'a>, &Type<'a>)]) -> bool {
        self.before.clear();
        let fits = pairs
            .iter()
            .all(|(given, wanted)| self.step_fits(given, wanted));
        if !fits {
            while let Some((number, known)) = self.before.pop() {
                self.set(number, known);
            }
        }
        fits
    }

    fn step(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn get(&self, number: u32) -> Option<Type<'a>> {
        self.known.get(number as usize).cloned().flatten()
    }

    fn set(&mut self, number: u32, known: Option<Type<'a>>) -> Option<Type<'a>> {
        let place = self.known.get_mut(number as usize)?;
        std::mem::replace(place, known)
    }

    fn bind(&mut self, number: u32, found: Type<'a>) {
        let before = self.set(number, Some(found));
        self.before.push((number, before));
    }

    fn step_fits(&mut self, given: &Type<'a>, wanted: &Type<'a>) -> bool {
        if !self.step() {
            return true;
        }
        if let Type::Variable(number) = wanted {
            match self.may_be(given, *number) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if let Type::Variable(number) = given {
            return self.may_be(wanted, *number).0;
        }
        match (given, wanted) {
            (Type::Error, _) | (_, Type::Error) => true,
            (left, right) if left.is_dyn() || right.is_dyn() => true,
            (Type::Null, other) | (other, Type::Null) => may_be_null(other),
            (Type::Plain(left), Type::Plain(right)) => left == right,
            (Type::Object(left), Type::Object(right)) => left.name == right.name,
            (Type::Named(_), Type::Named(_)) => true,
            (Type::List(left), Type::List(right)) => self.step_fits(left, right),
            (Type::Map(left), Type::Map(right)) => {
                self.step_fits(&left.0, &right.0) && self.step_fits(&left.1, &right.1)
            }
            (Type::Opaque(name, left), Type::Opaque(other, right)) => {
                name == other && self.of_each(left, right, Self::step_fits)
            }
            _ => false,
        }
    }

    /// Whether something holds of each pair of parts, of which there are as many on both sides.
    fn of_each(
        &mut self,
        left: &[Type<'a>],
        right: &[Type<'a>],
        holds: fn(&mut Self, &Type<'a>, &Type<'a>) -> bool,
    ) -> bool {
        let mut pairs = left.iter().zip(right);
        left.len() == right.len() && pairs.all(|(left, right)| holds(self, left, right))
    }

    /// Whether a variable may stand for a type, and whether it stands for something already.
    fn may_be(&mut self, found: &Type<'a>, number: u32) -> (bool, bool) {
        if matches!(found, Type::Variable(other) if *other == number) {
            return (true, true);
        }
        if let Some(known) = self.get(number) {
            if self.is_same(found, &known) {
                return (true, true);
            }
            if !self.step_fits(found, &known) {
                return (false, true);
            }
            let general = self.more_general(found, &known);
            if !self.is_in(number, &general) {
                self.bind(number, general);
            }
            return (true, true);
        }
        if self.is_in(number, found) {
            return (false, false);
        }
        self.bind(number, found.clone());
        (true, false)
    }

    /// Whether a variable is part of a type.
    fn is_in(&mut self, number: u32, found: &Type<'a>) -> bool {
        if !self.step() {
            return false;
        }
        match found {
            Type::Variable(other) if *other == number => true,
            Type::Variable(other) => match self.get(*other) {
                Some(known) => self.is_in(number, &known),
                None => false,
            },
            Type::List(inner) | Type::Named(inner) => self.is_in(number, inner),
            Type::Map(parts) => self.is_in(number, &parts.0) || self.is_in(number, &parts.1),
            Type::Opaque(_, parts) => parts.iter().any(|part| self.is_in(number, part)),
            _ => false,
        }
    }

    /// The more general one of two types that fit.
    pub(super) fn more_general(&mut self, left: &Type<'a>, right: &Type<'a>) -> Type<'a> {
        if self.is_as_general(left, right) {
            left.clone()
        } else {
            right.clone()
        }
    }

    fn is_as_general(&mut self, left: &Type<'a>, right: &Type<'a>) -> bool {
        if !self.step() {
            return true;
        }
        let is_open = |found: &Type<'a>| found.is_dyn() || matches!(found, Type::Variable(_));
        if is_open(left) {
            return true;
        }
        if is_open(right) {
            return false;
        }
        match (left, right) {
            (Type::List(left), Type::List(right)) => self.is_as_general(left, right),
            (Type::Map(left), Type::Map(right)) => {
                self.is_as_general(&left.0, &right.0) && self.is_as_general(&left.1, &right.1)
            }
            (Type::Opaque(name, left), Type::Opaque(other, right)) => {
                name == other && self.of_each(left, right, Self::is_as_general)
            }
            (Type::Named(_), Type::Named(_)) => true,
            _ => self.is_same(left, right),
        }
    }

    /// Whether two types are the same to the last part.
    pub(super) fn is_same(&mut self, left: &Type<'a>, right: &Type<'a>) -> bool {
        if !self.step() {
            return true;
        }
        match (left, right) {
            (Type::Dyn, Type::Dyn) | (Type::Error, Type::Error) | (Type::Null, Type::Null) => true,
            (Type::Plain(left), Type::Plain(right)) => left == right,
            (Type::Variable(left), Type::Variable(right)) => left == right,
            (Type::Object(left), Type::Object(right)) => left.name == right.name,
            (Type::List(left), Type::List(right)) | (Type::Named(left), Type::Named(right)) => {
                self.is_same(left, right)
            }
            (Type::Map(left), Type::Map(right)) => {
                self.is_same(&left.0, &right.0) && self.is_same(&left.1, &right.1)
            }
            (Type::Opaque(name, left), Type::Opaque(other, right)) => {
                name == other && self.of_each(left, right, Self::is_same)
            }
            _ => false,
        }
    }

    /// The type with everything in it that is known; what is not stays a variable.
    pub(super) fn filled(&mut self, found: &Type<'a>) -> Type<'a> {
        self.replaced(found, false)
    }

    /// The type with everything in it that is known; what is not may be anything.
    pub(super) fn settled(&mut self, found: &Type<'a>) -> Type<'a> {
        self.replaced(found, true)
    }

    fn replaced(&mut self, found: &Type<'a>, is_last: bool) -> Type<'a> {
        if !self.step() {
            return Type::Dyn;
        }
        match found {
            Type::Variable(number) => match self.get(*number) {
                Some(known) => self.replaced(&known, is_last),
                None if is_last => Type::Dyn,
                None => found.clone(),
            },
            Type::List(item) => self.replaced(item, is_last).list(),
            Type::Map(parts) => {
                let key = self.replaced(&parts.0, is_last);
                Type::map(key, self.replaced(&parts.1, is_last))
            }
            Type::Opaque(name, parts) if !parts.is_empty() => {
                let parts = parts.iter().map(|part| self.replaced(part, is_last));
                Type::Opaque(name, parts.collect())
            }
            Type::Named(inner) => Type::Named(Arc::new(self.replaced(inner, is_last))),
            other => other.clone(),
        }
    }
}

/// The type of a signature with variables of its own.
pub(super) fn renamed<'a>(found: &Type<'a>, first: u32) -> Type<'a> {
    match found {
        Type::Variable(number) => Type::Variable(first.saturating_add(*number)),
        Type::List(item) => renamed(item, first).list(),
        Type::Map(parts) => Type::map(renamed(&parts.0, first), renamed(&parts.1, first)),
        Type::Opaque(name, parts) => Type::Opaque(
            name,
            parts.iter().map(|part| renamed(part, first)).collect(),
        ),
        Type::Named(inner) => Type::Named(Arc::new(renamed(inner, first))),
        other => other.clone(),
    }
}

/// Whether null may stand for a value of a type.
fn may_be_null(found: &Type<'_>) -> bool {
    matches!(
        found,
        Type::Null | Type::Opaque(..) | Type::Object(_) | Type::Plain("duration" | "timestamp")
    )
}
