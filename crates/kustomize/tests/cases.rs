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
