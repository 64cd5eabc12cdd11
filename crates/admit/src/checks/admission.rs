//! What is refused of admission policies and their bindings. It must not know requests.

use holdfast_cel::{Compiled, Compiler};
use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{label_key, label_selector, named, one_of};
use crate::names;

/// The most annotations for an audit log.
const MAX_ANNOTATIONS: usize = 20;
/// The longest expression of such an annotation.
const MAX_ANNOTATION: usize = 5 * 1024;
/// The most conditions under which a policy counts.
const MAX_CONDITIONS: usize = 64;
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const NO_VALIDATION: &str = "validations or auditAnnotations must contain at least one item";

type Errors = Vec<FieldError>;

/// A ValidatingAdmissionPolicy.
pub(super) fn policy(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &new["spec"];
    chosen(
        &spec["failurePolicy"],
        "spec.failurePolicy",
        &["Fail", "Ignore"],
        errors,
    );
    let has_params = spec["paramKind"].is_object();
    if has_params {
        param_kind(&spec["paramKind"], errors);
    }
    let constraints = &spec["matchConstraints"];
    if constraints.is_null() {
        errors.push(FieldError::required("spec.matchConstraints", ""));
    } else {
        matched(constraints, "spec.matchConstraints", errors);
        if items(constraints, "resourceRules").is_empty() {
            let field = "spec.matchConstraints.resourceRules";
            errors.push(FieldError::required(field, ""));
        }
    }
    // Conditions are looked at again when something that they depend on has changed.
    let conditions = |value: &Value| value["spec"]["matchConditions"].clone();
    let is_kept = old.is_some_and(|old| {
        conditions(old) == conditions(new) && old["spec"]["paramKind"] == spec["paramKind"]
    });
    if !is_kept {
        match_conditions(spec, has_params, errors);
    }
    let mut compiler = Compiler::new(has_params);
    for (index, variable) in items(spec, "variables").iter().enumerate() {
        self::variable(&mut compiler, variable, index, errors);
    }
    let validations = items(spec, "validations");
    let annotations = items(spec, "auditAnnotations");
    if validations.is_empty() && annotations.is_empty() {
        errors.push(FieldError::required("spec.validations", NO_VALIDATION));
        errors.push(FieldError::required("spec.auditAnnotations", NO_VALIDATION));
    }
    for (index, found) in validations.iter().enumerate() {
        validation(
            &compiler,
            found,
            &format!("spec.validations[{index}]"),
            errors,
        );
    }
    audit_annotations(&compiler, new, annotations, errors);
}

/// Refuses what is none of the words that are known, and what is left out.
fn chosen(value: &Value, field: &str, known: &[&str], errors: &mut Errors) {
    if value.is_null() {
        errors.push(FieldError::required(field, ""));
    }
    one_of(value, field, known, errors);
}

/// Refuses an expression that cannot be compiled.
fn compiled(compiled: &Compiled, field: String, shown: &str, errors: &mut Errors) {
    if let Some(problem) = compiled.problem() {
        errors.push(FieldError::invalid(field, &json!(shown), problem));
    }
}

fn param_kind(kind: &Value, errors: &mut Errors) {
    let field = "spec.paramKind.apiVersion";
    let found = text(kind, "apiVersion");
    let mut refuse = |value: &str, problem: &str| {
        errors.push(FieldError::invalid(field, &json!(value), problem));
    };
    let parts: Vec<&str> = found.split('/').collect();
    match parts.as_slice() {
        _ if found.is_empty() => errors.push(FieldError::required(field, "")),
        ["", ""] => refuse(found, "version must be specified"),
        [_, _, _, ..] => refuse(found, &format!("unexpected GroupVersion string: {found}")),
        parts => {
            let (version, group) = match parts {
                [group, version] => (*version, *group),
                _ => (found, ""),
            };
            let problem = names::dns_subdomain_problem(group);
            if let Some(problem) = problem.filter(|_| !group.is_empty()) {
                refuse(group, &problem);
            }
            if version.is_empty() {
                refuse(found, "version must be specified");
            } else if let Some(problem) = names::dns_1035_problem(version) {
                refuse(version, &problem);
            }
        }
    }
    let found = text(kind, "kind");
    let field = "spec.paramKind.kind";
    if found.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if let Some(problem) = names::dns_1035_problem(&found.to_lowercase()) {
        let problem = format!("may have mixed case, but should otherwise match: {problem}");
        errors.push(FieldError::invalid(field, &json!(found), &problem));
    }
}

