//! Checks of who pods and containers run as, and what they may do. It must not know what they run.

use std::collections::BTreeSet;

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{one_of, ordered};

/// The longest name of a kernel parameter.
const MAX_SYSCTL: usize = 253;

/// Who a pod runs as, and what it shares.
pub(super) fn security(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let found = &spec["securityContext"];
    let field = |name: &str| format!("{path}.securityContext.{name}");
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        is_id(&found[name], field(name), errors);
    }
    for (index, group) in items(found, "supplementalGroups").iter().enumerate() {
        is_id(
            group,
            field(&format!("supplementalGroups[{index}]")),
            errors,
        );
    }
    sysctls(found, &field("sysctls"), errors);
    let policies = ["Always", "OnRootMismatch"];
    let place = field("fsGroupChangePolicy");
    one_of(&found["fsGroupChangePolicy"], &place, &policies, errors);
    if spec["hostPID"] == true && spec["shareProcessNamespace"] == true {
        let problem = "ShareProcessNamespace and HostPID cannot both be enabled";
        let field = format!("{path}.shareProcessNamespace");
        errors.push(FieldError::invalid(field, &json!(true), problem));
    }
}

/// Names of kernel parameters, with dots or slashes between their parts.
fn sysctls(context: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| is_letter(*byte));
        let fits = |byte: &u8| is_letter(*byte) || matches!(byte, b'-' | b'_');
        ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(fits)
    };
    let mut seen = BTreeSet::new();
    for (index, sysctl) in items(context, "sysctls").iter().enumerate() {
        let (name, field) = (text(sysctl, "name"), format!("{place}[{index}].name"));
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if name.len() > MAX_SYSCTL || !name.split(['.', '/']).all(is_part) {
            let problem = format!(
                "must have at most {MAX_SYSCTL} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(FieldError::invalid(field, &json!(name), &problem));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(field, &json!(name)));
        }
    }
}

/// Refuses a number that is no user or group.
fn is_id(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    if value
        .as_i64()
        .is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id))
    {
        let problem = "must be between 0 and 2147483647, inclusive";
        errors.push(FieldError::invalid(field, value, problem));
    }
}

pub(super) fn container_security(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let context = &one["securityContext"];
    let field = |name: &str| format!("{place}.securityContext.{name}");
    for name in ["runAsUser", "runAsGroup"] {
        is_id(&context[name], field(name), errors);
    }
    let mounts = ["Default", "Unmasked"];
    one_of(&context["procMount"], &field("procMount"), &mounts, errors);
    let profile = &context["seccompProfile"];
    if text(profile, "type") == "Localhost" && text(profile, "localhostProfile").is_empty() {
        let problem = "must be set when seccomp type is Localhost";
        errors.push(FieldError::required(
            field("seccompProfile.localhostProfile"),
            problem,
        ));
    }
    privileges(context, &format!("{place}.securityContext"), errors);
}

/// Who may not gain privileges may not have all of them either.
fn privileges(context: &Value, place: &str, errors: &mut Vec<FieldError>) {
    if context["allowPrivilegeEscalation"] != false {
        return;
    }
    let added = items(&context["capabilities"], "add");
    let other = if context["privileged"] == true {
        "`privileged` to true"
    } else if added.iter().any(|added| added == "CAP_SYS_ADMIN") {
        "`capabilities.Add` CAP_SYS_ADMIN"
    } else {
        return;
    };
    let fields = [
        ("Capabilities", "capabilities"),
        ("Privileged", "privileged"),
        ("SELinuxOptions", "seLinuxOptions"),
        ("WindowsOptions", "windowsOptions"),
        ("RunAsUser", "runAsUser"),
        ("RunAsGroup", "runAsGroup"),
        ("RunAsNonRoot", "runAsNonRoot"),
        ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
        ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
        ("ProcMount", "procMount"),
        ("SeccompProfile", "seccompProfile"),
        ("AppArmorProfile", "appArmorProfile"),
    ];
    let fields = fields.map(|(shown, name)| (shown, context[name].clone()));
    let shown = ordered(&fields);
    let message = format!(
        "Invalid value: {shown}: cannot set `allowPrivilegeEscalation` to false and {other}"
    );
    errors.push(FieldError::plain("FieldValueInvalid", place, message));
}
