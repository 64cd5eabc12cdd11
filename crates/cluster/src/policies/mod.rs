//! Admission policies in force: what they say of a request before anything is stored. It must not
//! know how objects are written, nor what expressions mean.
//!
//! ```text
//! attempt ─matching─▶ policies and bindings ─params, facts─▶ verdicts ─▶ warnings, or a refusal
//! ```

mod attempt;
mod facts;
mod matching;
mod params;

use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use attempt::{Attempt, Operation, Place};
use facts::Known;
use holdfast_admit::{ApiError, ResourceId, Result, Served};
use holdfast_cel::{Denial, Policy};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use matching::matches;

use crate::store::Store;

const GROUP: &str = "admissionregistration.k8s.io";

/// The policies in force, compiled when they are first needed after one of them has changed.
#[derive(Default)]
pub(crate) struct Policies(RwLock<Compiled>);

#[derive(Default)]
struct Compiled {
    /// How often something has changed.
    changes: u64,
    list: Option<Arc<[Enforced]>>,
}

/// A policy that is bound.
struct Enforced {
    name: String,
    spec: Value,
    policy: Policy,
    bindings: Vec<Binding>,
}

struct Binding {
    name: String,
    spec: Value,
}

impl Policies {
    /// A policy or a binding has changed.
    pub(crate) fn forget(&self) {
        let mut compiled = self.0.write().unwrap_or_else(PoisonError::into_inner);
        compiled.changes += 1;
        compiled.list = None;
    }

    fn enforced(&self, store: &Store) -> Arc<[Enforced]> {
        let changes = {
            let compiled = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(list) = &compiled.list {
                return list.clone();
            }
            compiled.changes
        };
        let list: Arc<[Enforced]> = compiled(store).into();
        let mut compiled = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What has changed meanwhile is compiled the next time.
        if compiled.changes == changes {
            compiled.list = Some(list.clone());
        }
        list
    }
}

/// The policies that have bindings, by name.
fn compiled(store: &Store) -> Vec<Enforced> {
    let list = |plural| store.values(&ResourceId::new(GROUP, plural), None);
    let bindings = list("validatingadmissionpolicybindings");
    if bindings.is_empty() {
        return Vec::new();
    }
    let policies = list("validatingadmissionpolicies").into_iter();
    let enforced = policies.filter_map(|policy| {
        let name = text(&policy["metadata"], "name");
        let bound = bindings.iter();
        let bound = bound.filter(|binding| text(&binding["spec"], "policyName") == name);
        let bound = bound.map(|binding| Binding {
            name: text(&binding["metadata"], "name").to_owned(),
            spec: binding["spec"].clone(),
        });
        let bindings: Vec<Binding> = bound.collect();
        (!bindings.is_empty()).then(|| Enforced {
            name: name.to_owned(),
            spec: policy["spec"].clone(),
            policy: Policy::compile(&policy["spec"]),
            bindings,
        })
    });
    enforced.collect()
}

/// Resources that no policy sees: policies could lock themselves in, and questions change nothing.
fn is_exempt(served: &Served) -> bool {
    let plural = served.kind.plural.as_str();
    match served.kind.group.as_str() {
        GROUP => plural.contains("admissionpolic"),
        "authentication.k8s.io" => matches!(plural, "selfsubjectreviews" | "tokenreviews"),
        "authorization.k8s.io" => plural.ends_with("reviews"),
        _ => false,
    }
}

/// What a policy has against a request, and the binding by which it does.
struct Objection {
    policy: String,
    binding: Option<String>,
    denial: Denial,
}

/// What all policies say.
#[derive(Default)]
struct Judgement {
    warnings: Vec<String>,
    objections: Vec<Objection>,
}