/// What a policy or a binding matches.
fn matched(found: &Value, path: &str, errors: &mut Errors) {
    let field = |name: &str| format!("{path}.{name}");
    chosen(
        &found["matchPolicy"],
        &field("matchPolicy"),
        &["Equivalent", "Exact"],
        errors,
    );
    for name in ["namespaceSelector", "objectSelector"] {
        if found[name].is_null() {
            errors.push(FieldError::required(field(name), ""));
        } else {
            label_selector(&found[name], &field(name), errors);
        }
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in items(found, name).iter().enumerate() {
            self::rule(rule, &format!("{path}.{name}[{index}]"), errors);
        }
    }
}

fn rule(rule: &Value, path: &str, errors: &mut Errors) {
    let names = items(rule, "resourceNames");
    for (index, name) in names.iter().enumerate() {
        let field = format!("{path}.resourceNames[{index}]");
        named(name, &field, names::path_segment_problem, errors);
        if names
            .get(..index)
            .is_some_and(|before| before.contains(name))
        {
            errors.push(FieldError::duplicate(field, name));
        }
    }
    let operations = items(rule, "operations");
    alone(rule, "operations", "operations", path, errors);
    for (index, operation) in operations.iter().enumerate() {
        let field = format!("{path}.operations[{index}]");
        one_of(operation, &field, &OPERATIONS, errors);
    }
    alone(rule, "apiGroups", "API groups", path, errors);
    alone(rule, "apiVersions", "API versions", path, errors);
    for (index, version) in items(rule, "apiVersions").iter().enumerate() {
        if version == "" {
            errors.push(FieldError::required(
                format!("{path}.apiVersions[{index}]"),
                "",
            ));
        }
    }
    resources(
        items(rule, "resources"),
        &format!("{path}.resources"),
        errors,
    );
    let scopes = ["*", "Cluster", "Namespaced"];
    one_of(&rule["scope"], &format!("{path}.scope"), &scopes, errors);
}

/// Refuses a list that is empty, or says `*` and something else.
fn alone(rule: &Value, name: &str, what: &str, path: &str, errors: &mut Errors) {
    let found = items(rule, name);
    let field = format!("{path}.{name}");
    if found.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if found.len() > 1 && found.iter().any(|word| word == "*") {
        let problem = format!("if '*' is present, must not specify other {what}");
        errors.push(FieldError::invalid(field, &rule[name], &problem));
    }
}

fn resources(found: &[Value], path: &str, errors: &mut Errors) {
    if found.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    let (mut of_all, mut all_of) = (Vec::new(), Vec::new());
    let mut has_plain = false;
    for (index, word) in found.iter().enumerate() {
        let field = format!("{path}[{index}]");
        let name = word.as_str().unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
            continue;
        }
        let Some((resource, part)) = name.split_once('/') else {
            has_plain = name != "*";
            continue;
        };
        if all_of.contains(&resource) {
            let problem = format!("if '{resource}/*' is present, must not specify {name}");
            errors.push(FieldError::invalid(field.clone(), word, &problem));
        }
        if of_all.contains(&part) {
            let problem = format!("if '*/{part}' is present, must not specify {name}");
            errors.push(FieldError::invalid(field, word, &problem));
        }
        all_of.extend(Some(resource).filter(|_| part == "*"));
        of_all.extend(Some(part).filter(|_| resource == "*"));
    }
    let has = |name: &str| found.iter().any(|word| word == name);
    if found.len() > 1 && has("*/*") {
        let problem = "if '*/*' is present, must not specify other resources";
        errors.push(FieldError::invalid(path, &json!(found), problem));
    }
    if has("*") && has_plain {
        let problem = "if '*' is present, must not specify other resources without subresources";
        errors.push(FieldError::invalid(path, &json!(found), problem));
    }
}

