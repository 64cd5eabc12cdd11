//! Changes names, tags and digests of images.

use holdfast_go::regexp::Regex;
use holdfast_yaml::{Node, NodeValue, Style};

use crate::config::FieldSpec;
use crate::fields::{Make, change};
use crate::file::Image;
use crate::node::{field_mut, is_null, kind_name, replace_scalar};
use crate::resources::{Resources, go_regex};

/// Applies an entry of `images` wherever its image is used.
///
/// Two walks run one after the other, as in Kustomize: over everything that is called
/// `containers` or `initContainers`, and over the field specs. A tag suffix is thus added twice to
/// images that both find.
pub(crate) fn set_images(
    resources: &mut Resources,
    image: &Image,
    specs: &[FieldSpec],
) -> Result<(), String> {
    // The name is a regular expression; people write plain names and mostly do not notice.
    let pattern = format!(
        "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
        image.name
    );
    let pattern = go_regex(&pattern)
        .ok_or_else(|| format!("image name `{}` is no regular expression", image.name))?;
    let mut set = |node: &mut Node| set_image(node, image, &pattern);
    for resource in &mut resources.list {
        if resource.kind() != "CustomResourceDefinition" {
            visit_containers(&mut resource.node, &mut set)?;
        }
    }
    for resource in &mut resources.list {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        for spec in specs {
            change(resource, spec, Make::Nothing, &mut set)?;
        }
    }
    Ok(())
}

type Set<'a> = &'a mut dyn FnMut(&mut Node) -> Result<(), String>;

fn visit_containers(node: &mut Node, set: Set<'_>) -> Result<(), String> {
    match &mut node.value {
        NodeValue::Scalar(_) => Ok(()),
        NodeValue::Sequence(items) => items
            .iter_mut()
            .try_for_each(|item| visit_containers(item, set)),
        NodeValue::Mapping(entries) => {
            for (key, value) in entries {
                visit_containers(value, set)?;
                if !matches!(key.text(), Some("containers" | "initContainers")) {
                    continue;
                }
                let NodeValue::Sequence(items) = &mut value.value else {
                    continue;
                };
                for item in items {
                    if !matches!(item.value, NodeValue::Mapping(_)) && !is_null(item) {
                        return Err(format!("expected a mapping, found {}", kind_name(item)));
                    }
                    if let Some(image) = field_mut(item, "image") {
                        set(image)?;
                    }
                }
            }
            Ok(())
        }
    }
}

fn set_image(node: &mut Node, image: &Image, pattern: &Regex) -> Result<(), String> {
    if is_null(node) {
        return Ok(());
    }
    let Some(text) = node.text() else {
        return Err(format!("expected a scalar, found {}", kind_name(node)));
    };
    if !pattern.is_match(text) {
        return Ok(());
    }
    let (name, tag, digest) = split_image(text);
    let name = if image.new_name.is_empty() {
        name
    } else {
        &image.new_name
    };
    let suffixed = format!("{tag}{}", image.tag_suffix);
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str()) {
        ("", "") if !image.tag_suffix.is_empty() => (suffixed.as_str(), ""),
        ("", "") => (tag, digest),
        (tag, digest) => (tag, digest),
    };
    let mut text = name.to_owned();
    for (mark, part) in [(':', tag), ('@', digest)] {
        if !part.is_empty() {
            text.push(mark);
            text.push_str(part);
        }
    }
    replace_scalar(node, Node::scalar(text, Style::Plain))
}

/// Splits an image into name, tag and digest; a colon in front of the first slash is a port.
pub(crate) fn split_image(image: &str) -> (&str, &str, &str) {
    let start = match image.find('/') {
        Some(at) if at > 0 => at,
        _ => 0,
    };
    let search = &image[start..];
    let at = search.find('@').map(|at| at + start);
    let colon = search.find(':').map(|at| at + start);
    match (at, colon) {
        (None, None) => (image, "", ""),
        (Some(at), colon) if colon.is_none_or(|colon| at < colon) => {
            (&image[..at], "", &image[at + 1..])
        }
        (Some(at), Some(colon)) => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (None, Some(colon)) => (&image[..colon], &image[colon + 1..], ""),
        (Some(at), None) => (&image[..at], "", &image[at + 1..]),
    }
}
