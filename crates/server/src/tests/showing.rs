//! What the pages and the API show.

use std::sync::PoisonError;

use holdfast_model::plan::Why;
use holdfast_model::status::{Reason, Truth};
use holdfast_model::time::Time;
use holdfast_model::view::{Proposal, Sight};
use http::StatusCode;

use super::world::{condition, failing, ready, with};
use super::{Asked, Hand, NOW, bytes, get, page, text};
use crate::site::Site;

#[tokio::test]
async fn the_list_has_what_needs_somebody_first_and_finds_what_is_looked_for() {
    let waiting = with(ready("c-waits"), |status| {
        status.ready = condition(Truth::False, Reason::OutOfSync, "2 changes; sync to apply");
    });
    let asked = Asked::of(vec![ready("a-well"), failing("b-fails"), waiting]);
    let (status, html) = asked.get("/").await;
    assert_eq!(status, StatusCode::OK);
    let at = |name: &str| html.find(&format!(">{name}</a>")).expect(name);
    assert!(at("b-fails") < at("c-waits") && at("c-waits") < at("a-well"));
    for words in [
        "1 to 3 of 3",
        "ImagePullBackOff",
        "Out of sync",
        "changed by alice",
        "5m",
        "this cluster",
    ] {
        assert!(html.contains(words), "{words} in {html}");
    }

    let (_, html) = asked
        .get("/?q=IMAGEPULL&state=failing&target=in-cluster&namespace=team-a")
        .await;
    assert!(html.contains("b-fails") && !html.contains("a-well"));
    assert!(html.contains("1 to 1 of 1, 3 in all"), "{html}");
    let (_, html) = asked.get("/?q=nowhere%22%3E%3Cscript%3E").await;
    assert!(html.contains("No Stack is like that"));
    assert!(!html.contains("\"><script>"), "{html}");
}