fn match_conditions(spec: &Value, has_params: bool, errors: &mut Errors) {
    // Conditions are compiled without the variables of the policy.
    let compiler = Compiler::new(has_params);
    let found = items(spec, "matchConditions");
    if found.len() > MAX_CONDITIONS {
        let limit = MAX_CONDITIONS as u64;
        errors.push(FieldError::too_many(
            "spec.matchConditions",
            found.len(),
            limit,
        ));
    }
    for (index, condition) in found.iter().enumerate() {
        let field = |name: &str| format!("spec.matchConditions[{index}].{name}");
        let expression = text(condition, "expression").trim();
        if expression.is_empty() {
            errors.push(FieldError::required(field("expression"), ""));
        } else {
            let result = compiler.condition(expression);
            compiled(&result, field("expression"), expression, errors);
        }
        let name = text(condition, "name");
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
            continue;
        }
        label_key(&condition["name"], &field("name"), errors);
        let mut before = found.iter().take(index);
        if before.any(|other| text(other, "name") == name) {
            errors.push(FieldError::duplicate(field("name"), &condition["name"]));
        }
    }
}

fn variable(compiler: &mut Compiler, variable: &Value, index: usize, errors: &mut Errors) {
    let field = |name: &str| format!("spec.variables[{index}].{name}");
    let name = text(variable, "name");
    if name.trim().is_empty() {
        errors.push(FieldError::required(field("name"), "name is not specified"));
    } else if !holdfast_cel::is_identifier(name) {
        let problem = "must be a valid CEL identifier";
        errors.push(FieldError::invalid(field("name"), &json!(name), problem));
    }
    let expression = text(variable, "expression");
    if expression.trim().is_empty() {
        let problem = "expression is not specified";
        errors.push(FieldError::required(field("expression"), problem));
    } else {
        let result = compiler.variable(name, expression);
        compiled(&result, field("expression"), expression, errors);
    }
}

fn validation(compiler: &Compiler, found: &Value, path: &str, errors: &mut Errors) {
    let field = |name: &str| format!("{path}.{name}");
    let expression = text(found, "expression");
    if expression.trim().is_empty() {
        let problem = "expression is not specified";
        errors.push(FieldError::required(field("expression"), problem));
    } else {
        let result = compiler.condition(expression);
        compiled(&result, field("expression"), expression, errors);
    }
    let told = text(found, "messageExpression");
    if !told.is_empty() && told.trim().is_empty() {
        let problem = "must be non-empty if specified";
        errors.push(FieldError::invalid(
            field("messageExpression"),
            &json!(told),
            problem,
        ));
    } else if !told.is_empty() {
        compiled(
            &compiler.message(told),
            field("messageExpression"),
            told,
            errors,
        );
    }
    let message = text(found, "message");
    let problem = if !message.is_empty() && message.trim().is_empty() {
        Some("must be non-empty if specified")
    } else if message.trim().contains(['\n', '\r']) {
        Some("must not contain line breaks")
    } else {
        None
    };
    if let Some(problem) = problem {
        errors.push(FieldError::invalid(
            field("message"),
            &json!(message),
            problem,
        ));
    }
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    one_of(&found["reason"], &field("reason"), &reasons, errors);
}

