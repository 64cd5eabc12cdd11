//! Policies on small requests. What they answer is compared with a real API server by the conformance
//! script `admission`.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{Facts, Input, Policy, Verdict};
use crate::authorizer::{Authorizer, Decision, Question};

/// Allows whoever asks, and keeps what was asked.
#[derive(Default)]
struct Asked(RefCell<Vec<String>>);

impl Authorizer for Asked {
    fn decide(&self, question: &Question) -> Decision {
        self.0.borrow_mut().push(question.verb.clone());
        Decision {
            allowed: true,
            reason: "because".to_owned(),
        }
    }
}

fn judged(spec: &Value, object: &Value, asked: &Asked) -> Verdict {
    let facts = Facts {
        object: Input::of(object),
        old_object: Input::null(),
        request: Input::of(&json!({"operation": "CREATE"})),
        namespace: Input::null(),
        params: Input::null(),
        requested: Question::default(),
        authorizer: asked,
    };
    Policy::compile(spec).judge(&facts)
}

fn check(spec: &Value, object: &Value, expected: &[&str]) {
    let verdict = judged(spec, object, &Asked::default());
    let denials = verdict.denials.iter();
    let found: Vec<&str> = denials.map(|denial| denial.message.as_str()).collect();
    assert_eq!(found, expected, "{spec}");
}

#[test]
fn a_validation_that_does_not_hold_says_why() {
    let spec = json!({"validations": [
        {"expression": "object.a == 1", "message": "a is one"},
        {"expression": "object.b == 2", "messageExpression": "'b is ' + string(object.b)"},
        {"expression": "object.c == 3"},
    ]});
    check(&spec, &json!({"a": 1, "b": 2, "c": 3}), &[]);
    check(
        &spec,
        &json!({"a": 2, "b": 3, "c": 4}),
        &["a is one", "b is 3", "failed expression: object.c == 3"],
    );
}

#[test]
fn a_variable_is_evaluated_once_and_only_when_it_is_asked_for() {
    let allowed = |verb: &str| format!("authorizer.path('/a').check('{verb}').allowed()");
    let spec = json!({
        "variables": [
            {"name": "asked", "expression": allowed("get")},
            {"name": "other", "expression": allowed("put")},
        ],
        "validations": [
            {"expression": "variables.asked && variables.asked"},
            {"expression": "variables.asked || variables.other"},
        ],
    });
    let asked = Asked::default();
    assert_eq!(judged(&spec, &json!({}), &asked), Verdict::default());
    assert_eq!(*asked.0.borrow(), ["get"]);
}

#[test]
fn what_cannot_be_evaluated_refuses_only_where_the_policy_fails() {
    let wrong = "expression 'object.a == 1' resulted in error: no such key: a";
    let spec = |policy: &str| json!({"failurePolicy": policy, "validations": [{"expression": "object.a == 1"}]});
    check(&spec("Fail"), &json!({}), &[wrong]);
    check(&spec("Ignore"), &json!({}), &[]);
    check(
        &spec("Ignore"),
        &json!({"a": 2}),
        &["failed expression: object.a == 1"],
    );
}

#[test]
fn a_text_of_an_object_is_not_repeated_in_what_the_library_says() {
    let spec = json!({"validations": [{"expression": "ip(object.a).family() == 4"}]});
    let verdict = judged(&spec, &json!({"a": "hunter2"}), &Asked::default());
    let [denial] = verdict.denials.as_slice() else {
        panic!("{verdict:?}");
    };
    assert!(!denial.message.contains("hunter2"), "{}", denial.message);
}
