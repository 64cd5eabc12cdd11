//! A Kustomize overlay as objects. It must not know how an overlay is built.

use holdfast_kustomize::{BuiltObject, HelmChartRequest, LoadRestriction, Options, build};
use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::object::{Object, Origin};

use crate::{Error, Fault, OBJECT_LIMIT, Setting, chart};

/// Builds the overlay in a folder. Files may come from anywhere in the source, as Flux and most
/// setups of Argo CD allow: it is one repository, and nothing outside of it can be reached.
pub(crate) fn render(
    blobs: &dyn Blobs,
    folder: &TreePath,
    setting: &Setting,
) -> Result<Vec<Object>, Error> {
    let helm = |request: &HelmChartRequest| chart::inflate(blobs, request, setting);
    let options = Options {
        restriction: LoadRestriction::None,
        helm: Some(&helm),
        ..Options::default()
    };
    let built = build(blobs, folder, &options).map_err(|error| refused(folder, &error))?;
    if built.objects.len() > OBJECT_LIMIT {
        return Err(Error::TooMuch {
            what: "objects",
            limit: OBJECT_LIMIT,
        });
    }
    let mut faults = Vec::new();
    let mut objects = Vec::with_capacity(built.objects.len());
    for BuiltObject { value, origin } in built.objects {
        match Object::new(value, origin.clone()) {
            Ok(object) => objects.push(object),
            Err(error) => faults.push(Fault {
                origin,
                message: error.to_string(),
                hint: None,
            }),
        }
    }
    if faults.is_empty() {
        Ok(objects)
    } else {
        Err(Error::Faults { faults })
    }
}

fn refused(folder: &TreePath, error: &holdfast_kustomize::Error) -> Error {
    let fault = match error {
        holdfast_kustomize::Error::Missing(references) => {
            let urls: Vec<&str> = references
                .iter()
                .map(|reference| reference.url.as_str())
                .collect();
            Fault {
                origin: origin(
                    references
                        .first()
                        .map_or(folder, |reference| &reference.folder),
                ),
                message: format!("it names {} outside of its repository", urls.join(", ")),
                hint: Some("remote bases are not fetched yet; commit a copy".to_owned()),
            }
        }
        holdfast_kustomize::Error::Build {
            folder,
            field,
            message,
        } => Fault {
            origin: origin(folder),
            message: format!("{field}: {message}"),
            hint: None,
        },
    };
    Error::Faults {
        faults: vec![fault],
    }
}

fn origin(folder: &TreePath) -> Origin {
    Origin {
        path: folder.clone(),
        line: 0,
    }
}