fn audit_annotations(compiler: &Compiler, policy: &Value, found: &[Value], errors: &mut Errors) {
    if found.len() > MAX_ANNOTATIONS {
        let problem = format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations");
        errors.push(FieldError::invalid(
            "spec.auditAnnotations",
            &json!(found),
            &problem,
        ));
    }
    let name = text(&policy["metadata"], "name");
    for (index, annotation) in found.iter().enumerate() {
        let field = |name: &str| format!("spec.auditAnnotations[{index}].{name}");
        let key = text(annotation, "key");
        if name.is_empty() {
            let problem = "requires metadata.name be non-empty";
            errors.push(FieldError::invalid(field("key"), &json!(key), problem));
        } else {
            label_key(&json!(format!("{name}/{key}")), &field("key"), errors);
        }
        let expression = text(annotation, "valueExpression");
        let place = field("valueExpression");
        let size = expression.trim().len();
        if size == 0 {
            errors.push(FieldError::required(
                place,
                "valueExpression is not specified",
            ));
        } else if size > MAX_ANNOTATION {
            let problem = format!("must not exceed {MAX_ANNOTATION} bytes in length");
            errors.push(FieldError::required(place, &problem));
        } else {
            compiled(
                &compiler.annotation(expression.trim()),
                place,
                expression,
                errors,
            );
        }
        let mut before = found.iter().take(index);
        if before.any(|other| text(other, "key") == key) {
            errors.push(FieldError::duplicate(field("key"), &json!(key)));
        }
    }
}

/// A ValidatingAdmissionPolicyBinding.
pub(super) fn binding(new: &Value, errors: &mut Errors) {
    let spec = &new["spec"];
    if text(spec, "policyName").is_empty() {
        errors.push(FieldError::required("spec.policyName", ""));
    }
    let name = &spec["policyName"];
    named(
        name,
        "spec.policyName",
        names::dns_subdomain_problem,
        errors,
    );
    param_ref(&spec["paramRef"], errors);
    if !spec["matchResources"].is_null() {
        matched(&spec["matchResources"], "spec.matchResources", errors);
    }
    let actions = items(spec, "validationActions");
    let path = "spec.validationActions";
    for (index, action) in actions.iter().enumerate() {
        let field = format!("{path}[{index}]");
        one_of(action, &field, &["Audit", "Deny", "Warn"], errors);
        if actions
            .get(..index)
            .is_some_and(|before| before.contains(action))
        {
            errors.push(FieldError::duplicate(field, action));
        }
    }
    let has = |name: &str| actions.iter().any(|action| action == name);
    if has("Deny") && has("Warn") {
        let problem = "must not contain both Deny and Warn (repeating the same validation failure \
                       information in the API response and headers serves no purpose)";
        errors.push(FieldError::invalid(
            path,
            &spec["validationActions"],
            problem,
        ));
    }
    if actions.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
}

fn param_ref(found: &Value, errors: &mut Errors) {
    if found.is_null() {
        return;
    }
    let (name, selector) = (text(found, "name"), &found["selector"]);
    let problem = "name and selector are mutually exclusive";
    named(
        &found["name"],
        "spec.paramRef.name",
        names::path_segment_problem,
        errors,
    );
    if !name.is_empty() && !selector.is_null() {
        errors.push(FieldError::forbidden("spec.paramRef.name", problem));
    }
    if !selector.is_null() {
        label_selector(selector, "spec.paramRef.selector", errors);
        if !name.is_empty() {
            errors.push(FieldError::forbidden("spec.paramRef.selector", problem));
        }
    }
    if name.is_empty() && selector.is_null() {
        let problem = "one of name or selector must be specified";
        errors.push(FieldError::required("spec.paramRef", problem));
    }
    let field = "spec.paramRef.parameterNotFoundAction";
    if text(found, "parameterNotFoundAction").is_empty() {
        errors.push(FieldError::required(field, ""));
    } else {
        one_of(
            &found["parameterNotFoundAction"],
            field,
            &["Deny", "Allow"],
            errors,
        );
    }
}
