//! Admission policies: what their expressions say of a request. It must not know which policies are
//! in force, nor what a request is made of.
//!
//! ```text
//! spec ─compile─▶ Policy; facts ─matches─▶ validations ─▶ messages ─▶ annotations ─▶ Verdict
//! ```

mod compile;
mod scope;
#[cfg(test)]
mod tests;

pub use compile::{Compiled, Compiler};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use kube_cel::cel::Value as Cel;
use scope::Scope;

use crate::authorizer::{Authorizer, Question};
use crate::values::plain;

/// What all expressions of a policy together may cost for one request (`RuntimeCELCostBudget` of
/// k8s.io/apiserver).
const BUDGET: u64 = 10_000_000;
/// The same of the conditions under which it counts (`RuntimeCELCostBudgetMatchConditions`).
const MATCH_BUDGET: u64 = 2_500_000;
/// The longest message that an expression may make.
const MAX_MESSAGE: usize = 5 * 1024;

/// A value that expressions are given.
#[derive(Clone, Debug)]
pub struct Input(Cel);

impl Input {
    /// A JSON value.
    pub fn of(value: &Value) -> Self {
        Self(plain(value))
    }

    /// There is none.
    pub fn null() -> Self {
        Self(Cel::Null)
    }
}

/// What a policy is asked about.
pub struct Facts<'a> {
    /// The object as it is to be.
    pub object: Input,
    /// The object as it is.
    pub old_object: Input,
    /// The request, as an AdmissionRequest.
    pub request: Input,
    /// The namespace of the object.
    pub namespace: Input,
    /// The parameters that the binding names.
    pub params: Input,
    /// The resource of the request, as whoever sends it could ask for it.
    pub requested: Question,
    /// Who says what somebody may do.
    pub authorizer: &'a dyn Authorizer,
}

/// What a policy says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused, where the binding denies.
    pub denials: Vec<Denial>,
    /// Why it is refused whatever the binding does.
    pub errors: Vec<String>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason that the policy gives.
    pub reason: Option<String>,
    /// What is said.
    pub message: String,
}

impl Denial {
    fn plain(message: String) -> Self {
        Self {
            reason: None,
            message,
        }
    }
}

/// A policy, ready to be asked.
pub struct Policy {
    /// Whether what cannot be evaluated refuses the request.
    fails: bool,
    variables: Vec<(String, Compiled)>,
    conditions: Vec<Compiled>,
    validations: Vec<Validation>,
    annotations: Vec<Compiled>,
}

struct Validation {
    compiled: Compiled,
    /// What says why, where it is an expression.
    told: Option<Compiled>,
    message: String,
    reason: Option<String>,
}

/// The values of several expressions, or why each has none; and what is left of the budget.
type Values = (Vec<Result<Cel, String>>, u64);

impl Policy {
    /// A policy by its spec. What is wrong with it shows when it is asked.
    pub fn compile(spec: &Value) -> Self {
        let mut compiler = Compiler::new(spec["paramKind"].is_object());
        let variables = items(spec, "variables").iter();
        let variables = variables.map(|variable| {
            let name = text(variable, "name");
            let compiled = compiler.variable(name, text(variable, "expression"));
            (name.to_owned(), compiled)
        });
        let variables = variables.collect();
        let conditions = items(spec, "matchConditions").iter();
        let conditions = conditions.map(|found| compiler.condition(text(found, "expression")));
        let conditions = conditions.collect();
        let validations = items(spec, "validations").iter();
        let validations = validations.map(|found| Validation {
            compiled: compiler.condition(text(found, "expression")),
            told: Some(text(found, "messageExpression"))
                .filter(|text| !text.is_empty())
                .map(|text| compiler.message(text)),
            message: text(found, "message").trim().to_owned(),
            reason: found["reason"].as_str().map(str::to_owned),
        });
        let validations = validations.collect();
        let annotations = items(spec, "auditAnnotations").iter();
        let annotations =
            annotations.map(|found| compiler.annotation(text(found, "valueExpression")));
        Self {
            fails: spec["failurePolicy"] != "Ignore",
            variables,
            conditions,
            validations,
            annotations: annotations.collect(),
        }
    }

