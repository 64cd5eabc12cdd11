//! The style, the script and the icon: part of the program, each under a name that changes with it.

use std::sync::LazyLock;

use axum::response::Response;
use holdfast_model::digest::Digest;
use http::StatusCode;

use crate::respond;

/// A file that browsers keep for as long as its name is used.
pub(crate) struct Asset {
    pub(crate) path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let print: String = Digest::of_bytes(text.as_bytes())
            .hex()
            .chars()
            .take(12)
            .collect();
        Self {
            path: format!("/assets/{stem}.{print}.{ending}"),
            kind,
            text,
        }
    }
}

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/page.css");
    Asset::new("page", "css", "text/css; charset=utf-8", text)
});

pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/page.js");
    Asset::new("page", "js", "text/javascript; charset=utf-8", text)
});

pub(crate) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/icon.svg");
    Asset::new("icon", "svg", "image/svg+xml", text)
});

/// The file of a path.
pub(crate) fn answer(path: &str) -> Option<Response> {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let asset = all.into_iter().find(|asset| asset.path == path)?;
    let kept = "public, max-age=31536000, immutable";
    Some(respond::text(
        StatusCode::OK,
        asset.kind,
        kept,
        asset.text.to_owned(),
    ))
}
