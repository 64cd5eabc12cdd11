//! Which files of a crate import each other in circles: parts that all need each other are one part.

use std::collections::{BTreeMap, BTreeSet};

/// The most files of a circle: two that explain each other, and what both are in.
const MOST: usize = 3;

/// Crates whose circles are larger than that still. None joins them.
const LARGER: [&str; 10] = [
    "api",
    "app",
    "assess",
    "engine",
    "helm",
    "kustomize",
    "merge",
    "render",
    "target-kube",
    "template",
];

/// A module by the names of the way to it; the root has none.
type Module = Vec<String>;

/// The circles that are too large, given all files with their paths.
pub(crate) fn check<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<Module, &str>> = BTreeMap::new();
    for (path, text) in files {
        if let Some((name, module)) = module_of(path) {
            crates.entry(name).or_default().insert(module, text);
        }
    }
    let mut problems = Vec::new();
    for (name, modules) in crates.iter().filter(|(name, _)| !LARGER.contains(*name)) {
        for circle in circles(modules) {
            if circle.len() > MOST {
                let names: Vec<String> = circle.iter().map(shown).collect();
                problems.push(format!(
                    "{} files of crates/{name} import each other in a circle, which may have at \
                     most {MOST}: {}",
                    circle.len(),
                    names.join(", ")
                ));
            }
        }
    }
    problems
}

fn shown(module: &Module) -> String {
    if module.is_empty() {
        "the root".to_owned()
    } else {
        module.join("::")
    }
}

/// The crate and the module of a file; nothing for tests and for what is in no crate.
fn module_of(path: &str) -> Option<(&str, Module)> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once("/src/")?;
    let mut module: Module = rest
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if matches!(module.last()?.as_str(), "mod" | "lib" | "main") {
        module.pop();
    }
    Some((name, module))
}

/// Modules each of which leads to all others of its circle, largest circles first.
fn circles(modules: &BTreeMap<Module, &str>) -> Vec<Vec<Module>> {
    let imports: BTreeMap<&Module, BTreeSet<Module>> = modules
        .iter()
        .map(|(module, text)| (module, imported(module, text, modules)))
        .collect();
    let reached: BTreeMap<&Module, BTreeSet<Module>> = imports
        .keys()
        .map(|module| (*module, reach(module, &imports)))
        .collect();
    let mut found: Vec<Vec<Module>> = Vec::new();
    for (module, others) in &reached {
        if found.iter().flatten().any(|known| known == *module) {
            continue;
        }
        let leads_back = |other: &&Module| {
            reached
                .get(*other)
                .is_some_and(|back| back.contains(*module))
        };
        let circle: Vec<Module> = others.iter().filter(leads_back).cloned().collect();
        if circle.len() > 1 {
            found.push(circle);
        }
    }
    found.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    found
}

/// What a module leads to, by any number of imports.
fn reach(from: &Module, imports: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&Module> = vec![from];
    while let Some(module) = left.pop() {
        for next in imports.get(module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    reached
}

/// The modules that a file names, by `use` or on the spot.
fn imported(module: &Module, text: &str, modules: &BTreeMap<Module, &str>) -> BTreeSet<Module> {
    // Tests stand at the end.
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let text: Vec<&str> = text.lines().filter(is_code).collect();
    let text = text.join("\n");
    let mut found = BTreeSet::new();
    for (at, word) in words(&text) {
        let before = text[..at].trim_end();
        let after = &text[at + word.len()..];
        if before.ends_with("::") || !after.starts_with("::") {
            continue;
        }
        let is_child = || modules.contains_key(&with(module, word));
        let is_start = matches!(word, "crate" | "super" | "self") || is_child();
        if !is_start {
            continue;
        }
        let (paths, _) = tree(&text[at..]);
        for path in paths {
            found.extend(resolved(module, &path, modules).filter(|other| other != module));
        }
    }
    found
}

fn with(module: &Module, name: &str) -> Module {
    let mut module = module.clone();
    module.push(name.to_owned());
    module
}

/// The names in a text, and where they stand.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let parts = text.split(move |letter| !is_part(letter));
    let start = text.as_ptr() as usize;
    parts
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - start, word))
}

/// The paths of a tree such as `a::{b, c::d}`, and what follows it.
fn tree(text: &str) -> (Vec<Vec<String>>, &str) {
    let text = text.trim_start();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return (Vec::new(), rest);
    }
    let Some(inner) = rest.strip_prefix("::") else {
        return (vec![vec![name.to_owned()]], rest);
    };
    let mut inners: Vec<Vec<String>> = Vec::new();
    if let Some(list) = inner.trim_start().strip_prefix('{') {
        rest = list;
        loop {
            let (paths, after) = tree(rest);
            inners.extend(paths);
            // Up to the next item or the end of the list; `as name` is skipped.
            let Some(at) = after.find([',', '}']) else {
                break;
            };
            rest = &after[at + 1..];
            if after[at..].starts_with('}') {
                break;
            }
        }
    } else {
        (inners, rest) = tree(inner);
    }
    if inners.is_empty() {
        inners.push(Vec::new());
    }
    let paths = inners.into_iter().map(|mut path| {
        path.insert(0, name.to_owned());
        path
    });
    (paths.collect(), rest)
}

/// The module that a path leads into, as far as its names are modules.
fn resolved(
    from: &Module,
    path: &[String],
    modules: &BTreeMap<Module, &str>,
) -> impl Iterator<Item = Module> {
    let mut place = from.clone();
    let mut names = path.iter().peekable();
    while let Some(name) = names.peek() {
        match name.as_str() {
            "crate" => place.clear(),
            "super" => {
                place.pop();
            }
            "self" => {}
            _ => break,
        }
        names.next();
    }
    for name in names {
        let inner = with(&place, name);
        if !modules.contains_key(&inner) {
            break;
        }
        place = inner;
    }
    modules.contains_key(&place).then_some(place).into_iter()
}
