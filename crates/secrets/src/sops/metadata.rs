//! The `sops` block of a file: whom it is sealed for, by which rule, and the digest over its values.

use super::rules::{Rule, RuleKind};
use super::tree::{Entry, Value, get};
use crate::error::Error;

/// The version of SOPS whose form is written.
const VERSION: &str = "3.13.3";

/// The most groups and recipients that are read.
const MOST_GROUPS: usize = 255;

/// What the `sops` block says.
#[derive(Clone)]
pub(crate) struct Metadata {
    pub(crate) groups: Vec<Group>,
    pub(crate) threshold: usize,
    pub(crate) rule: Rule,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) last_modified: String,
    pub(crate) mac: String,
    pub(crate) version: String,
}

/// Keys of which each one gives the group's part of the data key.
#[derive(Clone, Default)]
pub(crate) struct Group {
    pub(crate) age: Vec<Wrapped>,
    /// The keys of other kinds, as they were read.
    pub(crate) others: Vec<Entry>,
}

/// A part of the data key, sealed for one recipient of age.
#[derive(Clone)]
pub(crate) struct Wrapped {
    pub(crate) recipient: String,
    pub(crate) sealed: String,
}

/// Other kinds of keys, and how people call them.
const KINDS: [(&str, &str); 6] = [
    ("azure_kv", "Azure Key Vault"),
    ("gcp_kms", "GCP KMS"),
    ("hc_vault", "Vault transit"),
    ("hckms", "Huawei Cloud KMS"),
    ("kms", "AWS KMS"),
    ("pgp", "PGP"),
];

impl Metadata {
    /// Nothing sealed yet.
    pub(crate) fn new(rule: Rule, mac_only_encrypted: bool) -> Self {
        Self {
            groups: Vec::new(),
            threshold: 0,
            rule,
            mac_only_encrypted,
            last_modified: String::new(),
            mac: String::new(),
            version: VERSION.to_owned(),
        }
    }

    /// Reads the block.
    pub(crate) fn read(block: &[Entry]) -> Result<Self, Error> {
        let version = required(block, "version")?;
        let major = version.split('.').next().unwrap_or_default();
        if !matches!(major, "1" | "2" | "3") {
            return Err(Error::UnknownVersion { version });
        }
        let last_modified = required(block, "lastmodified")?;
        let groups = groups(block)?;
        let threshold = match get(block, "shamir_threshold") {
            None => 0,
            Some(value) => number(value)
                .filter(|threshold| *threshold <= groups.len())
                .ok_or_else(|| wrong("`shamir_threshold` is not a number of its groups"))?,
        };
        Ok(Self {
            threshold,
            groups,
            rule: rule(block)?,
            mac_only_encrypted: flag(get(block, "mac_only_encrypted"))?,
            last_modified: moment(&last_modified)
                .ok_or_else(|| wrong("`lastmodified` is no moment by RFC 3339"))?,
            mac: required(block, "mac")?,
            version,
        })
    }

    /// Writes the block, its keys sorted.
    pub(crate) fn write(&self) -> Vec<Entry> {
        let mut block = match self.groups.as_slice() {
            [group] => group.write(),
            groups => {
                let groups = groups.iter().map(|group| Value::Map(group.write()));
                vec![Entry::pair("key_groups", Value::List(groups.collect()))]
            }
        };
        if self.groups.len() > 1 {
            let threshold = i64::try_from(self.threshold).unwrap_or(i64::MAX);
            block.push(Entry::pair("shamir_threshold", Value::Int(threshold)));
        }
        block.push(Entry::pair(
            self.rule.kind().key(),
            Value::text(self.rule.text()),
        ));
        if self.mac_only_encrypted {
            block.push(Entry::pair("mac_only_encrypted", Value::Bool(true)));
        }
        block.push(Entry::pair(
            "lastmodified",
            Value::text(&self.last_modified),
        ));
        block.push(Entry::pair("mac", Value::text(&self.mac)));
        block.push(Entry::pair("version", Value::text(&self.version)));
        block.sort_by(|left, right| left.key.cmp(&right.key));
        block
    }

    /// How many groups are needed.
    pub(crate) fn needed(&self) -> usize {
        match (self.groups.len(), self.threshold) {
            (groups, 0) => groups,
            (_, threshold) => threshold,
        }
    }

    /// Whom it is sealed for, as people read it.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mut names = Vec::new();
        for group in &self.groups {
            names.extend(group.age.iter().map(|wrapped| wrapped.recipient.clone()));
            names.extend(group.kinds().map(|kind| format!("a key of {kind}")));
        }
        names
    }
}

