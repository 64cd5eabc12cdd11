//! Tests of sources on real repositories that the real git makes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use holdfast_go::semver::Constraint;
use holdfast_model::artifact::{Blobs, EntryKind, TreePath};
use holdfast_model::stack::Reference;

use crate::select::newest;
use crate::{SourceLimits, Sources};

mod copies;
mod links;
mod said;
mod troubles;

/// A repository in a folder that goes when the test ends.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("origin")).expect("a folder");
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    fn origin(&self) -> std::path::PathBuf {
        self.folder.path().join("origin")
    }

    fn url(&self) -> String {
        format!("file://{}", self.origin().display())
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.origin(), arguments)
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.origin().join(path);
        std::fs::create_dir_all(place.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(place, text).expect("a file");
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn sources(&self) -> Sources {
        Sources::new(self.folder.path().join("cache"), SourceLimits::default())
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
        .args(arguments)
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("a path inside")
}

async fn commit_of(sources: &Sources, url: &str, reference: Reference) -> Result<String, String> {
    let wanted = BTreeSet::from([reference.clone()]);
    let mut resolved = sources
        .resolve(url, None, &wanted)
        .await
        .map_err(|error| error.to_string())?;
    let revision = resolved
        .remove(&reference)
        .expect("each reference is answered");
    revision
        .map(|revision| revision.commit.0)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn references_are_followed_and_files_read_without_a_checkout() {
    let repository = Repository::new();
    repository.write("apps/web.yaml", "kind: A\n");
    let first = repository.commit("first");
    repository.git(&["tag", "v1.0.0"]);
    repository.git(&["tag", "--annotate", "--message", "two", "v1.2.0"]);
    let (sources, url) = (repository.sources(), repository.url());
    assert_eq!(
        commit_of(&sources, &url, Reference::Head).await,
        Ok(first.clone())
    );
    let branch = Reference::Branch("main".to_owned());
    assert_eq!(
        commit_of(&sources, &url, branch.clone()).await,
        Ok(first.clone())
    );
    let range = Reference::Semver("1.x".to_owned());
    assert_eq!(commit_of(&sources, &url, range).await, Ok(first.clone()));

    repository.write("apps/web.yaml", "kind: B\n");
    let second = repository.commit("second");
    assert_eq!(commit_of(&sources, &url, branch).await, Ok(second.clone()));
    for (commit, text) in [(first, "kind: A\n"), (second, "kind: B\n")] {
        let commit = holdfast_model::revision::CommitId(commit);
        let tree = sources
            .open(&url, None, &commit)
            .await
            .expect("it is there");
        assert_eq!(
            &*tree.read(&path("apps/web.yaml")).expect("it is there"),
            text.as_bytes()
        );
        assert_eq!(tree.kind(&path("apps")), Ok(Some(EntryKind::Folder)));
        assert_eq!(tree.kind(&path("none")), Ok(None));
    }
}

#[tokio::test]
async fn a_commit_that_no_reference_names_any_more_can_still_be_had() {
    let repository = Repository::new();
    repository.write("a.yaml", "kind: A\n");
    let lost = repository.commit("lost");
    repository.write("a.yaml", "kind: B\n");
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--amend", "--message", "forced"]);
    let sources = repository.sources();
    let commit = holdfast_model::revision::CommitId(lost);
    let tree = sources
        .open(&repository.url(), None, &commit)
        .await
        .expect("it is there");
    assert_eq!(
        &*tree.read(&path("a.yaml")).expect("it is there"),
        b"kind: A\n"
    );
}

#[tokio::test]
async fn what_a_killed_process_left_locked_is_cleared_away() {
    let repository = Repository::new();
    repository.commit("first");
    let (sources, url) = (repository.sources(), repository.url());
    commit_of(&sources, &url, Reference::Head)
        .await
        .expect("it is there");
    let cache = repository.folder.path().join("cache/git");
    for copy in std::fs::read_dir(&cache).expect("a cache") {
        let copy = copy.expect("a local copy").path();
        if !copy.is_dir() {
            continue;
        }
        for name in ["shallow.lock", "packed-refs.lock", "refs/heads/main.lock"] {
            std::fs::write(copy.join(name), "").expect("a lock");
        }
    }
    repository.write("a.yaml", "kind: A\n");
    let second = repository.commit("second");
    assert_eq!(commit_of(&sources, &url, Reference::Head).await, Ok(second));
}

#[tokio::test]
async fn what_is_not_there_is_told_by_its_name() {
    let repository = Repository::new();
    repository.commit("first");
    let (sources, url) = (repository.sources(), repository.url());
    let error = commit_of(&sources, &url, Reference::Branch("mian".to_owned())).await;
    assert_eq!(error, Err(format!("`{url}` has no branch `mian`")));
    let nowhere = format!("{url}-nowhere");
    let error = commit_of(&sources, &nowhere, Reference::Head)
        .await
        .expect_err("nothing there");
    assert!(
        error.starts_with(&format!("could not fetch from `{nowhere}`")),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_commit_left_alone_is_known_without_reading_it() {
    let repository = Repository::new();
    for name in ["a/one.yaml", "a/deep/two.yaml", "b/one.yaml", "c/one.yaml"] {
        repository.write(name, "kind: A\n");
    }
    let link = repository.origin().join("c/link.yaml");
    std::os::unix::fs::symlink("../b/one.yaml", link).expect("a link");
    let first = holdfast_model::revision::CommitId(repository.commit("first"));
    repository.write("b/one.yaml", "kind: B\n");
    repository.write("b/more.yaml", "kind: B\n");
    std::fs::remove_file(repository.origin().join("a/deep/two.yaml")).expect("it is there");
    repository.write("a/deep/two.yaml/now-a-folder", "x");
    let second = holdfast_model::revision::CommitId(repository.commit("second"));
    let sources = repository.sources();
    let url = repository.url();
    let old = sources.open(&url, None, &first).await.expect("it is there");
    let new = sources
        .open(&url, None, &second)
        .await
        .expect("it is there");
    for (name, is_same) in [
        ("a/one.yaml", true),
        ("a/absent.yaml", true),
        ("absent/one.yaml", true),
        ("c", true),
        ("c/one.yaml", true),
        ("b", false),
        ("b/one.yaml", false),
        ("b/more.yaml", false),
        ("b/absent.yaml", true),
        ("a/deep/two.yaml", false),
        ("a/deep/two.yaml/now-a-folder", false),
        ("", false),
    ] {
        assert_eq!(old.is_same(&new, &path(name)), is_same, "{name}");
        assert_eq!(new.is_same(&old, &path(name)), is_same, "{name}");
    }
    // What is behind a link may change although nothing above the link does.
    for (name, is_direct) in [
        ("a", true),
        ("a/one.yaml", true),
        ("a/absent.yaml", true),
        ("c", false),
        ("c/link.yaml", false),
        ("c/link.yaml/below", false),
        ("c/one.yaml", true),
    ] {
        assert_eq!(old.is_direct(&path(name)), is_direct, "{name}");
    }
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_by_its_size() {
    let repository = Repository::new();
    repository.write("large.yaml", &"x".repeat(2_000));
    let commit = holdfast_model::revision::CommitId(repository.commit("large"));
    let limits = SourceLimits {
        file: 1_000,
        ..SourceLimits::default()
    };
    let sources = Sources::new(repository.folder.path().join("cache"), limits);
    let tree = sources
        .open(&repository.url(), None, &commit)
        .await
        .expect("it is there");
    let error = tree.read(&path("large.yaml")).expect_err("it is too large");
    assert_eq!(
        error.to_string(),
        "`large.yaml` has 2000 bytes; the limit is 1000"
    );
}

fn check_range(range: &str, expected: Option<&str>) {
    let tags = [
        "v1.0.0",
        "1.2.0",
        "v1.10.1",
        "v2.0.0-rc.1",
        "v2.3.4",
        "nightly",
        "v3",
    ];
    let wanted = Constraint::parse(range).expect("it is a range");
    assert_eq!(newest(&wanted, tags.into_iter()), expected, "{range}");
}

#[test]
fn the_newest_tag_in_a_range_is_found() {
    check_range("1.x", Some("v1.10.1"));
    check_range("^1.0", Some("v1.10.1"));
    check_range(">= 1.0 < 1.10", Some("1.2.0"));
    check_range("1.0.0", Some("v1.0.0"));
    check_range("1.0.0 || 2.x", Some("v2.3.4"));
    check_range("*", Some("v2.3.4"));
    check_range(">=2.0.0-0 <2.1", Some("v2.0.0-rc.1"));
    check_range("4.x", None);
    check_range("1.2", Some("1.2.0"));
    check_range("1.0 - 1.5", Some("1.2.0"));
    check_range("!=2.3.4", Some("v1.10.1"));
    check_range("=>1.2, <2", Some("v1.10.1"));
    assert!(Constraint::parse("newest").is_err());
}
