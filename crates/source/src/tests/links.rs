//! Symlinks: a commit and the working copy that it was made from answer alike, and as a checkout
//! does, as long as a link stays inside.
#![cfg(unix)]

use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, EntryKind, TreePath};
use holdfast_model::revision::CommitId;

use super::{Repository, path};
use crate::{Sources, WorkingCopy};

/// A repository with files and links, as a commit and as the folder on disk.
struct Both {
    commit: Arc<dyn Blobs>,
    folder: WorkingCopy,
    _repository: Repository,
    _sources: Sources,
}

async fn both(files: &[&str], links: &[(&str, &str)]) -> Both {
    let repository = Repository::new();
    for name in files {
        repository.write(name, name);
    }
    for (name, target) in links {
        let place = repository.origin().join(name);
        std::fs::create_dir_all(place.parent().expect("it has a folder")).expect("a folder");
        std::os::unix::fs::symlink(target, place).expect("a link");
    }
    let commit = CommitId(repository.commit("links"));
    let sources = repository.sources();
    let opened = sources.open(&repository.url(), None, &commit).await;
    Both {
        commit: Arc::new(opened.expect("it is there")),
        folder: WorkingCopy::open(&repository.origin(), 1_000).expect("it is there"),
        _repository: repository,
        _sources: sources,
    }
}

impl Both {
    /// What is read at a path, as text: the file's own path, or what is wrong with it.
    fn check(&self, name: &str, expected: Result<&str, &str>) {
        for (reader, blobs) in [("commit", &*self.commit), ("folder", &self.folder)] {
            let found = blobs.read(&path(name));
            let found = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let found = found.map_err(|error| match error {
                BlobError::Absent { .. } => "absent".to_owned(),
                BlobError::BadLink { problem, .. } => problem.replace("repository", "folder"),
                error => error.to_string(),
            });
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{name} of the {reader}");
        }
    }

    fn check_kind(&self, name: &str, expected: Option<EntryKind>) {
        for (reader, blobs) in [("commit", &*self.commit), ("folder", &self.folder)] {
            let found = blobs.kind(&path(name));
            assert_eq!(found, Ok(expected), "{name} of the {reader}");
        }
    }
}

#[tokio::test]
async fn symlinks_stay_inside_the_repository() {
    let links = [
        ("folder", "base"),
        ("file.yaml", "base/web.yaml"),
        ("out.yaml", "../../etc/passwd"),
        ("absolute.yaml", "/etc/passwd"),
        ("circle.yaml", "circle.yaml"),
        ("dangling.yaml", "nothing.yaml"),
        ("out", ".."),
        ("through/out", "../../etc"),
    ];
    let both = both(&["base/web.yaml"], &links).await;
    both.check("folder/web.yaml", Ok("base/web.yaml"));
    both.check("file.yaml", Ok("base/web.yaml"));
    for name in [
        "out.yaml",
        "absolute.yaml",
        "out/passwd",
        "through/out/passwd",
    ] {
        both.check(name, Err("leaves the folder"));
    }
    both.check("circle.yaml", Err("leads round in a circle"));
    both.check("circle.yaml/below", Err("leads round in a circle"));
    both.check("dangling.yaml", Err("leads to nothing"));
    both.check("dangling.yaml/below", Err("leads to nothing"));
    let listed = both.commit.list(&TreePath::root());
    assert_eq!(listed, both.folder.list(&TreePath::root()));
    assert_eq!(listed.map(|entries| entries.len()), Ok(9));
}

#[tokio::test]
async fn what_is_not_there_below_a_link_is_absent() {
    let links = [
        ("clusters/a/app", "../../shared/app"),
        ("clusters/b", "a"),
        ("one.yaml", "clusters/b/app/web.yaml"),
        ("lost", "shared/nowhere"),
        ("broken", "clusters/a/app/none.yaml"),
    ];
    let both = both(&["shared/app/web.yaml"], &links).await;
    both.check("clusters/a/app/web.yaml", Ok("shared/app/web.yaml"));
    both.check("clusters/b/app/web.yaml", Ok("shared/app/web.yaml"));
    both.check("one.yaml", Ok("shared/app/web.yaml"));
    for name in [
        "clusters/a/app/kustomization.yaml",
        "clusters/a/app/none/at/all",
        "clusters/b/app/Chart.yaml",
        "clusters/b/none",
        "one.yaml/below",
        "clusters/a/app/web.yaml/below",
        "shared/app/web.yaml/below",
    ] {
        both.check(name, Err("absent"));
        both.check_kind(name, None);
    }
    // The link itself leads to nothing: that is a fault of the repository, not an absence.
    both.check("lost/web.yaml", Err("leads to nothing"));
    both.check("broken", Err("leads to nothing"));
    both.check_kind("clusters/b/app", Some(EntryKind::Folder));
    both.check_kind("one.yaml", Some(EntryKind::File));
}

#[tokio::test]
async fn a_link_goes_up_from_where_it_leads_as_a_checkout_has_it() {
    // `here/../x` is beside what `here` leads to, not beside `here`.
    let links = [
        ("here", "deep/down"),
        ("up", "here/../x"),
        ("top", "deep/.."),
    ];
    let both = both(&["deep/x", "deep/down/y", "x"], &links).await;
    both.check("up", Ok("deep/x"));
    both.check("top/x", Ok("x"));
    both.check_kind("top", Some(EntryKind::Folder));
}
