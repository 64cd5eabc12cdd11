//! Sets of fields, as `fieldsV1` of `metadata.managedFields` writes them.
//! It must not know types: what an element means is decided where sets are made.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use holdfast_model::Value;
use serde_json::Map;

/// One step of a path, kept in the form that `fieldsV1` has: `f:name`, `k:{"name":"web"}`,
/// `v:"item"` or `i:0`.
///
/// Elements are in the order of structured-merge-diff: fields, keys, items of sets, indexes; keys
/// and items by their values, numbers before texts and by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element(String);

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |element: &Self| match element.0.as_bytes().first() {
            Some(b'f') => 0,
            Some(b'k') => 1,
            Some(b'v') => 2,
            _ => 3,
        };
        let (left, right) = (rank(self), rank(other));
        left.cmp(&right).then_with(|| match left {
            0 => self.0.cmp(&other.0),
            _ => by_value(&self.0, &other.0),
        })
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares two texts of JSON by what they say, at the first place where they differ.
fn by_value(left: &str, right: &str) -> Ordering {
    let (bytes, others) = (left.as_bytes(), right.as_bytes());
    let mut pairs = bytes.iter().zip(others);
    let at = pairs.position(|(left, right)| left != right);
    let at = at.unwrap_or(bytes.len().min(others.len()));
    if is_in_text(&bytes[..at]) {
        return left.cmp(right);
    }
    let of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'+');
    let before = bytes[..at]
        .iter()
        .rev()
        .take_while(|byte| of_number(**byte));
    let start = at - before.count();
    let number = |bytes: &[u8]| {
        let end = bytes[start..]
            .iter()
            .take_while(|byte| of_number(**byte))
            .count();
        let text = std::str::from_utf8(&bytes[start..start + end]).ok()?;
        text.parse::<f64>().ok()
    };
    if let (Some(first), Some(second)) = (number(bytes), number(others)) {
        // Of equal numbers the last one of a key comes first; else how they are written counts.
        let goes_on = |bytes: &[u8]| bytes.get(at) != Some(&b'}');
        return first
            .total_cmp(&second)
            .then_with(|| goes_on(bytes).cmp(&goes_on(others)))
            .then_with(|| left.cmp(right));
    }
    // What has ended comes first; else the kinds of values have their order.
    let rank = |bytes: &[u8]| match bytes.get(start) {
        Some(b'}') => 0,
        Some(b'-' | b'0'..=b'9') => 1,
        Some(b'"') => 2,
        Some(b'f' | b't') => 3,
        Some(b'[') => 4,
        Some(b'{') => 5,
        _ => 6,
    };
    rank(bytes).cmp(&rank(others)).then_with(|| left.cmp(right))
}

/// Whether JSON that is cut off here is cut off in a text.
fn is_in_text(bytes: &[u8]) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: BTreeMap<Element, Node>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    below: FieldSet,
}

/// A text is no `fieldsV1`.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{element}` is no field path element")]
pub struct FieldSetError {
    /// The key that cannot be read.
    pub element: String,
}

impl Element {
    /// A field of an object or a key of a map.
    pub fn field(name: &str) -> Self {
        Self(format!("f:{name}"))
    }

    /// An item of a list that is merged by key.
    pub fn key(fields: Map<String, Value>) -> Self {
        Self(format!("k:{}", Value::Object(fields)))
    }

    /// An item of a set.
    pub fn value(item: &Value) -> Self {
        Self(format!("v:{item}"))
    }

    /// Reads the form of `fieldsV1`.
    ///
    /// # Errors
    /// [`FieldSetError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldSetError> {
        let refuse = || FieldSetError {
            element: text.to_owned(),
        };
        let (kind, rest) = text.split_once(':').ok_or_else(refuse)?;
        match kind {
            "f" => Ok(Self(text.to_owned())),
            "k" => {
                let fields: Map<String, Value> =
                    serde_json::from_str(rest).map_err(|_| refuse())?;
                Ok(Self::key(fields))
            }
            "v" => {
                let item: Value = serde_json::from_str(rest).map_err(|_| refuse())?;
                Ok(Self::value(&item))
            }
            "i" => {
                let index: i64 = rest.parse().map_err(|_| refuse())?;
                Ok(Self(format!("i:{index}")))
            }
            _ => Err(refuse()),
        }
    }

    /// The field's name, where it is one.
    pub fn field_name(&self) -> Option<&str> {
        self.0.strip_prefix("f:")
    }

    /// The form of `fieldsV1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, rest) = self.0.split_once(':').unwrap_or(("", &self.0));
        match kind {
            "f" => write!(formatter, ".{rest}"),
            "v" => write!(formatter, "[={rest}]"),
            "i" => write!(formatter, "[{rest}]"),
            _ => {
                let fields: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
                let parts: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                write!(formatter, "[{}]", parts.join(","))
            }
        }
    }
}

