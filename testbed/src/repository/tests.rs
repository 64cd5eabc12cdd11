//! Commits that are made without git are what git would have made.

use std::os::unix::fs::PermissionsExt as _;

use super::Repository;

fn repository() -> anyhow::Result<Repository> {
    let repository = Repository::new()?;
    repository.write("app/a.yaml", "a: 1\n")?;
    repository.write("app/deep/b.yaml", "b: 1\n")?;
    // Git sorts folders as if their names ended with a slash.
    repository.write("app-2/c.yaml", "c: 1\n")?;
    repository.write("app.yaml", "d: 1\n")?;
    repository.write("run.sh", "true\n")?;
    let script = repository.path().join("run.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755))?;
    repository.link("link", "app/a.yaml")?;
    Ok(repository)
}

#[test]
fn a_commit_is_what_git_would_have_made() -> anyhow::Result<()> {
    let repository = repository()?;
    let commit = repository.commit("one")?;
    let tree = repository.git(&["rev-parse", "HEAD^{tree}"])?;
    assert_eq!(repository.git(&["rev-parse", "HEAD"])?, commit);
    repository.git(&["fsck", "--strict"])?;
    assert_eq!(repository.git(&["status", "--porcelain"])?, "");
    repository.git(&["add", "--all"])?;
    assert_eq!(repository.git(&["write-tree"])?, tree);
    Ok(())
}

#[test]
fn git_goes_on_from_a_commit_and_a_commit_from_git() -> anyhow::Result<()> {
    let repository = repository()?;
    let first = repository.commit("one")?;
    repository.git(&["rm", "--quiet", "app/a.yaml"])?;
    repository.git(&["mv", "app/deep/b.yaml", "app/b.yaml"])?;
    let second = repository.commit("two")?;
    assert_eq!(repository.git(&["rev-parse", "HEAD^"])?, first);
    repository.git(&["revert", "--no-edit", &second])?;
    let head = repository.git(&["rev-parse", "HEAD"])?;
    let third = repository.commit("three")?;
    assert_eq!(repository.git(&["rev-parse", "HEAD^"])?, head);
    assert_eq!(repository.git(&["diff", &first, &third])?, "");
    Ok(())
}

#[test]
fn what_is_found_is_what_git_shows_of_the_newest_commit() -> anyhow::Result<()> {
    let repository = repository()?;
    repository.commit("one")?;
    let found = |name: &str| repository.find(name);
    let content = |name: &str| anyhow::Ok(found(name)?.map(|found| found.content));
    assert_eq!(content("HEAD:app/a.yaml")?, Some(b"a: 1\n".to_vec()));
    assert_eq!(content("HEAD:no such file")?, None);
    let tree = found("HEAD:")?
        .map(|tree| tree.entries())
        .unwrap_or_default();
    let names: Vec<&str> = tree.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["app-2", "app.yaml", "app", "link", "run.sh"]);
    let links: Vec<&str> = tree
        .iter()
        .filter(|entry| entry.is_link())
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(links, ["link"]);
    repository.write("app/a.yaml", "a: 2\n")?;
    repository.commit("two")?;
    assert_eq!(content("HEAD:app/a.yaml")?, Some(b"a: 2\n".to_vec()));
    Ok(())
}

#[test]
fn a_branch_is_forced_elsewhere_deleted_and_made_again() -> anyhow::Result<()> {
    let repository = repository()?;
    let first = repository.commit("one")?;
    repository.commit("two")?;
    repository.write("app/a.yaml", "a: 3\n")?;
    let forced = repository.amend("three")?;
    assert_eq!(repository.git(&["rev-parse", "HEAD^"])?, first);
    assert_eq!(repository.git(&["rev-parse", "HEAD"])?, forced);
    assert_eq!(repository.git(&["show", "HEAD:app/a.yaml"])?, "a: 3");
    repository.git(&["fsck", "--strict"])?;
    repository.delete_branch()?;
    assert_eq!(repository.find("HEAD:app/a.yaml")?, None);
    repository.point(&first)?;
    let found = repository.find("HEAD:app/a.yaml")?;
    assert_eq!(found.map(|found| found.content), Some(b"a: 1\n".to_vec()));
    Ok(())
}
