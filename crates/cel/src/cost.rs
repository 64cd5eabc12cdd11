//! What calls cost, by the sizes of what they are given: the numbers of cel-go
//! (`interpreter/runtimecost.go`, `common/cost.go`) and of k8s.io/apiserver
//! (`pkg/cel/library/cost.go`). It must not know expressions.

use kube_cel::cel::Value;

use super::values::size;

/// A tenth of the length: going through a text once.
pub(crate) fn traversal(length: u64) -> u64 {
    length.div_ceil(10)
}

/// A quarter of the length of a regular expression.
pub(crate) fn pattern(length: u64) -> u64 {
    length.div_ceil(4)
}

/// What a call costs whose operands have these sizes, the target first. A size that is not known
/// makes the cost unknown where it counts.
pub(crate) fn of_sizes(name: &str, sizes: &[Option<u64>], is_text: bool) -> Option<u64> {
    let size = |index: usize| sizes.get(index).copied().flatten();
    Some(match name {
        // What is looked for counts, not what it is looked for in.
        "startsWith" | "endsWith" => traversal(size(1)?),
        "bytes" | "format" | "strings.quote" => traversal(size(0)?),
        "@in" => size(1)?,
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => {
            let known = [size(0), size(1)].into_iter().flatten();
            traversal(known.min()?)
        }
        "_+_" if is_text => traversal(size(0)?.saturating_add(size(1)?)),
        "matches" => {
            let text = traversal(size(0)?.saturating_add(1));
            text.saturating_mul(pattern(size(1)?))
        }
        "find" | "findAll" => {
            let text = traversal(size(0)?.saturating_add(1));
            text.saturating_mul(pattern(size(1)?))
        }
        "contains" => traversal(size(0)?).saturating_mul(traversal(size(1)?)),
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            if is_text {
                traversal(size(0)?)
            } else {
                size(0)?
            }
        }
        "url"
        | "isURL"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "replace"
        | "split"
        | "ip"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver"
        | "jsonpatch.escapeKey"
        | "ip.isCanonical" => traversal(size(0)?),
        "join" => 0,
        // So that one expression asks for two permissions at most.
        "check" => 350_000,
        "sets.contains" | "sets.intersects" => size(0)?.saturating_mul(size(1)?),
        "sets.equivalent" => size(0)?.saturating_mul(size(1)?).saturating_mul(2),
        _ => 1,
    })
}

/// What a call costs: by its operands before it is made, and by its result after that.
pub(crate) fn of_call(name: &str, operands: &[&Value], result: Option<&Value>) -> u64 {
    if let Some(result) = result {
        return match name {
            "join" => traversal(size(result).saturating_mul(2)),
            _ => 0,
        };
    }
    let sizes: Vec<Option<u64>> = operands.iter().map(|value| Some(size(value))).collect();
    let is_text = operands
        .iter()
        .all(|value| matches!(value, Value::String(_) | Value::Bytes(_)));
    of_sizes(name, &sizes, is_text).unwrap_or(1)
}

/// A key as errors show it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}
