//! A Kustomize overlay as objects. It must not know how an overlay is built.

use std::sync::{Mutex, PoisonError};

use holdfast_kustomize::{
    Absent, BuiltObject, HelmChartRequest, LoadRestriction, Options, build, transform,
};
use holdfast_model::artifact::TreePath;
use holdfast_model::external::External;
use holdfast_model::object::{Object, Origin};
use holdfast_model::stack::KustomizeChoice;

use crate::bases::Sharing;
use crate::overrides::{overrides, replaced};
use crate::supplies::Supplies;
use crate::trace::Traced;
use crate::{Error, Fault, OBJECT_LIMIT, Setting, chart};

/// Builds the overlay in a folder. Files may come from anywhere in the source, as Flux and most
/// setups of Argo CD allow: it is one repository, and nothing outside of it can be reached.
pub(crate) fn render(
    blobs: &Traced<'_>,
    folder: &TreePath,
    choice: Option<&KustomizeChoice>,
    setting: &Setting,
    supplies: &Supplies,
) -> Result<Vec<Object>, Error> {
    let overrides = choice.map(|choice| overrides(choice, folder)).transpose()?;
    // Charts that have to be fetched: Kustomize only hears that the chart could not be rendered.
    let missing = Mutex::new(Vec::new());
    let helm = |request: &HelmChartRequest| {
        let inflated = chart::inflate(blobs, request, setting, supplies);
        inflated.map_err(|error| match error {
            Error::Missing(wanted) => {
                let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.extend(wanted);
                "the chart is not fetched".to_owned()
            }
            Error::Faults { faults } => faults[0].message.clone(),
            other => other.to_string(),
        })
    };
    let remotes = supplies.remotes();
    let sharing = Sharing::new(supplies.bases(), blobs);
    let options = Options {
        restriction: LoadRestriction::None,
        helm: Some(&helm),
        // Others see other files.
        bases: match blobs.filter() {
            Some(_) => None,
            None => Some(&sharing),
        },
        remotes: Some(&remotes),
        overrides: overrides.as_ref(),
        absent: match choice {
            Some(_) => Absent::Generated,
            None => Absent::Refused,
        },
        ..Options::default()
    };
    let built = build(blobs, folder, &options);
    blobs.include(&sharing.finish());
    let missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    let built = built.map_err(|error| refused(&error))?;
    objects(built.objects, choice)
}

/// Changes the objects of a chart as a Stack's overrides say, as a post-renderer does.
pub(crate) fn post_render(
    blobs: &Traced<'_>,
    folder: &TreePath,
    choice: &KustomizeChoice,
    supplies: &Supplies,
    objects: Vec<Object>,
) -> Result<Vec<Object>, Error> {
    let overrides = overrides(choice, folder)?;
    let remotes = supplies.remotes();
    let options = Options {
        restriction: LoadRestriction::None,
        remotes: Some(&remotes),
        overrides: Some(&overrides),
        ..Options::default()
    };
    let given = objects.into_iter().map(|object| BuiltObject {
        value: object.value(),
        origin: object.origin.clone(),
        quoted: Vec::new(),
    });
    let built = transform(blobs, folder, given.collect(), &options);
    self::objects(
        built.map_err(|error| refused(&error))?.objects,
        Some(choice),
    )
}

/// What was built, with variables replaced.
fn objects(
    built: Vec<BuiltObject>,
    choice: Option<&KustomizeChoice>,
) -> Result<Vec<Object>, Error> {
    if built.len() > OBJECT_LIMIT {
        return Err(Error::TooMuch {
            what: "objects",
            limit: OBJECT_LIMIT,
        });
    }
    let mut faults = Vec::new();
    let mut objects = Vec::with_capacity(built.len());
    for built in built {
        let origin = built.origin;
        let value = match replaced(choice, built.value, &built.quoted) {
            Ok(value) => value,
            Err(message) => {
                let hint = Some("see spec.render.kustomize.variables".to_owned());
                faults.push(Fault {
                    origin,
                    message,
                    hint,
                });
                continue;
            }
        };
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

fn refused(error: &holdfast_kustomize::Error) -> Error {
    match error {
        holdfast_kustomize::Error::Missing(references) => {
            let urls = references.iter().map(|reference| External::Remote {
                url: reference.url.clone(),
            });
            Error::Missing(urls.collect())
        }
        holdfast_kustomize::Error::Build {
            folder,
            field,
            message,
        } => Error::Faults {
            faults: vec![Fault {
                origin: origin(folder),
                message: format!("{field}: {message}"),
                hint: error.hint().map(str::to_owned),
            }],
        },
    }
}

fn origin(folder: &TreePath) -> Origin {
    Origin {
        path: folder.clone(),
        line: 0,
    }
}