#[tokio::test]
async fn a_stack_says_what_it_is_at_why_what_happens_now_and_what_comes_next() {
    let asked = Asked::of(vec![failing("shop")]);
    let (status, html) = asked.get("/stacks/team-a/shop").await;
    assert_eq!(status, StatusCode::OK);
    for words in [
        "waiting for Deployment.apps/shop/web",
        "(2m of 10m)",
        "What to do: look at the image",
        "Git is at main@aaaaaaaaaaaa",
        "in 5s, at 1970-01-12T13:46:45Z to ask again what does not work",
        "https://git.example/shop.git main, folder envs/prod",
        "Degraded, 3 times",
        "base/web.yaml:3",
        "<svg width=",
        "aria-label=\"Deployment.apps/shop/web: Degraded: ImagePullBackOff",
    ] {
        assert!(html.contains(words), "{words} in {html}");
    }
    // Both of its lines lead from left to right: the Service to the Deployment, and that to its files.
    assert_eq!(html.matches("class=\"edge\"").count(), 2);
    assert!(!html.contains("unseen value"));
    assert!(!html.contains("/ask/"), "nothing can be asked for");
    let (status, _) = asked.get("/stacks/team-a/other").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_is_shown_step_by_step_and_the_history_with_its_commits() {
    let asked = Asked::of(vec![failing("shop"), ready("well")]);
    let (_, html) = asked.get("/stacks/team-a/shop/plan").await;
    for words in [
        "Git changed /spec/template/spec/containers/0/image",
        "− registry.example/web:1.1",
        "+ registry.example/web:broken",
        "wave 2",
        "4 more steps are not shown",
        "5 changes for main@cccccccccccc: under way",
    ] {
        assert!(html.contains(words), "{words} in {html}");
    }
    let (_, html) = asked.get("/stacks/team-a/well/plan").await;
    assert!(html.contains("There is nothing to do"));
    let (_, html) = asked.get("/stacks/team-a/well/history").await;
    for words in [
        "Succeeded",
        "main@aaaaaaaaaaaa",
        "changed by alice",
        "main@bbbbbbbbbbbb",
    ] {
        assert!(html.contains(words), "{words} in {html}");
    }
}

#[tokio::test]
async fn what_looks_like_markup_is_text_everywhere() {
    let evil = "<script>alert(1)</script>\"'><img src=x>";
    let mut view = with(failing("evil"), |status| {
        status.ready.message = evil.to_owned();
        status.synced = condition(Truth::False, Reason::ApplyFailed, evil);
        status.problems[0].message = evil.to_owned();
        status.problems[0].hint = Some(evil.to_owned());
        status.history[0].summary = evil.to_owned();
        status.history[0].revision.reference = evil.to_owned();
    });
    let mut stack = holdfast_model::stack::Stack::clone(&view.stack);
    stack.key.name = evil.to_owned();
    stack.destination.namespace = evil.to_owned();
    stack.source.repository.url = evil.to_owned();
    view.stack = stack.into();
    let mut proposal = Proposal::clone(view.proposal.as_ref().expect("it has one"));
    proposal.steps[0].fields[0].live = Some(evil.to_owned());
    proposal.steps[0].why = Why::Moved {
        to: evil.to_owned(),
    };
    view.proposal = Some(proposal.into());
    let path = format!("/stacks/team-a/{}", holdfast_model::percent::encode(evil));
    let asked = Asked::of(vec![view]);
    for path in [
        "/".to_owned(),
        path.clone(),
        format!("{path}/plan"),
        format!("{path}/history"),
    ] {
        let (status, html) = asked.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(html.contains("alert(1)"), "{path}: it is shown");
        assert!(!html.contains("<script>alert"), "{path}: {html}");
        assert!(!html.contains("<img"), "{path}: {html}");
        assert!(!html.contains("\"'>"), "{path}: {html}");
    }
}

#[tokio::test]
async fn programs_get_the_same_as_json_with_tags_and_problems() {
    let asked = Asked::of(vec![failing("shop"), ready("well")]);
    let list = asked.json("/api/v1/stacks?limit=1").await;
    assert_eq!(list["total"], 2);
    assert_eq!(list["nextPage"], 2);
    assert_eq!(list["stacks"][0]["name"], "shop");
    assert_eq!(list["counts"]["failing"], 1);
    let list = asked.json("/api/v1/stacks?limit=1&page=2").await;
    assert_eq!(list["stacks"][0]["name"], "well");
    let stack = asked.json("/api/v1/stacks/team-a/shop").await;
    assert_eq!(
        stack["operation"]["waitsFor"][0],
        "Deployment.apps/shop/web"
    );
    assert_eq!(stack["objects"].as_array().map(Vec::len), Some(3));
    assert!(!stack.to_string().contains("unseen value"));
    let plan = asked.json("/api/v1/stacks/team-a/shop/plan").await;
    assert_eq!(plan["plan"]["steps"][0]["verb"], "update");
    let history = asked.json("/api/v1/stacks/team-a/shop/history").await;
    assert_eq!(history["history"][0]["end"], "succeeded");

    for path in ["/api/v1/stacks", "/api/v1/stacks/team-a/shop"] {
        let response = asked.send(get(path, &[])).await;
        let tag = response.headers()["etag"]
            .to_str()
            .expect("it is text")
            .to_owned();
        let again = asked.send(get(path, &[("if-none-match", &tag)])).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        let other = asked
            .send(get(path, &[("if-none-match", "\"other\"")]))
            .await;
        assert_eq!(other.status(), StatusCode::OK, "{path}");
    }
    let missing = asked.send(get("/api/v1/stacks/team-a/none", &[])).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        missing.headers()["content-type"],
        "application/problem+json"
    );
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let asked = Asked::of(vec![ready("shop")]);
    for path in [
        "/",
        "/stacks/team-a/shop",
        "/api/v1/stacks",
        "/nowhere",
        "/healthz",
        "/events",
    ] {
        let response = asked.send(get(path, &[])).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"]
            .to_str()
            .expect("it is text");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
    // The policy would keep these from working.
    let (_, html) = asked.get("/stacks/team-a/shop").await;
    for inline in [
        "<script>",
        " style=",
        " onclick=",
        "javascript:",
        "http-equiv",
    ] {
        assert!(!html.contains(inline), "{inline}");
    }
    for line in html.lines().filter(|line| line.contains("/assets/")) {
        let path = line
            .split('"')
            .find(|part| part.starts_with("/assets/"))
            .expect("it has a path");
        let response = asked.send(get(path, &[])).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let kept = response.headers()["cache-control"]
            .to_str()
            .expect("it is text");
        assert!(kept.contains("immutable"), "{path}");
    }
}

#[tokio::test]
async fn only_names_of_this_machine_and_those_that_are_allowed_are_answered() {
    let asked = Asked::of(vec![ready("shop")]);
    for host in [
        "localhost",
        "127.0.0.1:1",
        "[::1]:8420",
        "127.9.9.9",
        "HOLDFAST.example:80",
    ] {
        let response = asked.send(get("/", &[("host", host)])).await;
        assert_eq!(response.status(), StatusCode::OK, "{host}");
    }
    for host in [
        "evil.example",
        "10.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a b",
    ] {
        let response = asked.send(get("/api/v1/stacks", &[("host", host)])).await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!text(response).await.contains("shop"), "{host}");
    }
}

