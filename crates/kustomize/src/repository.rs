//! Addresses of folders in other repositories, as Kustomize 5.8.1 reads them. It must not fetch.

use holdfast_model::artifact::TreePath;

/// A folder in another Git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFolder {
    /// Where the repository is: `https://…`, `http://…`, `ssh://…`, `file://…` or `user@host:path`.
    pub url: String,
    /// A tag, a branch or a commit; the default branch when left out.
    pub reference: Option<String>,
    /// The folder in it.
    pub path: TreePath,
}

/// Reads an address; `None` for what names no repository, or a folder outside of it.
///
/// Forms: `https://host/org/repo//path?ref=x`, `…/org/repo.git/path`, `…/org/repo/path`,
/// `git@host:org/repo//path`, `ssh://user@host/org/repo//path`, `file:///repo//path`,
/// `github.com/org/repo/path`, and Azure's `…/_git/repo/path`; `git::` in front is ignored.
pub fn repository_folder(address: &str) -> Option<RepositoryFolder> {
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let address = address.strip_prefix("git::").unwrap_or(address);
    let (host, rest) = host(address)?;
    let is_file = host == "file://";
    let (repository, path) = split(&rest, is_file)?;
    Some(RepositoryFolder {
        url: format!("{host}{repository}"),
        reference: reference(query),
        path: TreePath::root().join(path.trim_matches('/'))?,
    })
}

/// The host with its scheme and user, as it goes in front of a repository's path; and the rest.
fn host(address: &str) -> Option<(String, String)> {
    if let Some(rest) = address.strip_prefix("file://") {
        return Some(("file://".to_owned(), rest.to_owned()));
    }
    let lower = address.to_lowercase();
    let scheme = ["https://", "http://", "ssh://"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme));
    let rest = &address[scheme.map_or(0, str::len)..];
    // `github.com:org/repo` and `github.com/org/repo` are the same, with or without a scheme.
    let github = ["github.com/", "github.com:"]
        .into_iter()
        .find(|name| rest.to_lowercase().starts_with(name));
    if let (None | Some("https://" | "http://"), Some(github)) = (scheme, github) {
        let rest = rest[github.len()..].to_owned();
        return Some(("https://github.com/".to_owned(), rest));
    }
    if scheme.is_some() {
        let (authority, path) = rest.split_once('/')?;
        let host = format!("{}{authority}/", scheme.unwrap_or_default());
        return Some((host, path.to_owned()));
    }
    // user@host:path, with a slash where somebody took it for an address.
    let (user, after) = rest.split_once('@')?;
    let end = after.find([':', '/'])?;
    let is_name = !user.is_empty() && !user.contains(['/', ':']) && end > 0;
    is_name.then(|| {
        let host = format!("{user}@{}:", &after[..end]);
        (host, after[end + 1..].to_owned())
    })
}

/// The repository's path and the folder in it.
fn split(rest: &str, is_file: bool) -> Option<(&str, &str)> {
    if let Some(at) = rest.find("_git/") {
        let after = at + "_git/".len();
        let end = rest[after..]
            .find('/')
            .map_or(rest.len(), |end| after + end);
        return Some((&rest[..end], &rest[end..]));
    }
    if let Some((repository, path)) = rest.split_once("//") {
        return (!repository.is_empty()).then_some((repository, path));
    }
    if let Some(at) = rest.find(".git") {
        let end = at + ".git".len();
        if rest[end..].is_empty() || rest[end..].starts_with('/') {
            return Some((&rest[..end], &rest[end..]));
        }
    }
    if is_file {
        return Some((rest, ""));
    }
    let (organisation, after) = rest.split_once('/')?;
    let length = after.find('/').unwrap_or(after.len());
    let is_named = !organisation.is_empty() && length > 0;
    is_named.then(|| rest.split_at(organisation.len() + 1 + length))
}

/// `ref` counts before `version`; anything else says how to fetch.
fn reference(query: &str) -> Option<String> {
    let find = |wanted: &str| {
        query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == wanted && !value.is_empty()).then(|| value.to_owned())
        })
    };
    find("ref").or_else(|| find("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms from Kustomize's documentation of remote targets.
    #[test]
    fn every_form_of_an_address_is_read() {
        let cases = [
            (
                "https://github.com/org/repo//base/app?ref=v1.0.6",
                "https://github.com/org/repo|v1.0.6|base/app",
            ),
            (
                "github.com/org/repo/base?ref=main&timeout=90s",
                "https://github.com/org/repo|main|base",
            ),
            ("github.com/org/repo", "https://github.com/org/repo||"),
            (
                "https://git.example/group/sub/repo.git/base?version=v2",
                "https://git.example/group/sub/repo.git|v2|base",
            ),
            (
                "git@github.com:org/repo.git//base?ref=abc",
                "git@github.com:org/repo.git|abc|base",
            ),
            ("git@host.example/org/repo", "git@host.example:org/repo||"),
            (
                "ssh://git@host.example:7999/org/repo//a/b",
                "ssh://git@host.example:7999/org/repo||a/b",
            ),
            ("file:///srv/repo//base", "file:///srv/repo||base"),
            ("file:///srv/repo", "file:///srv/repo||"),
            (
                "git::https://host.example/org/repo//base",
                "https://host.example/org/repo||base",
            ),
            (
                "https://dev.azure.com/org/project/_git/repo/base?ref=x",
                "https://dev.azure.com/org/project/_git/repo|x|base",
            ),
        ];
        for (address, expected) in cases {
            let found = repository_folder(address).map(|folder| {
                let reference = folder.reference.unwrap_or_default();
                format!("{}|{reference}|{}", folder.url, folder.path.as_str())
            });
            assert_eq!(found.as_deref(), Some(expected), "{address}");
        }
        for none in [
            "../base",
            "base",
            "https://host.example/file.yaml",
            "",
            "https://h/o/r//../..",
        ] {
            assert_eq!(repository_folder(none), None, "{none}");
        }
    }
}
