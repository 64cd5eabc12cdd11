//! What the expressions of a policy are evaluated in: the facts, the policy's variables, each
//! evaluated once and only when it is asked for, and a budget. It must not know what expressions
//! are for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use kube_cel::cel::Value as Cel;

use super::compile::{Compiled, REQUESTED};
use super::{Facts, Values};
use crate::authorizer::{Asked, Authorizer, Decision, Question};
use crate::evaluate::{Outside, evaluate_within};
use crate::library::{Result, Stop, fail};

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
const TOO_COSTLY: &str = "operation cancelled: actual cost limit exceeded";

/// What expressions are evaluated in.
pub(super) struct Scope<'a> {
    composed: &'a [(String, Compiled)],
    given: Vec<(String, Cel)>,
    authorizer: &'a dyn Authorizer,
    /// What the policy's variables have turned out to be.
    known: RefCell<BTreeMap<String, Result<Cel>>>,
    /// What that has cost, and nobody has paid yet.
    owed: Cell<u64>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(composed: &'a [(String, Compiled)], facts: &'a Facts<'_>) -> Self {
        let mut scope = Self::asking_nobody(composed, facts);
        let mine = Asked::Authorizer(Question::default()).value();
        let requested = Asked::Resource(facts.requested.clone()).value();
        scope.given.push(("authorizer".to_owned(), mine));
        scope.given.push((REQUESTED.to_owned(), requested));
        scope
    }

    /// For expressions that may not ask who may do what.
    pub(super) fn asking_nobody(composed: &'a [(String, Compiled)], facts: &'a Facts<'_>) -> Self {
        let given = [
            ("object", &facts.object),
            ("oldObject", &facts.old_object),
            ("request", &facts.request),
            ("namespaceObject", &facts.namespace),
            ("params", &facts.params),
        ];
        let given = given.into_iter();
        let given = given.map(|(name, input)| (name.to_owned(), input.0.clone()));
        Self {
            composed,
            given: given.collect(),
            authorizer: facts.authorizer,
            known: RefCell::default(),
            owed: Cell::new(0),
        }
    }

    /// For expressions that are not shown the namespace.
    pub(super) fn without_namespace(
        composed: &'a [(String, Compiled)],
        facts: &'a Facts<'_>,
    ) -> Self {
        let mut scope = Self::new(composed, facts);
        for (name, value) in &mut scope.given {
            if name == "namespaceObject" {
                *value = Cel::Null;
            }
        }
        scope
    }

    /// The values of several expressions, of which some may be absent, one after the other.
    ///
    /// # Errors
    /// When they cost more than there is.
    pub(super) fn all<'c>(
        &self,
        expressions: impl Iterator<Item = Option<&'c Compiled>>,
        budget: u64,
    ) -> std::result::Result<Values, String> {
        let mut left = budget;
        let mut values = Vec::new();
        for compiled in expressions {
            let Some(compiled) = compiled else {
                values.push(Err(String::new()));
                continue;
            };
            let expression = match &compiled.expression {
                Ok(expression) => expression,
                Err(problem) => {
                    values.push(Err(format!("compilation error: {problem}")));
                    continue;
                }
            };
            let (value, cost) = evaluate_within(expression, self.given.clone(), Some(self));
            for cost in [self.owed.take(), cost] {
                let rest = left.checked_sub(cost);
                left = rest.ok_or_else(|| OUT_OF_BUDGET.to_owned())?;
            }
            let text = &compiled.text;
            values.push(
                value.map_err(|stop| {
                    format!("expression '{text}' resulted in error: {}", said(stop))
                }),
            );
        }
        Ok((values, left))
    }

    /// The value of one of the policy's variables, which is asked for the first time.
    fn found(&self, name: &str, compiled: &Compiled) -> Result<Cel> {
        let expression = match &compiled.expression {
            Ok(expression) => expression,
            Err(problem) => {
                return fail(format!(
                    "composited variable {name:?} fails to compile: {problem}"
                ));
            }
        };
        let (value, cost) = evaluate_within(expression, self.given.clone(), Some(self));
        self.owed.set(self.owed.get().saturating_add(cost));
        value.or_else(|stop| {
            fail(format!(
                "composited variable {name:?} fails to evaluate: {}",
                said(stop)
            ))
        })
    }
}

fn said(stop: Stop) -> String {
    match stop {
        Stop::Error(problem) => problem,
        Stop::Costly => TOO_COSTLY.to_owned(),
    }
}

impl Outside for Scope<'_> {
    fn composed(&self, name: &str) -> Option<Result<Cel>> {
        if let Some(known) = self.known.borrow().get(name) {
            return Some(known.clone());
        }
        // Of two with one name the later one counts.
        let mut composed = self.composed.iter().rev();
        let (_, compiled) = composed.find(|(known, _)| known == name)?;
        let found = self.found(name, compiled);
        let mut known = self.known.borrow_mut();
        known.insert(name.to_owned(), found.clone());
        Some(found)
    }

    fn decide(&self, question: &Question) -> Decision {
        self.authorizer.decide(question)
    }
}