/// What the policies in force warn of.
///
/// # Errors
/// The refusal, when one of them denies the request.
pub(crate) fn judge(
    policies: &Policies,
    place: Place<'_>,
    attempt: &Attempt<'_>,
) -> Result<Vec<String>> {
    let enforced = policies.enforced(place.store);
    if enforced.is_empty() || is_exempt(attempt.served) {
        return Ok(Vec::new());
    }
    let known = Known::new(place, attempt);
    let mut judgement = Judgement::default();
    for policy in enforced.iter() {
        judgement.hear(policy, &known);
    }
    let Some(first) = judgement.objections.first() else {
        return Ok(judgement.warnings);
    };
    let error = refusal(attempt, first);
    Err(error.warned(&judgement.warnings))
}

fn refusal(attempt: &Attempt<'_>, objection: &Objection) -> ApiError {
    let by = match &objection.binding {
        Some(binding) => format!(" with binding '{binding}'"),
        None => String::new(),
    };
    let message = format!(
        "ValidatingAdmissionPolicy '{}'{by} denied request: {}",
        objection.policy, objection.denial.message
    );
    let metadata = attempt.object.map(|object| &object["metadata"]);
    let own = |field| metadata.map_or("", |metadata| text(metadata, field));
    let names = [attempt.name, own("name"), own("generateName")];
    let name = names.into_iter().find(|name| !name.is_empty());
    let reason = objection.denial.reason.as_deref().unwrap_or("Invalid");
    let subject = attempt.served.resource();
    ApiError::denied(&subject, name.unwrap_or("Unknown"), reason, &message)
}

impl Judgement {
    fn object(&mut self, policy: &Enforced, binding: Option<&Binding>, denial: Denial) {
        self.objections.push(Objection {
            policy: policy.name.clone(),
            binding: binding.map(|binding| binding.name.clone()),
            denial,
        });
    }

    /// Something about a policy, or about a binding of it, is not as it has to be.
    fn misconfigured(&mut self, policy: &Enforced, binding: Option<&Binding>, problem: &str) {
        if policy.spec["failurePolicy"] == "Ignore" {
            return;
        }
        let what = if binding.is_some() {
            "binding"
        } else {
            "policy"
        };
        let message = format!("failed to configure {what}: {problem}");
        let denial = Denial {
            reason: None,
            message,
        };
        self.object(policy, binding, denial);
    }

    fn hear(&mut self, policy: &Enforced, known: &Known<'_>) {
        let Some(matched) = matches(&policy.spec["matchConstraints"], known) else {
            return;
        };
        let kind = match params::kind(&policy.spec, known.place.registry) {
            Ok(kind) => kind,
            Err(problem) => return self.misconfigured(policy, None, &problem),
        };
        for binding in &policy.bindings {
            let resources = &binding.spec["matchResources"];
            if !resources.is_null() && matches(resources, known).is_none() {
                continue;
            }
            let reference = &binding.spec["paramRef"];
            let params = match params::collect(kind.as_deref(), reference, known) {
                Ok(params) => params,
                Err(problem) => {
                    self.misconfigured(policy, Some(binding), &problem);
                    continue;
                }
            };
            for params in params {
                let verdict = policy.policy.judge(&known.facts(&matched, params));
                for denial in verdict.denials {
                    self.deny(policy, binding, denial);
                }
                for message in verdict.errors {
                    let denial = Denial {
                        reason: None,
                        message,
                    };
                    self.object(policy, Some(binding), denial);
                }
            }
        }
    }

    /// Does what the binding says about a denial. What goes to an audit log goes nowhere here.
    fn deny(&mut self, policy: &Enforced, binding: &Binding, denial: Denial) {
        for action in items(&binding.spec, "validationActions") {
            match action.as_str() {
                Some("Deny") => self.object(policy, Some(binding), denial.clone()),
                Some("Warn") => {
                    let warning = format!(
                        "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                        policy.name, binding.name, denial.message
                    );
                    if !self.warnings.contains(&warning) {
                        self.warnings.push(warning);
                    }
                }
                _ => {}
            }
        }
    }
}