#[tokio::test]
async fn a_page_says_since_when_nothing_is_heard() {
    let hand = Hand::new(vec![ready("shop")]);
    let since = Time::from_millis(NOW - 180_000);
    *hand.sight.lock().unwrap_or_else(PoisonError::into_inner) = Sight::Blind(since);
    let asked = Asked {
        site: Site::new(page(hand, None)),
    };
    let (_, html) = asked.get("/").await;
    let words = format!("does not answer since {since} (3m)");
    assert!(html.contains(&words), "{html}");
    let list = asked.json("/api/v1/stacks").await;
    assert_eq!(list["sight"]["state"], "blind");
}

#[tokio::test]
async fn ten_thousand_stacks_are_listed_a_window_at_a_time_and_packed() {
    let one = ready("one");
    let stacks = (0..10_000).map(|number| {
        let mut view = one.clone();
        let mut stack = holdfast_model::stack::Stack::clone(&view.stack);
        stack.key.name = format!("stack-{number:05}");
        view.stack = stack.into();
        view
    });
    let mut stacks: Vec<_> = stacks.collect();
    stacks[9_999] = failing("stack-09999");
    let asked = Asked::of(stacks);
    let (_, html) = asked.get("/").await;
    assert!(html.contains("1 to 100 of 10000"), "{html}");
    assert_eq!(html.matches("<li><div class=\"row\">").count(), 100);
    let first = html.find("class=\"name\"").expect("it has rows");
    assert!(html[first..].starts_with("class=\"name\" id=\"s-team-a-stack-09999\""));
    let (_, html) = asked.get("/?page=100").await;
    assert!(html.contains("9901 to 10000 of 10000") && html.contains("stack-09998"));
    let (_, html) = asked.get("/?page=99999999999999999999").await;
    assert!(html.contains("1 to 100 of 10000"));

    let response = asked
        .send(get("/", &[("accept-encoding", "br, gzip;q=0.8")]))
        .await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let small = bytes(response).await;
    assert!(small.len() < 20_000, "{}", small.len());
    let mut whole = String::new();
    let mut decoder = flate2::read::GzDecoder::new(small.as_slice());
    std::io::Read::read_to_string(&mut decoder, &mut whole).expect("it is packed");
    assert!(whole.contains("1 to 100 of 10000"));
    let response = asked
        .send(get("/", &[("accept-encoding", "gzip;q=0")]))
        .await;
    assert!(response.headers().get("content-encoding").is_none());
}
