//! JSON patch (RFC 6902). It must not know types.

use holdfast_model::Value;

/// The most operations in one patch.
pub const MAX_OPERATIONS: usize = 10_000;
/// The most bytes that all `copy` operations of a patch may add together.
const MAX_COPIED: usize = 3 << 20;

/// Why a patch was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The patch is no list of operations.
    #[error("the patch is not a list of operations")]
    NotAList,
    /// The patch has too many operations.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}")]
    TooMany {
        /// How many it has.
        count: usize,
    },
    /// An operation lacks a field, or has one that makes no sense.
    #[error("operation {index}: {problem}")]
    BadOperation {
        /// Which operation, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// A path leads nowhere.
    #[error("operation {index}: `{path}` does not exist")]
    NoSuchPath {
        /// Which operation, from 0.
        index: usize,
        /// The path.
        path: String,
    },
    /// A test did not hold.
    #[error("operation {index}: testing value {path} failed: test failed")]
    TestFailed {
        /// Which operation, from 0.
        index: usize,
        /// The path.
        path: String,
    },
    /// Copies would grow the object too much.
    #[error("the copies of the patch are larger than {MAX_COPIED} bytes")]
    TooLarge,
}

/// Changes `target` as the patch says. On an error, `target` may be changed in part.
///
/// # Errors
/// [`Error`] names the operation.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), Error> {
    let operations = patch.as_array().ok_or(Error::NotAList)?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooMany {
            count: operations.len(),
        });
    }
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        apply_one(target, operation, index, &mut copied)?;
    }
    Ok(())
}

fn apply_one(
    target: &mut Value,
    operation: &Value,
    index: usize,
    copied: &mut usize,
) -> Result<(), Error> {
    let text = |name: &str| {
        let found = operation.get(name).and_then(Value::as_str);
        found.ok_or_else(|| Error::BadOperation {
            index,
            problem: format!("`{name}` is missing"),
        })
    };
    let value = || {
        let found = operation.get("value").cloned();
        found.ok_or_else(|| Error::BadOperation {
            index,
            problem: "`value` is missing".to_owned(),
        })
    };
    let path = text("path")?;
    let missing = |path: &str| Error::NoSuchPath {
        index,
        path: path.to_owned(),
    };
    match text("op")? {
        "add" => add(target, path, value()?).ok_or_else(|| missing(path)),
        "remove" => take(target, path).map(drop).ok_or_else(|| missing(path)),
        "replace" => {
            let value = value()?;
            replace(target, path, value).ok_or_else(|| missing(path))
        }
        "move" => {
            let from = text("from")?;
            if path.len() > from.len() && path.starts_with(&format!("{from}/")) {
                return Err(Error::BadOperation {
                    index,
                    problem: "a value cannot be moved into itself".to_owned(),
                });
            }
            let value = take(target, from).ok_or_else(|| missing(from))?;
            add(target, path, value).ok_or_else(|| missing(path))
        }
        "copy" => {
            let from = text("from")?;
            let value = lookup(target, from).ok_or_else(|| missing(from))?.clone();
            *copied += value.to_string().len();
            if *copied > MAX_COPIED {
                return Err(Error::TooLarge);
            }
            add(target, path, value).ok_or_else(|| missing(path))
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            let found = lookup(target, path).unwrap_or(&Value::Null);
            let holds = crate::typed::same(found, wanted);
            let path = path.to_owned();
            holds.then_some(()).ok_or(Error::TestFailed { index, path })
        }
        other => Err(Error::BadOperation {
            index,
            problem: format!("`{other}` is no operation"),
        }),
    }
}

fn parts(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let rest = path.strip_prefix('/')?;
    let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
    Some(rest.split('/').map(unescape).collect())
}

fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(index_of(part, items.len())?),
        _ => None,
    }
}

/// An index into a list; negative ones count from its end, as the server's library has it.
fn index_of(part: &str, length: usize) -> Option<usize> {
    let index: i64 = part.parse().ok()?;
    if index < 0 {
        length.checked_sub(usize::try_from(-index).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

fn lookup<'a>(target: &'a Value, path: &str) -> Option<&'a Value> {
    let mut current = target;
    for part in parts(path)? {
        current = step(current, &part)?;
    }
    Some(current)
}

fn lookup_parts<'a>(target: &'a mut Value, parts: &[String]) -> Option<&'a mut Value> {
    let mut current = target;
    for part in parts {
        current = match current {
            Value::Object(fields) => fields.get_mut(part)?,
            Value::Array(items) => {
                let index = index_of(part, items.len())?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    Some(current)
}

/// A field that is not there is made, as kube-apiserver 1.37 does against the RFC.
fn replace(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let parts = parts(path)?;
    if let Some((last, parents)) = parts.split_last()
        && let Value::Object(fields) = lookup_parts(target, parents)?
    {
        fields.insert(last.clone(), value);
        return Some(());
    }
    *lookup_parts(target, &parts)? = value;
    Some(())
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let parts = parts(path)?;
    let Some((last, parents)) = parts.split_last() else {
        *target = value;
        return Some(());
    };
    match lookup_parts(target, parents)? {
        Value::Object(fields) => {
            fields.insert(last.clone(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let index = index_of(last, items.len() + 1)?;
            if index > items.len() {
                return None;
            }
            items.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    let parts = parts(path)?;
    let (last, parents) = parts.split_last()?;
    match lookup_parts(target, parents)? {
        Value::Object(fields) => fields.remove(last),
        Value::Array(items) => {
            let index = index_of(last, items.len())?;
            (index < items.len()).then(|| items.remove(index))
        }
        _ => None,
    }
}
