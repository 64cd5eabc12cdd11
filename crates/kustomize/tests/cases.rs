//! Builds generated overlays and compares byte for byte with what Kustomize 5.8.1 printed for
//! them. `cases.txt` holds them one after the other; each names the fields that it uses.

use holdfast_kustomize::{LoadRestriction, Options, build};
use holdfast_model::artifact::{MemoryBlobs, TreePath};

/// An overlay and what Kustomize makes of it; nothing where it refuses.
struct Case {
    name: String,
    files: Vec<(String, String)>,
    expected: Option<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("@@ case ") {
            cases.push(Case {
                name: name.trim().to_owned(),
                files: Vec::new(),
                expected: None,
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(path) = line.strip_prefix("@@ file ") {
            case.files.push((path.trim().to_owned(), String::new()));
        } else if line == "@@ expected\n" {
            case.expected = Some(String::new());
        } else if line == "@@ refused\n" {
        } else if let Some(expected) = &mut case.expected {
            expected.push_str(line);
        } else if let Some((_, content)) = case.files.last_mut() {
            content.push_str(line);
        }
    }
    cases
}

fn check(case: &Case) -> Result<(), String> {
    let files = case.files.iter();
    let blobs = MemoryBlobs::of(files.map(|(path, text)| (path.as_str(), text.as_str())));
    let options = Options {
        restriction: LoadRestriction::None,
        ..Options::default()
    };
    let folder = TreePath::parse("top").unwrap_or_default();
    match (build(&blobs, &folder, &options), &case.expected) {
        (Ok(built), Some(expected)) if built.to_yaml() == *expected => Ok(()),
        (Ok(built), Some(expected)) => {
            let ours = built.to_yaml();
            let pairs = ours.lines().zip(expected.lines());
            let first = pairs.enumerate().find(|(_, (ours, theirs))| ours != theirs);
            Err(format!("{}: first difference {first:?}", case.name))
        }
        (Ok(_), None) => Err(format!("{}: wrongly accepted", case.name)),
        (Err(_), None) => Ok(()),
        (Err(error), Some(_)) => Err(format!("{}: wrongly refused: {error}", case.name)),
    }
}

#[test]
fn overlays_are_built_as_kustomize_builds_them() {
    let cases = cases(include_str!("cases.txt"));
    assert!(cases.len() >= 400, "only {} cases were read", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn building_twice_and_in_parallel_gives_the_same() {
    let cases = cases(include_str!("cases.txt"));
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len() / 4 + 1) {
            scope.spawn(move || {
                for case in part.iter().step_by(5) {
                    assert_eq!(check(case), check(case), "{}", case.name);
                }
            });
        }
    });
}

/// In the legacy order nothing depends on the order of resources, generators or labels that do not
/// know of each other.
#[test]
fn the_order_of_unrelated_inputs_does_not_matter_where_objects_are_sorted() {
    let names = ["a", "b", "c", "d"];
    let kinds = ["ConfigMap", "Service", "Secret", "ServiceAccount"];
    let build_in = |order: &[usize]| {
        let mut tree = MemoryBlobs::new();
        let mut put = |path: &str, text: String| {
            let path = TreePath::parse(path).expect("a path");
            tree.insert(path, text.into_bytes());
        };
        let mut resources = String::new();
        let mut generators = String::new();
        for &at in order {
            let (name, kind) = (names[at], kinds[at]);
            let object = format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n");
            put(&format!("top/{name}.yaml"), object);
            resources.push_str(&format!("- {name}.yaml\n"));
            generators.push_str(&format!("- name: gen-{name}\n  literals: [k={name}]\n"));
        }
        let text = format!(
            "namePrefix: x-\nsortOptions: {{order: legacy}}\nresources:\n{resources}\
             configMapGenerator:\n{generators}"
        );
        put("top/kustomization.yaml", text);
        let folder = TreePath::parse("top").expect("a path");
        let built = build(&tree, &folder, &Options::default()).expect("it builds");
        built.to_yaml()
    };
    let first = build_in(&[0, 1, 2, 3]);
    assert_eq!(first.matches("kind:").count(), 8, "{first}");
    for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        assert_eq!(build_in(&order), first, "{order:?}");
    }
}
