//! The order of a plan: phase, wave, rank of the kind. It must not know what is done to an object.

use holdfast_model::object::{GroupKind, LiveObject, Object};
use holdfast_model::plan::{Phase, Slot};

/// The field manager that Holdfast applies as.
pub const MANAGER: &str = "holdfast";

/// The annotation that puts an object into a wave; waves follow each other, each after the one
/// before is healthy. Without it an object is in wave 0.
const WAVE_ANNOTATION: &str = "holdfast.dev/wave";
/// The annotation that makes an object a hook: `pre-sync` or `post-sync`.
const HOOK_ANNOTATION: &str = "holdfast.dev/hook";
/// Helm's annotation for the same, with events such as `pre-install,pre-upgrade`. The renderer
/// leaves out hooks of events that do not come to pass.
const HELM_HOOK_ANNOTATION: &str = "helm.sh/hook";
/// Hooks of one event run by weight, each after the one before has ended.
const HELM_WEIGHT_ANNOTATION: &str = "helm.sh/hook-weight";

/// When hooks are deleted again: `hook-succeeded`, `hook-failed`, both, or neither. In any case one is
/// deleted before it runs anew, which is Helm's `before-hook-creation`.
const HOOK_DELETE_ANNOTATION: &str = "holdfast.dev/hook-delete";
/// Helm's annotation for the same.
const HELM_DELETE_ANNOTATION: &str = "helm.sh/hook-delete-policy";

/// Kinds in the order in which they are applied: what others live in, then what others refer to,
/// then what runs, then what routes to it. What is not named comes after what runs, since it is
/// most often a custom object of a controller; admission comes last, since it judges the others.
const ORDER: [(&str, &str); 33] = [
    ("", "Namespace"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "Ingress"),
    ("apiregistration.k8s.io", "APIService"),
    // Everything else has this rank: see `rank`.
    ("", ""),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
];
const OTHERS: u16 = 30;

fn rank(kind: &GroupKind) -> u16 {
    let place = ORDER
        .iter()
        .position(|(group, name)| kind.is(group, name))
        .and_then(|place| u16::try_from(place).ok());
    place.unwrap_or(OTHERS)
}

/// When an object is applied, or a hook runs in its phase.
pub fn slot(object: &Object, phase: Phase) -> Slot {
    let text = object.annotation(WAVE_ANNOTATION).or_else(|| {
        object
            .annotation(HELM_HOOK_ANNOTATION)
            .and_then(|_| object.annotation(HELM_WEIGHT_ANNOTATION))
    });
    Slot {
        phase,
        wave: wave(text.as_deref()),
        rank: rank(&object.key().kind),
    }
}

/// When an object is deleted: the reverse of when it would be applied.
pub(crate) fn delete_slot(kind: &GroupKind, wave_text: Option<&str>) -> Slot {
    Slot {
        phase: Phase::Prune,
        wave: wave(wave_text).saturating_neg(),
        rank: u16::MAX - rank(kind),
    }
}

/// The wave annotation of a live object.
pub(crate) fn live_wave(live: &LiveObject) -> Option<String> {
    live.annotation(WAVE_ANNOTATION)
}

/// The phases in which a hook runs, earliest first: one for each of its events that comes to pass, as
/// Helm has it, so that `pre-install,post-install` runs twice. None for what is no hook.
pub fn hook_phases(object: &Object, is_install: bool) -> Vec<Phase> {
    match object.annotation(HOOK_ANNOTATION).as_deref() {
        Some("pre-sync") => return vec![Phase::PreSync],
        Some("post-sync") => return vec![Phase::PostSync],
        _ => {}
    }
    let Some(events) = object.annotation(HELM_HOOK_ANNOTATION) else {
        return Vec::new();
    };
    let named = |event: &str| events.split(',').any(|known| known.trim() == event);
    let of = |suffix: &str| {
        let phases = [("pre", Phase::PreSync), ("post", Phase::PostSync)];
        let phases = phases.into_iter();
        let phases = phases.filter(|(prefix, _)| named(&format!("{prefix}-{suffix}")));
        phases.map(|(_, phase)| phase).collect::<Vec<Phase>>()
    };
    let (comes, other) = if is_install {
        ("install", "upgrade")
    } else {
        ("upgrade", "install")
    };
    match of(comes) {
        // It was rendered by somebody else, and is a hook all the same.
        none if none.is_empty() => of(other).into_iter().take(1).collect(),
        phases => phases,
    }
}

/// Whether a hook is deleted after it has ended in this way: `hook-succeeded` or `hook-failed`.
pub(crate) fn is_deleted_after(object: &Object, ending: &str) -> bool {
    let policy = object
        .annotation(HOOK_DELETE_ANNOTATION)
        .or_else(|| object.annotation(HELM_DELETE_ANNOTATION));
    policy.is_some_and(|policy| policy.split(',').any(|word| word.trim() == ending))
}

fn wave(text: Option<&str>) -> i32 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
