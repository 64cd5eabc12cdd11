//! Commands: each is shown first, asked about, and carried out once, for who was shown the question.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};

use super::world::{failing, ready};
use super::{Asked, Noted, get, text};

/// A question as a browser has it.
struct Form {
    cookie: String,
    form: String,
    token: String,
    of: String,
}

fn field(html: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = html.split_once(&start).expect("the field is there");
    rest.split('"').next().unwrap_or_default().to_owned()
}

async fn question(asked: &Asked, path: &str) -> (Form, String) {
    let response = asked.send(get(path, &[("accept-encoding", "gzip")])).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert!(response.headers().get("content-encoding").is_none());
    let cookie = response.headers()["set-cookie"]
        .to_str()
        .expect("it is text")
        .to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let html = text(response).await;
    let form = Form {
        cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
        form: field(&html, "form"),
        token: field(&html, "token"),
        of: field(&html, "of"),
    };
    (form, html)
}

async fn send(
    asked: &Asked,
    path: &str,
    form: &Form,
    more: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut request = Request::builder()
        .method("POST")
        .uri(path)
        .header("host", "localhost:8420")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("other=1; {}", form.cookie));
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let body = format!(
        "form={}&token={}&of={}{body}",
        form.form, form.token, form.of
    );
    asked
        .send(request.body(Body::from(body)).expect("it is a request"))
        .await
}

const SYNC: &str = "/stacks/team-a/shop/ask/sync";

#[tokio::test]
async fn a_command_is_shown_asked_and_carried_out_once() {
    let noted = Arc::new(Noted::default());
    let asked = Asked::with(vec![ready("shop")], &noted);
    let (_, html) = asked.get("/stacks/team-a/shop").await;
    assert!(html.contains(SYNC));
    let (form, html) = question(&asked, SYNC).await;
    assert!(html.contains("would sync &#60;team-a/shop&#62;"), "{html}");
    assert!(noted.all().is_empty(), "a question asks for nothing");

    let here = [
        ("origin", "http://localhost:8420"),
        ("sec-fetch-site", "same-origin"),
    ];
    for _ in 0..2 {
        let response = send(&asked, SYNC, &form, &here, "&reason=a+%3Cb%3E+reason").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let done = response.headers()["location"]
            .to_str()
            .expect("it is text")
            .to_owned();
        let (status, html) = asked.get(&done).await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains("a &#60;b&#62; reason"), "{html}");
    }
    assert_eq!(noted.all(), ["sync team-a/shop \"\": a <b> reason"]);
}

#[tokio::test]
async fn what_does_not_come_from_this_page_is_refused() {
    let noted = Arc::new(Noted::default());
    let asked = Asked::with(vec![ready("shop")], &noted);
    let (form, _) = question(&asked, SYNC).await;
    let stranger = Form {
        cookie: format!("holdfast-form={}", "a".repeat(64)),
        form: form.form.clone(),
        token: form.token.clone(),
        of: String::new(),
    };
    let no_token = Form {
        cookie: form.cookie.clone(),
        form: form.form.clone(),
        token: String::new(),
        of: String::new(),
    };
    let other_form = Form {
        cookie: form.cookie.clone(),
        form: "0".repeat(64),
        token: form.token.clone(),
        of: String::new(),
    };
    let elsewhere: [&[(&str, &str)]; 4] = [
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:9999")],
        &[("sec-fetch-site", "cross-site")],
    ];
    for headers in elsewhere {
        let response = send(&asked, SYNC, &form, headers, "").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
    }
    for forged in [&stranger, &no_token, &other_form] {
        let response = send(&asked, SYNC, forged, &[], "").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    // Of another process that was served here before.
    let mut other = super::page(
        super::Hand::new(vec![ready("shop")]),
        Some(Arc::clone(&noted)),
    );
    other.secret = [8; 32];
    let restarted = Asked {
        site: crate::site::Site::new(other),
    };
    let response = send(&restarted, SYNC, &form, &[], "").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(noted.all().is_empty());
}

#[tokio::test]
async fn deleting_asks_for_the_name_and_lists_what_goes() {
    let noted = Arc::new(Noted::default());
    let asked = Asked::with(vec![ready("shop")], &noted);
    let path = "/stacks/team-a/shop/ask/delete";
    let (form, html) = question(&asked, path).await;
    assert!(html.contains("Deployment.apps/shop/web"), "{html}");
    for body in ["", "&name=", "&name=shop2", "&name=SHOP"] {
        let response = send(&asked, path, &form, &[], body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    assert!(noted.all().is_empty());
    let response = send(&asked, path, &form, &[], "&name=shop").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(noted.all(), ["delete team-a/shop \"\": no reason"]);
}

#[tokio::test]
async fn a_rollback_names_its_commit_and_what_makes_no_sense_is_not_offered() {
    let noted = Arc::new(Noted::default());
    let asked = Asked::with(vec![ready("shop"), failing("broken")], &noted);
    let commit = "b".repeat(40);
    let (_, html) = asked.get("/stacks/team-a/shop/history").await;
    let path = format!("/stacks/team-a/shop/ask/rollback?of={commit}");
    assert!(html.contains(&path), "{html}");
    let (form, _) = question(&asked, &path).await;
    let response = send(&asked, "/stacks/team-a/shop/ask/rollback", &form, &[], "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        noted.all(),
        [format!("rollback team-a/shop {commit:?}: no reason")]
    );

    for path in [
        "/stacks/team-a/shop/ask/resume",
        "/stacks/team-a/shop/ask/terminate",
        "/stacks/team-a/shop/ask/approve?of=sha256:1",
    ] {
        let (status, _) = asked.get(path).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}");
    }
    let (status, _) = asked.get("/stacks/team-a/broken/ask/terminate").await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = asked.get("/stacks/team-a/shop/ask/explode").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_sends_too_much_waits_and_a_page_that_only_shows_does_nothing() {
    let noted = Arc::new(Noted::default());
    let asked = Asked::with(vec![ready("shop")], &noted);
    let mut refused = 0;
    for _ in 0..40 {
        let (form, _) = question(&asked, SYNC).await;
        let response = send(&asked, SYNC, &form, &[], "").await;
        refused += usize::from(response.status() == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!((noted.all().len(), refused), (30, 10));
    let (form, _) = question(&asked, SYNC).await;
    let long = format!("&reason={}", "x".repeat(20_000));
    let response = send(&asked, SYNC, &form, &[], &long).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let shows = Asked::of(vec![ready("shop")]);
    let (status, _) = shows.get(SYNC).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let response = send(&shows, SYNC, &form, &[], "").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
