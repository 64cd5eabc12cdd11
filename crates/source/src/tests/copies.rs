//! Local copies: whose each is, and how large they grow.

use std::collections::BTreeSet;
use std::path::Path;

use holdfast_model::artifact::Blobs;
use holdfast_model::revision::CommitId;
use holdfast_model::stack::Reference;

use super::{Repository, commit_of, path};
use crate::copies::{key, make_room, mend, name};
use crate::{Credentials, Sources};

fn basic(password: &str) -> Credentials {
    Credentials::Basic {
        username: "me".to_owned(),
        password: password.to_owned(),
    }
}

#[tokio::test]
async fn what_was_fetched_with_credentials_is_not_read_without_them() {
    let repository = Repository::new();
    repository.write("a.yaml", "kind: A\n");
    let commit = CommitId(repository.commit("private"));
    let (sources, url) = (repository.sources(), repository.url());
    let mine = basic("mine");
    let opened = sources.open(&url, Some(&mine), &commit).await;
    opened.expect("it is fetched");
    // From now on only who has a copy can read it.
    std::fs::rename(repository.origin(), repository.folder.path().join("away")).expect("it moves");
    let again = repository.sources();
    let opened = again.open(&url, Some(&mine), &commit).await;
    opened.expect("the copy is found again after a start");
    for others in [None, Some(basic("guessed"))] {
        let refused = again.open(&url, others.as_ref(), &commit).await;
        assert!(refused.is_err(), "{others:?}");
    }
}

#[test]
fn names_of_copies_cannot_be_guessed_from_credentials() {
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a folder"), other.expect("a folder"));
    let named = |root: &Path| name(root, "https://git.example/a.git", Some(&basic("p")));
    assert_eq!(named(one.path()), named(one.path()));
    assert_ne!(named(one.path()), named(other.path()));
    assert_eq!(key(one.path()).len(), 32);
}

fn packs(cache: &Path) -> usize {
    let copies = std::fs::read_dir(cache.join("git")).expect("a cache");
    let packs = copies.flatten().map(|copy| {
        let packs = std::fs::read_dir(copy.path().join("objects/pack"));
        let packs = packs.into_iter().flatten().flatten();
        let is_pack = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".pack");
        packs.filter(|entry| is_pack(&entry.file_name())).count()
    });
    packs.sum()
}

#[tokio::test]
async fn a_copy_that_has_grown_is_gathered_and_what_was_read_stays() {
    let repository = Repository::new();
    let (sources, url) = (repository.sources(), repository.url());
    let mut commits = Vec::new();
    let mut most = 0;
    for number in 0..60 {
        repository.write("deep/a.yaml", &format!("number: {number}\n"));
        let commit = CommitId(repository.commit("more"));
        let found = commit_of(&sources, &url, Reference::Head).await;
        assert_eq!(found, Ok(commit.0.clone()));
        sources
            .open(&url, None, &commit)
            .await
            .expect("it is there");
        commits.push(commit);
        most = most.max(packs(&repository.folder.path().join("cache")));
    }
    assert!(most <= 50, "{most} packs");
    // Without the origin: what was read last is all there.
    std::fs::rename(repository.origin(), repository.folder.path().join("away")).expect("it moves");
    for number in [59, 50, 40] {
        let tree = sources.open(&url, None, &commits[number]).await;
        let tree = tree.expect("it is kept");
        let text = tree.read(&path("deep/a.yaml")).expect("it is there");
        assert_eq!(*text, *format!("number: {number}\n").as_bytes());
    }
}

#[test]
fn a_copy_is_whole_after_a_kill_while_it_was_gathered() {
    let all = tempfile::tempdir().expect("a folder");
    let folder = all.path().join("copy");
    let make = |place: &Path, text: &str| {
        std::fs::create_dir_all(place).expect("a folder");
        std::fs::write(place.join("HEAD"), text).expect("a file");
    };
    let text = || std::fs::read_to_string(folder.join("HEAD")).expect("it is there");
    // Before the first move, between the two, and after the second.
    make(&folder, "old");
    make(&folder.with_extension("fresh"), "fresh");
    mend(&folder).expect("it is mended");
    assert_eq!(text(), "old");
    std::fs::rename(&folder, folder.with_extension("old")).expect("it moves");
    make(&folder.with_extension("fresh"), "fresh");
    mend(&folder).expect("it is mended");
    assert_eq!(text(), "old");
    make(&folder.with_extension("old"), "older");
    mend(&folder).expect("it is mended");
    assert_eq!(text(), "old");
    let left: BTreeSet<_> = std::fs::read_dir(all.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn copies_that_nobody_has_read_for_long_go_and_those_in_use_stay() {
    let repository = Repository::new();
    repository.write("a.yaml", "kind: A\n");
    let commit = CommitId(repository.commit("first"));
    let sources: Sources = repository.sources();
    let url = repository.url();
    for credentials in [None, Some(basic("one")), Some(basic("two"))] {
        let opened = sources.open(&url, credentials.as_ref(), &commit).await;
        opened.expect("it is there");
    }
    let all = repository.folder.path().join("cache/git");
    let turns = || -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(&all).expect("a cache").flatten();
        let mut turns: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "turn"))
            .collect();
        turns.sort();
        turns
    };
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let age = |turn: &Path| {
        let file = std::fs::File::options().write(true).open(turn);
        file.and_then(|file| file.set_modified(long_ago))
            .expect("it ages");
    };
    let [first, second, third] = turns().try_into().expect("three copies");
    age(&first);
    age(&second);
    let held = std::fs::File::open(&second).expect("it is there");
    held.lock().expect("it is locked");
    make_room(&all);
    assert_eq!(turns(), [second, third]);
    assert!(!first.with_extension("").exists());
}
