//! Which files of a folder a render may see, as `spec.render.include` and `spec.render.exclude` say. It
//! must not know what renders them.

use globset::{Glob, GlobSet, GlobSetBuilder};
use holdfast_model::artifact::TreePath;
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::stack::RenderChoice;

use crate::Error;

/// Which files of a folder are seen. Files elsewhere always are: a base beside the folder is part of
/// what the folder says.
pub(crate) struct Filter {
    folder: TreePath,
    /// None for all files.
    include: Option<GlobSet>,
    exclude: GlobSet,
    digest: Digest,
}

impl Filter {
    /// The filter of a Stack; none where it hides nothing.
    ///
    /// # Errors
    /// [`Error::BadGlob`].
    pub(crate) fn of(folder: &TreePath, choice: &RenderChoice) -> Result<Option<Self>, Error> {
        if choice.include.is_empty() && choice.exclude.is_empty() {
            return Ok(None);
        }
        let include = globs(&choice.include, "spec.render.include")?;
        let mut hasher = Hasher::new("filter");
        hasher.field(folder.as_str().as_bytes());
        for list in [&choice.include, &choice.exclude] {
            hasher.field(list.len().to_string().as_bytes());
            for pattern in list {
                hasher.field(pattern.as_bytes());
            }
        }
        Ok(Some(Self {
            folder: folder.clone(),
            include: (!choice.include.is_empty()).then_some(include),
            exclude: globs(&choice.exclude, "spec.render.exclude")?,
            digest: hasher.finish(),
        }))
    }

    /// Whether a file is not to be seen.
    pub(crate) fn hides(&self, file: &TreePath) -> bool {
        if !file.is_within(&self.folder) {
            return false;
        }
        let rest = file.as_str().strip_prefix(self.folder.as_str());
        let relative = rest.unwrap_or_default().trim_start_matches('/');
        let is_left_out = |include: &GlobSet| !include.is_match(relative);
        self.exclude.is_match(relative) || self.include.as_ref().is_some_and(is_left_out)
    }

    /// Another one for another choice.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

fn globs(patterns: &[String], field: &'static str) -> Result<GlobSet, Error> {
    let mut builder = GlobSetBuilder::new();
    let bad = |glob: &str, error: globset::Error| Error::BadGlob {
        glob: glob.to_owned(),
        field,
        message: error.kind().to_string(),
    };
    for pattern in patterns {
        builder.add(Glob::new(pattern).map_err(|error| bad(pattern, error))?);
    }
    builder
        .build()
        .map_err(|error| bad(&patterns.join(", "), error))
}