impl Group {
    /// The kinds of keys of it that cannot be used.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let known = |entry: &Entry| {
            let key = entry.key.as_deref()?;
            KINDS.iter().find(|(name, _)| *name == key)
        };
        self.others.iter().filter_map(known).map(|(_, kind)| *kind)
    }

    fn read(entries: &[Entry]) -> Result<Self, Error> {
        let mut group = Self::default();
        if let Some(Value::List(items)) = get(entries, "age") {
            for item in items {
                match item {
                    Value::Comment(_) => {}
                    Value::Map(entries) => group.age.push(Wrapped {
                        recipient: required(entries, "recipient")?,
                        sealed: required(entries, "enc")?,
                    }),
                    _ => return Err(wrong("`age` holds what is no recipient")),
                }
            }
        }
        for (key, _) in KINDS {
            match get(entries, key) {
                Some(Value::List(items)) if !items.is_empty() => {
                    let items = Value::List(items.clone());
                    group.others.push(Entry::pair(key, items));
                }
                _ => {}
            }
        }
        if group.age.len() > MOST_GROUPS {
            return Err(wrong("it names more recipients than are read"));
        }
        Ok(group)
    }

    fn write(&self) -> Vec<Entry> {
        let mut entries = self.others.clone();
        let item = |wrapped: &Wrapped| {
            Value::Map(vec![
                Entry::pair("enc", Value::text(&wrapped.sealed)),
                Entry::pair("recipient", Value::text(&wrapped.recipient)),
            ])
        };
        if !self.age.is_empty() {
            let items = self.age.iter().map(item).collect();
            entries.push(Entry::pair("age", Value::List(items)));
        }
        entries.sort_by(|left, right| left.key.cmp(&right.key));
        entries
    }

    fn is_empty(&self) -> bool {
        self.age.is_empty() && self.others.is_empty()
    }
}

fn groups(block: &[Entry]) -> Result<Vec<Group>, Error> {
    let group = Group::read(block)?;
    if !group.is_empty() {
        return Ok(vec![group]);
    }
    let Some(Value::List(items)) = get(block, "key_groups") else {
        return Err(wrong("it names no keys"));
    };
    let mut groups = Vec::new();
    for item in items {
        match item {
            Value::Comment(_) => {}
            Value::Map(entries) => groups.push(Group::read(entries)?),
            _ => return Err(wrong("`key_groups` holds what is no group")),
        }
    }
    if groups.is_empty() || groups.len() > MOST_GROUPS {
        return Err(wrong("it needs 1 to 255 groups of keys"));
    }
    Ok(groups)
}

fn rule(block: &[Entry]) -> Result<Rule, Error> {
    let mut found = None;
    for kind in RuleKind::ALL {
        let text = get(block, kind.key()).and_then(Value::as_text);
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            continue;
        };
        if found.is_some() {
            return Err(wrong("it has more than one rule for what is sealed"));
        }
        found = Some(Rule::new(kind, text)?);
    }
    Ok(found.unwrap_or_else(Rule::common))
}

fn required(entries: &[Entry], key: &str) -> Result<String, Error> {
    match get(entries, key) {
        Some(Value::Time(moment)) => Ok(moment.clone()),
        Some(Value::Text(text)) if !text.is_empty() => {
            String::from_utf8(text.to_vec()).map_err(|_| wrong(&format!("`{key}` is no text")))
        }
        Some(Value::Float(number)) => Ok(number.to_string()),
        _ => Err(wrong(&format!("it has no `{key}`"))),
    }
}

/// A number; in flat formats it is a text.
fn number(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        value => value.as_text()?.parse().ok(),
    }
}

/// A truth; in flat formats it is a text.
fn flag(value: Option<&Value>) -> Result<bool, Error> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(value) => match value.as_text() {
            Some("true" | "True" | "1") => Ok(true),
            Some("false" | "False" | "0" | "") => Ok(false),
            _ => Err(wrong("`mac_only_encrypted` is neither true nor false")),
        },
    }
}

/// A moment as Go writes it again by RFC 3339: without fraction, and `Z` where the offset is zero.
fn moment(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(19)?;
    let form = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    let zone = match zone {
        "Z" | "+00:00" | "-00:00" => "Z",
        zone if zone.len() == 6 && zone.starts_with(['+', '-']) => zone,
        _ => return None,
    };
    let fits = date.bytes().enumerate().all(form);
    fits.then(|| format!("{date}{zone}"))
}

fn wrong(problem: &str) -> Error {
    Error::Metadata {
        problem: problem.to_owned(),
    }
}