/// A path as error messages show it, such as `.spec.containers[name="web"].image`.
pub fn show_path(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

impl FieldSet {
    /// A set of paths of plain fields, such as `["metadata", "name"]`.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// [`FieldSetError`] names the key that cannot be read.
    pub fn read(fields: &Value) -> Result<Self, FieldSetError> {
        let mut set = Self::default();
        for (text, below) in fields.as_object().into_iter().flatten() {
            if text == "." {
                continue;
            }
            let element = Element::parse(text)?;
            let members = below.as_object();
            // No keys below means that the element itself is in the set.
            let member = members.is_none_or(|keys| keys.is_empty() || keys.contains_key("."));
            let below = Self::read(below)?;
            set.nodes.insert(element, Node { member, below });
        }
        Ok(set)
    }

    /// Writes `fieldsV1`.
    pub fn write(&self) -> Value {
        let mut fields = Map::new();
        for (element, node) in &self.nodes {
            let mut below = node.below.write();
            if node.member
                && !node.below.is_empty()
                && let Some(keys) = below.as_object_mut()
            {
                keys.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(element.0.clone(), below);
        }
        Value::Object(fields)
    }

    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a path; the empty path is not kept.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let node = self.nodes.entry(first.clone()).or_default();
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert(rest);
        }
    }

    /// Whether the path is in it.
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        self.nodes.get(first).is_some_and(|node| {
            if rest.is_empty() {
                node.member
            } else {
                node.below.has(rest)
            }
        })
    }

    /// Whether the path of this one element is in it.
    pub fn has_element(&self, element: &Element) -> bool {
        self.nodes.get(element).is_some_and(|node| node.member)
    }

    /// The paths that go on after this element.
    pub fn below(&self, element: &Element) -> Option<&FieldSet> {
        let node = self.nodes.get(element)?;
        (!node.below.is_empty()).then_some(&node.below)
    }

    /// The first elements, each with whether it is a path of its own, and what goes on below.
    pub fn children(&self) -> impl Iterator<Item = (&Element, bool, &FieldSet)> {
        self.nodes
            .iter()
            .map(|(element, node)| (element, node.member, &node.below))
    }

    /// The same set with each first element made a path or not, and changed below, as told.
    pub(crate) fn mapped(
        &self,
        change: &mut dyn FnMut(&Element, bool, &FieldSet) -> (bool, FieldSet),
    ) -> Self {
        let mut nodes = BTreeMap::new();
        for (element, node) in &self.nodes {
            let (member, below) = change(element, node.member, &node.below);
            if member || !below.is_empty() {
                nodes.insert(element.clone(), Node { member, below });
            }
        }
        Self { nodes }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut nodes = self.nodes.clone();
        for (element, node) in &other.nodes {
            let entry = nodes.entry(element.clone()).or_default();
            entry.member |= node.member;
            entry.below = entry.below.union(&node.below);
        }
        Self { nodes }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.mapped(
            &mut |element, member, below| match other.nodes.get(element) {
                Some(node) => (member && node.member, below.intersection(&node.below)),
                None => (false, Self::default()),
            },
        )
    }

    /// What is in this one and not in the other. A path stays when only its parent is in the
    /// other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.mapped(
            &mut |element, member, below| match other.nodes.get(element) {
                Some(node) => (member && !node.member, below.difference(&node.below)),
                None => (member, below.clone()),
            },
        )
    }

    /// What is in this one and neither in the other nor below one of its paths.
    #[must_use]
    pub fn difference_below(&self, other: &Self) -> Self {
        self.mapped(
            &mut |element, member, below| match other.nodes.get(element) {
                Some(node) if node.member => (false, Self::default()),
                Some(node) => (member, below.difference_below(&node.below)),
                None => (member, below.clone()),
            },
        )
    }

    /// Every path, those of one level before those below it.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut Vec<Element>, found: &mut Vec<Vec<Element>>) {
        for (element, node) in &self.nodes {
            if node.member {
                path.push(element.clone());
                found.push(path.clone());
                path.pop();
            }
        }
        for (element, node) in &self.nodes {
            path.push(element.clone());
            node.below.collect(path, found);
            path.pop();
        }
    }
}
