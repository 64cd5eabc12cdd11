//! Which path leads where. It must not know what is there.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::response::Response;
use axum::routing::{get, post};
use http::{StatusCode, Uri};

use crate::asker::Asker;
use crate::site::Site;
use crate::{api, ask, assets, events, fleet, plan, respond, shell, sign_in, stack};

/// The most bytes that a form has.
const FORM: usize = 16 << 10;

pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(fleet::answer))
        .route("/stacks/{namespace}/{name}", get(stack::answer))
        .route("/stacks/{namespace}/{name}/plan", get(plan::answer))
        .route("/stacks/{namespace}/{name}/history", get(stack::history))
        .route(
            "/stacks/{namespace}/{name}/ask/{verb}",
            get(ask::question).post(ask::answer),
        )
        .route("/done/{id}", get(ask::done))
        .route(
            sign_in::SIGN_IN,
            get(sign_in::question).post(sign_in::answer),
        )
        .route(sign_in::SIGN_OUT, post(sign_in::end))
        .route(sign_in::ACCOUNT, get(sign_in::account))
        .route("/events", get(listen))
        .route("/events/{namespace}/{name}", get(listen_to))
        .route("/api/v1/stacks", get(api::stacks))
        .route("/api/v1/stacks/{namespace}/{name}", get(api::stack))
        .route(
            "/api/v1/stacks/{namespace}/{name}/history",
            get(api::history),
        )
        .route("/api/v1/stacks/{namespace}/{name}/plan", get(api::plan))
        .route("/healthz", get(healthy))
        .route("/assets/{name}", get(asset))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(FORM))
        .with_state(site)
}

async fn healthy() -> Response {
    let kind = "text/plain; charset=utf-8";
    respond::text(StatusCode::OK, kind, "no-store", "ok\n".to_owned())
}

async fn asset(uri: Uri) -> Response {
    let missing = || respond::problem(StatusCode::NOT_FOUND, "there is no such file");
    assets::answer(uri.path()).unwrap_or_else(missing)
}

async fn listen(site: Asker) -> Response {
    events::answer(&site, None)
}

async fn listen_to(site: Asker, Path(key): Path<(String, String)>) -> Response {
    events::answer(&site, Some(shell::key_of(key)))
}

async fn nowhere(site: Asker, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return respond::problem(StatusCode::NOT_FOUND, "there is no such path");
    }
    shell::missing(&site, "There is no such page.")
}

async fn not_so() -> Response {
    let detail = "this path does not take this method";
    respond::problem(StatusCode::METHOD_NOT_ALLOWED, detail)
}
