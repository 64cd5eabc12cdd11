//! Shell patterns of `.helmignore` and globs of `.Files.Glob`.

use crate::glob::Glob;
use crate::pattern;

#[test]
fn shell_patterns_match_as_in_go() {
    let check = |rule: &str, name: &str, wanted: Option<bool>| {
        assert_eq!(pattern::matches(rule, name), wanted, "{rule} {name}");
    };
    check("*.txt", "a.txt", Some(true));
    check("*.txt", "d/a.txt", Some(false));
    check("a*c*e", "abcde", Some(true));
    check("[a-c]?", "bx", Some(true));
    check("[^a-c]x", "bx", Some(false));
    check("\\*", "*", Some(true));
    check(".?*", ".x", Some(true));
    check("[", "x", None);
    check("a\\", "a", None);
    check("", "", Some(true));
}

#[test]
fn globs_match_as_helm_s_library_does() {
    let check = |glob: &str, path: &str, wanted: bool| {
        let matches = Glob::parse(glob).map(|glob| glob.matches(path));
        assert_eq!(matches, Some(wanted), "{glob} {path}");
    };
    check("*", "a.txt", true);
    check("*", "d/a.txt", false);
    check("**", "d/e/a.txt", true);
    check("d/**", "d/e/a.txt", true);
    check("**.yaml", "d/a.yaml", true);
    check("{a,b/*}.txt", "b/c.txt", true);
    check("[!a-c].txt", "d.txt", true);
    check("?.txt", "/.txt", false);
    assert!(Glob::parse("{a").is_none());
    assert!(Glob::parse("[").is_none());
}
