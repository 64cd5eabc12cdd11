//! What shows itself by its name and by chance: values of Secrets, and of keys that are called password,
//! token and the like, in YAML, JSON and env files.

use std::sync::LazyLock;

use holdfast_go::base64;
use holdfast_go::regexp::{Regex, compile};
use holdfast_yaml::{Limits, Node, NodeValue, read_nodes};

use super::{Finding, Kind};

/// Names of keys whose values are secret.
static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = "(?i)(passw(or)?d|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|\
                 credentials?|client[-_]?secret|auth[-_]?key|encryption[-_]?key)$";
    compile(names, 1 << 20).ok()
});

/// What stands for a value and is none.
static PLACEHOLDERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = r"^(ENC\[|\$[a-z_{(]|<.*>$|%[a-z_]+%$|vault:|ref\+|secretref|file://|/[a-z0-9._-]+/)|\{\{|\$\{|\$\(|^(true|false|null|none)$";
    compile(&format!("(?i){forms}"), 1 << 20).ok()
});

/// The shortest value that counts as a password, and as one whatever its key is called.
const SHORT: usize = 8;
const LONG: usize = 32;

/// Bits a character from which a value counts as made by chance, beside a name and alone.
const BITS_BESIDE_A_NAME: f64 = 2.5;
const BITS_ALONE: f64 = 4.4;

pub(super) fn scan(path: &str, text: &str) -> Vec<Finding> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let mut findings = Vec::new();
    if ending(&[".yaml", ".yml", ".json"]) {
        let limits = Limits {
            depth: 100,
            bytes: super::MOST_SCANNED,
            alias_nodes: 20_000,
            ..Limits::default()
        };
        // Templates of charts are no YAML; what is a secret by its form was found line by line.
        for document in read_nodes(text, &limits).unwrap_or_default() {
            scan_document(&document.node, &mut findings);
        }
    } else if ending(&[".env"]) || name.starts_with(".env") {
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim().trim_start_matches("export ");
            if let Some((key, value)) = text.split_once('=')
                && !text.starts_with('#')
                && !key.starts_with("sops_")
            {
                let value = value.trim_matches(['"', '\'']);
                scan_value(&mut findings, (line, key, key), value);
            }
        }
    }
    findings
}

fn text_of<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

fn scan_document(node: &Node, findings: &mut Vec<Finding>) {
    let kind = text_of(node, "kind");
    if kind == "Secret" && text_of(node, "apiVersion") == "v1" {
        return scan_secret(node, findings);
    }
    if kind == "List"
        && let Some(items) = node.get("items").and_then(Node::items)
    {
        return items.iter().for_each(|item| scan_document(item, findings));
    }
    if kind != "SealedSecret" && kind != "CustomResourceDefinition" {
        scan_tree(node, "", findings);
    }
}

fn scan_secret(node: &Node, findings: &mut Vec<Finding>) {
    let metadata = node.get("metadata");
    let part = |name: &str| metadata.map_or("", |metadata| text_of(metadata, name));
    let name = match (part("namespace"), part("name")) {
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    for field in ["data", "stringData"] {
        let entries = node.get(field).and_then(Node::entries);
        for (key, value) in entries.unwrap_or_default() {
            let (Some(key_text), Some(text)) = (key.text(), value.text()) else {
                continue;
            };
            let decoded = match field {
                "data" => base64::decode(text.as_bytes()).ok(),
                _ => None,
            };
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let clear = decoded.as_deref().unwrap_or(text);
            if clear.is_empty() || is_placeholder(text) || is_placeholder(clear) {
                continue;
            }
            findings.push(Finding {
                line: key.line,
                kind: Kind::PlainSecret,
                what: format!("`{field}.{key_text}` of Secret {name} is not sealed"),
                place: format!("Secret {name} {field}.{key_text}"),
            });
        }
    }
}

fn scan_tree(node: &Node, path: &str, findings: &mut Vec<Finding>) {
    match &node.value {
        NodeValue::Scalar(_) => {}
        NodeValue::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                // The environment of a container names the key beside the value.
                if let (Some(value), name) = (item.get("value"), text_of(item, "name"))
                    && let (Some(text), false) = (value.text(), name.is_empty())
                {
                    scan_value(findings, (value.line, name, &path), text);
                    continue;
                }
                if let Some(text) = item.text() {
                    scan_value(findings, (item.line, "", &path), text);
                }
                scan_tree(item, &path, findings);
            }
        }
        NodeValue::Mapping(entries) => {
            for (key, value) in entries {
                let name = key.text().unwrap_or_default();
                if path.is_empty() && name == "sops" {
                    continue;
                }
                let path = match path {
                    "" => name.to_owned(),
                    path => format!("{path}.{name}"),
                };
                if let Some(text) = value.text() {
                    scan_value(findings, (key.line, name, &path), text);
                }
                scan_tree(value, &path, findings);
            }
        }
    }
}

fn scan_value(findings: &mut Vec<Finding>, (line, name, path): (u32, &str, &str), text: &str) {
    if text.len() < SHORT || text.len() > 4096 || is_placeholder(text) {
        return;
    }
    let bits = bits(text);
    let named = (*NAMES).as_ref().is_some_and(|names| names.is_match(name));
    let is_word = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_lowercase() || "-_./".contains(c))
    };
    let what = if named && bits >= BITS_BESIDE_A_NAME && !is_word(text) {
        format!("`{path}` looks like a password or a token")
    } else if text.len() >= LONG && bits >= BITS_ALONE && is_random(text) {
        format!("`{path}` looks like a key")
    } else {
        return;
    };
    findings.push(Finding {
        line,
        kind: Kind::LooksSecret,
        what,
        place: path.to_owned(),
    });
}

/// Whether a text stands for a value that another tool puts in, or is empty or sealed.
pub fn is_placeholder(text: &str) -> bool {
    let fits = |forms: &Regex| forms.is_match(text);
    text.is_empty() || (*PLACEHOLDERS).as_ref().is_some_and(fits)
}

/// Letters of both cases with digits, as keys are written, and neither an address, a path, nor a public
/// certificate.
fn is_random(text: &str) -> bool {
    let has = |kind: fn(&char) -> bool| text.chars().any(|letter| kind(&letter));
    let written = |letter: char| letter.is_ascii_alphanumeric() || "+/=_-".contains(letter);
    text.chars().all(written)
        && has(char::is_ascii_digit)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
        && !text.starts_with("MII")
        && !text.starts_with("LS0tLS1CRUdJTiBDRVJU")
        && !text.starts_with("AAAA")
}

/// Shannon's bits a character.
fn bits(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = text.len() as f64;
    let share = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(share).sum()
}
