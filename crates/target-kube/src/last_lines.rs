//! What a container that has failed logged last. It must not know what is made of it.

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, LiveObject};
use holdfast_model::percent::encode;
use holdfast_target::{LastLines, LogLimits};

use crate::explain::pods_of;
use crate::request::Call;
use crate::target::Actor;

/// The newest lines of the container that has failed, of the newest failed pod of an object; `None`
/// where there is none or its log is not given.
pub(crate) async fn read(
    target: &Actor,
    object: &LiveObject,
    limits: LogLimits,
) -> Option<LastLines> {
    let kind = &object.key.key.kind;
    let pods = match kind.is("", "Pod") {
        true => vec![object.value.unpack()],
        false => pods_of(target, object).await,
    };
    let failed = pods.iter().filter_map(|pod| Some((pod, failed(pod)?)));
    let (pod, (container, previous)) =
        failed.max_by_key(|(pod, _)| text(pod, "/metadata/creationTimestamp"))?;
    let name = text(pod, "/metadata/name");
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}&limitBytes={}&previous={previous}",
        encode(object.key.key.namespace.as_deref()?),
        encode(name),
        encode(container),
        limits.lines,
        limits.bytes,
    );
    // A log that is longer than was asked for is not read to its end.
    let most = usize::try_from(limits.bytes).ok()?.saturating_add(1);
    let pod_kind = GroupKind::new("", "Pod");
    let call = Call::get(path);
    let bytes = target.api.call_once(&call, &pod_kind, most).await.ok()?;
    Some(LastLines {
        pod: name.to_owned(),
        container: container.to_owned(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// The container of a pod that has failed, and whether its log is that of its run before this one.
fn failed(pod: &Value) -> Option<(&str, bool)> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let all = statuses
        .iter()
        .filter_map(|path| pod.pointer(path)?.as_array())
        .flatten();
    let failed = |status: &Value, path: &str| {
        let code = status.pointer(path).and_then(Value::as_i64);
        code.is_some_and(|code| code != 0)
    };
    let found = all.clone().find_map(|status| {
        let name = status.get("name")?.as_str()?;
        if failed(status, "/state/terminated/exitCode") {
            return Some((name, false));
        }
        let again = failed(status, "/lastState/terminated/exitCode");
        again.then_some((name, true))
    });
    // Some nodes do not say which container it was.
    let any = || {
        let has_failed = text(pod, "/status/phase") == "Failed";
        let name = pod.pointer("/spec/containers/0/name")?.as_str()?;
        has_failed.then_some((name, false))
    };
    found.or_else(any)
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = value.pointer(path).and_then(Value::as_str);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &str, expected: Option<(&str, bool)>) {
        let spec = r#"{"containers": [{"name": "main"}]}"#;
        let pod: Value = format!(r#"{{"spec": {spec}, "status": {status}}}"#)
            .parse()
            .expect("it is JSON");
        assert_eq!(failed(&pod), expected);
    }

    #[test]
    fn the_container_that_failed_is_the_one_whose_log_is_read() {
        check(
            r#"{"phase": "Failed", "containerStatuses": [
                {"name": "side", "state": {"terminated": {"exitCode": 0}}},
                {"name": "main", "state": {"terminated": {"exitCode": 3}}}]}"#,
            Some(("main", false)),
        );
        check(
            r#"{"phase": "Pending", "initContainerStatuses": [
                {"name": "prepare", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"exitCode": 1}}}]}"#,
            Some(("prepare", true)),
        );
        check(r#"{"phase": "Failed"}"#, Some(("main", false)));
        check(
            r#"{"phase": "Running", "containerStatuses": [
                {"name": "main", "state": {"running": {}}}]}"#,
            None,
        );
    }
}