    /// What the policy says of a request.
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict {
        match self.matches(facts) {
            Ok(true) => {}
            Ok(false) => return Verdict::default(),
            Err(problem) => return self.failing(problem),
        }
        let scope = Scope::new(&self.variables, facts);
        let validations = self.validations.iter();
        let validations = validations.map(|validation| Some(&validation.compiled));
        let (values, left) = match scope.all(validations, BUDGET) {
            Ok(found) => found,
            Err(problem) => return self.failing(problem),
        };
        let told = self.validations.iter();
        let told = told.map(|validation| validation.told.as_ref());
        let told = Scope::asking_nobody(&self.variables, facts).all(told, left);
        let mut verdict = Verdict::default();
        for (index, value) in values.into_iter().enumerate() {
            let message = match &told {
                Ok((messages, _)) => Ok(messages.get(index).and_then(|found| found.as_ref().ok())),
                Err(problem) => Err(problem),
            };
            verdict.denials.extend(self.denial(index, value, message));
        }
        verdict.errors = match self.annotation_problems(facts) {
            Ok(problems) => problems,
            Err(problem) => return self.failing(problem),
        };
        verdict
    }

    /// What could not be evaluated.
    fn failing(&self, problem: String) -> Verdict {
        Verdict {
            denials: self
                .fails
                .then(|| Denial::plain(problem))
                .into_iter()
                .collect(),
            errors: Vec::new(),
        }
    }

    /// Whether the policy counts for a request.
    fn matches(&self, facts: &Facts<'_>) -> Result<bool, String> {
        if self.conditions.is_empty() {
            return Ok(true);
        }
        let scope = Scope::without_namespace(&self.variables, facts);
        let (values, _) = match scope.all(self.conditions.iter().map(Some), MATCH_BUDGET) {
            Ok(found) => found,
            Err(problem) if self.fails => return Err(problem),
            Err(_) => return Ok(false),
        };
        if values.contains(&Ok(Cel::Bool(false))) {
            return Ok(false);
        }
        let mut problems: Vec<String> = Vec::new();
        for problem in values.into_iter().filter_map(Result::err) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        match problems.as_slice() {
            [] => Ok(true),
            _ if !self.fails => Ok(false),
            [problem] => Err(problem.clone()),
            _ => Err(format!("[{}]", problems.join(", "))),
        }
    }

    /// What a validation has against the request.
    fn denial(
        &self,
        index: usize,
        value: Result<Cel, String>,
        message: Result<Option<&Cel>, &String>,
    ) -> Option<Denial> {
        let failed = |problem: String| self.fails.then(|| Denial::plain(problem));
        let value = match value {
            Ok(value) => value,
            Err(problem) => return failed(problem),
        };
        let message = match message {
            Ok(message) => message,
            Err(problem) => return failed(format!("failed messageExpression: {problem}")),
        };
        if value == Cel::Bool(true) {
            return None;
        }
        let validation = self.validations.get(index)?;
        let is_short = |text: &&str| text.len() <= MAX_MESSAGE && !text.contains('\n');
        let told = match message {
            Some(Cel::String(text)) => Some(text.trim()).filter(is_short).unwrap_or(""),
            _ => "",
        };
        let message = [told, &validation.message]
            .into_iter()
            .find(|text| !text.is_empty());
        let message = message.map(str::to_owned).unwrap_or_else(|| {
            let expression = validation.compiled.text.trim();
            format!("failed expression: {expression}")
        });
        Some(Denial {
            reason: Some(
                validation
                    .reason
                    .clone()
                    .unwrap_or_else(|| "Invalid".to_owned()),
            ),
            message,
        })
    }

    /// What is wrong with the annotations for an audit log, which nobody keeps here.
    fn annotation_problems(&self, facts: &Facts<'_>) -> Result<Vec<String>, String> {
        let scope = Scope::asking_nobody(&self.variables, facts);
        let (values, _) = scope.all(self.annotations.iter().map(Some), BUDGET)?;
        let problems = values.into_iter().filter_map(Result::err);
        Ok(problems.filter(|_| self.fails).collect())
    }
}
