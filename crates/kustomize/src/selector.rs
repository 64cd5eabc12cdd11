//! Label selectors in Kubernetes' syntax: `a=b,c!=d,e in (f,g),!h`.

/// A condition on one label.
#[derive(Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Above(String, i64),
    Below(String, i64),
}

/// Whether labels fulfil a selector; an empty selector is fulfilled by all.
///
/// # Errors
/// A selector that does not parse.
pub(crate) fn matches_labels(selector: &str, labels: &[(String, String)]) -> Result<bool, String> {
    if selector.trim().is_empty() {
        return Ok(true);
    }
    let requirements = parse(selector)?;
    let value = |key: &str| {
        let found = labels.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    };
    Ok(requirements.iter().all(|requirement| match requirement {
        Requirement::In(key, values) => {
            value(key).is_some_and(|value| values.iter().any(|wanted| wanted == value))
        }
        Requirement::NotIn(key, values) => {
            value(key).is_none_or(|value| !values.iter().any(|wanted| wanted == value))
        }
        Requirement::Exists(key) => value(key).is_some(),
        Requirement::Absent(key) => value(key).is_none(),
        Requirement::Above(key, bound) => number(value(key)).is_some_and(|number| number > *bound),
        Requirement::Below(key, bound) => number(value(key)).is_some_and(|number| number < *bound),
    }))
}

fn number(text: Option<&str>) -> Option<i64> {
    text?.parse().ok()
}

fn parse(selector: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    let mut rest = selector.trim();
    loop {
        let end = requirement_end(rest);
        requirements.push(parse_requirement(rest[..end].trim(), selector)?);
        match rest[end..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(requirements),
        }
    }
}

/// Where the next comma outside of parentheses is.
fn requirement_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn parse_requirement(text: &str, selector: &str) -> Result<Requirement, String> {
    let refuse = || format!("unable to parse selector `{selector}`");
    let checked = |text: &str, word: fn(&str) -> bool| {
        let text = text.trim();
        word(text).then(|| text.to_owned()).ok_or_else(refuse)
    };
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement::Absent(checked(key, is_key)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        let values = vec![checked(value, is_value)?];
        return Ok(Requirement::NotIn(checked(key, is_key)?, values));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        let values = vec![checked(value, is_value)?];
        return Ok(Requirement::In(checked(key, is_key)?, values));
    }
    for (sign, above) in [('>', true), ('<', false)] {
        if let Some((key, bound)) = text.split_once(sign) {
            let bound = bound.trim().parse().map_err(|_| refuse())?;
            let key = checked(key, is_key)?;
            return Ok(if above {
                Requirement::Above(key, bound)
            } else {
                Requirement::Below(key, bound)
            });
        }
    }
    let Some((head, list)) = text.split_once('(') else {
        return Ok(Requirement::Exists(checked(text, is_key)?));
    };
    let list = list.strip_suffix(')').ok_or_else(refuse)?;
    let values: Result<Vec<String>, String> = list
        .split(',')
        .map(|value| checked(value, is_value))
        .collect();
    let (key, word) = head
        .trim()
        .rsplit_once(char::is_whitespace)
        .ok_or_else(refuse)?;
    let key = checked(key, is_key)?;
    match word {
        "in" => Ok(Requirement::In(key, values?)),
        "notin" => Ok(Requirement::NotIn(key, values?)),
        _ => Err(refuse()),
    }
}

fn is_key(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    !text.is_empty() && name.len() <= 63 && is_value(name) && !name.is_empty() && word(text, "-_./")
}

fn is_value(text: &str) -> bool {
    let edge = |letter: Option<char>| letter.is_none_or(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63 && word(text, "-_.") && edge(text.chars().next()) && edge(text.chars().last())
}

fn word(text: &str, extra: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter))
}
