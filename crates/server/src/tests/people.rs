//! Sign-in, rules, and that nobody sees or does what they may not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::view::StackView;
use http::{Request, StatusCode};
use tokio::sync::watch;

use super::world::ready;
use super::{Asked, Hand, Noted, get, page, text};
use crate::access::accounts::Account;
use crate::asker::Asker;
use crate::guard;
use crate::port::{BoxFuture, Edit, Keeper, Kept};
use crate::router::router;
use crate::site::Site;

const RULES: &str = "\
p, role:team-a, get|plan|sync|rollback, team-a/*, *, allow
p, role:team-a, rollback, team-a/shop, *, deny
g, alice, role:team-a
g, group:readers, role:viewer
g, root, role:admin
";

/// What is kept by hand.
pub(super) struct Drawer {
    kept: watch::Sender<Arc<Kept>>,
    pub(super) refuses: Mutex<bool>,
}

impl Drawer {
    pub(super) fn change(&self, change: impl FnOnce(&mut Kept)) {
        let mut kept = Kept::clone(&self.kept.borrow());
        change(&mut kept);
        self.kept.send_replace(Arc::new(kept));
    }

    pub(super) fn account(&self, name: &str, change: impl FnOnce(&mut Account)) {
        self.change(|kept| {
            let text = kept.accounts.get(name).expect("there is one");
            let mut account = Account::read(text).expect("it is one");
            change(&mut account);
            kept.accounts.insert(name.to_owned(), account.write());
        });
    }
}

impl Keeper for Drawer {
    fn kept(&self) -> watch::Receiver<Arc<Kept>> {
        self.kept.subscribe()
    }

    fn edit_sessions(&self, edit: Edit) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if *self.refuses.lock().unwrap_or_else(PoisonError::into_inner) {
                return Err("it is away".to_owned());
            }
            self.change(|kept| edit(&mut kept.sessions));
            Ok(())
        })
    }
}

fn in_namespace(mut view: StackView, namespace: &str) -> StackView {
    let key = StackKey {
        namespace: namespace.to_owned(),
        name: view.stack.key.name.clone(),
    };
    let stack = Stack {
        key,
        ..Stack::clone(&view.stack)
    };
    view.stack = Arc::new(stack);
    view
}

/// A page with people, and what they have asked for.
pub(super) struct Town {
    asked: Asked,
    hand: Arc<Hand>,
    pub(super) drawer: Arc<Drawer>,
    noted: Arc<Noted>,
}

impl Town {
    pub(super) fn new() -> Self {
        let mut accounts = BTreeMap::new();
        for (name, group) in [
            ("alice", ""),
            ("bob", "readers"),
            ("root", ""),
            ("carol", ""),
        ] {
            let mut account = Account::default();
            account
                .set_password(&format!("{name}'s password"), [5; 32])
                .expect("it is long enough");
            account.groups = vec![group.to_owned()];
            accounts.insert(name.to_owned(), account.write());
        }
        let kept = Kept {
            accounts,
            sessions: BTreeMap::new(),
            roles: Some(RULES.to_owned()),
        };
        let drawer = Arc::new(Drawer {
            kept: watch::channel(Arc::new(kept)).0,
            refuses: Mutex::new(false),
        });
        let noted = Arc::new(Noted::default());
        let hand = Hand::new(vec![
            ready("shop"),
            ready("web"),
            in_namespace(ready("vault"), "team-b"),
        ]);
        let mut page = page(Arc::clone(&hand), Some(Arc::clone(&noted)));
        page.keeper = Some(Arc::clone(&drawer) as Arc<dyn Keeper>);
        Self {
            asked: Asked {
                site: Site::new(page),
            },
            hand,
            drawer,
            noted,
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response {
        let site = &self.asked.site;
        guard::answer(site, router(Arc::clone(site)), request).await
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> (StatusCode, String) {
        let response = self.send(get(path, &[("cookie", cookie)])).await;
        (response.status(), text(response).await)
    }

    /// Sends a form of a page with what is on it, and more.
    async fn post(&self, from: &str, to: &str, cookie: &str, more: &str) -> Response {
        let shown = self.send(get(from, &[("cookie", cookie)])).await;
        let given = shown
            .headers()
            .get("set-cookie")
            .expect("it gives a cookie");
        let given = given.to_str().expect("it is text").split(';').next();
        let cookie = format!("{}; {cookie}", given.unwrap_or_default());
        let html = text(shown).await;
        let field = |name: &str| {
            let start = format!("name=\"{name}\" value=\"");
            let rest = html.split_once(&start).map(|(_, rest)| rest);
            let value = rest.and_then(|rest| rest.split('"').next());
            value.unwrap_or_default().to_owned()
        };
        let body = format!("form={}&token={}{more}", field("form"), field("token"));
        self.send(form(to, &cookie, body)).await
    }

    pub(super) async fn try_in(&self, name: &str, password: &str) -> Response {
        let more = format!(
            "&name={name}&password={}&then=/stacks/team-a/shop",
            password.replace(' ', "+")
        );
        self.post("/sign-in", "/sign-in", "", &more).await
    }

    /// Signs somebody in; their cookie.
    pub(super) async fn sign_in(&self, name: &str) -> String {
        let response = self.try_in(name, &format!("{name}'s password")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{name}");
        assert_eq!(response.headers()["location"], "/stacks/team-a/shop");
        let cookie = response.headers()["set-cookie"]
            .to_str()
            .expect("it is text");
        for flag in ["__Host-", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        cookie.split(';').next().unwrap_or_default().to_owned()
    }
}

pub(super) fn form(path: &str, cookie: &str, body: String) -> Request<Body> {
    Request::builder()
        .method("POST")
        .uri(path)
        .header("host", "localhost:8420")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", cookie)
        .body(Body::from(body))
        .expect("it is a request")
}

#[tokio::test]
async fn a_stranger_is_led_to_the_way_in_and_gets_nothing_else() {
    let town = Town::new();
    let forged = format!(
        "__Host-holdfast-session={}.{}",
        "a".repeat(16),
        "b".repeat(64)
    );
    for cookie in ["", &forged, "__Host-holdfast-session=x.y"] {
        for path in [
            "/",
            "/stacks/team-a/shop",
            "/account",
            "/done/1",
            "/nowhere",
        ] {
            let response = town.send(get(path, &[("cookie", cookie)])).await;
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
            let to = response.headers()["location"].to_str().expect("it is text");
            assert!(to.starts_with("/sign-in?then=%2F"), "{to}");
            assert!(text(response).await.is_empty());
        }
        for path in [
            "/api/v1/stacks",
            "/api/v1/stacks/team-a/shop",
            "/events",
            "/events/a/b",
        ] {
            let response = town.send(get(path, &[("cookie", cookie)])).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert!(response.headers().contains_key("www-authenticate"));
        }
    }
    assert_eq!(town.get("/healthz", "").await.0, StatusCode::OK);
    let (status, html) = town.get("/sign-in?then=//evil.example", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("name=\"then\" value=\"/\""), "{html}");
}

#[tokio::test]
async fn who_signs_in_is_known_until_they_sign_out() {
    let town = Town::new();
    let cookie = town.sign_in("alice").await;
    let (status, html) = town.get("/", &cookie).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        html.contains(">alice</a>") && html.contains(">shop</a>"),
        "{html}"
    );
    let kept = Kept::clone(&town.drawer.kept.borrow());
    let secret = cookie.rsplit('.').next().expect("it has an end");
    assert!(
        !format!("{kept:?}").contains(secret),
        "the secret is kept nowhere"
    );

    // Another secret with the same id is nobody's.
    let other = format!(
        "{}.{}",
        cookie.rsplit_once('.').expect("it has two parts").0,
        "0".repeat(64)
    );
    assert_eq!(town.get("/", &other).await.0, StatusCode::SEE_OTHER);

    let (_, html) = town.get("/account", &cookie).await;
    assert!(html.contains("may not rollback: team-a/shop"), "{html}");
    let forged = form("/sign-out", &cookie, "form=1&token=2".to_owned());
    assert_eq!(town.send(forged).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(town.get("/", &cookie).await.0, StatusCode::OK);
    let out = town.post("/account", "/sign-out", &cookie, "").await;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    assert_eq!(town.get("/", &cookie).await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn wrong_names_passwords_and_forms_are_refused_alike_and_not_for_ever() {
    let town = Town::new();
    for (name, password) in [
        ("alice", "alice"),
        ("nobody", "x"),
        ("alice", ""),
        ("%00", "%ff"),
    ] {
        let response = town.try_in(name, password).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
        let html = text(response).await;
        assert!(html.contains("the name or the password is wrong"), "{html}");
    }
    let body = "name=alice&password=alice%27s+password".to_owned();
    let elsewhere = town.send(form("/sign-in", "", body)).await;
    assert_eq!(
        elsewhere.status(),
        StatusCode::FORBIDDEN,
        "nobody is signed in from elsewhere"
    );
    let mut refused = 0;
    for _ in 0..12 {
        let response = town.try_in("bob", "wrong").await;
        refused += usize::from(response.status() == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 4);
    let response = town.try_in("bob", "bob's password").await;
    assert_eq!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS,
        "also with the right one"
    );
    town.sign_in("alice").await;
}

#[tokio::test]
async fn who_may_see_one_namespace_finds_nothing_of_the_others() {
    let town = Town::new();
    let alice = town.sign_in("alice").await;
    let there = "/stacks/team-b/vault";
    let nowhere = "/stacks/team-b/nothing";
    for end in ["", "/plan", "/history", "/ask/sync", "/ask/explode"] {
        let hidden = town.get(&format!("{there}{end}"), &alice).await;
        let missing = town.get(&format!("{nowhere}{end}"), &alice).await;
        assert_eq!(hidden, missing, "{end}");
        assert_eq!(hidden.0, StatusCode::NOT_FOUND, "{end}");
    }
    for end in ["", "/plan", "/history"] {
        let hidden = town.get(&format!("/api/v1{there}{end}"), &alice).await;
        assert_eq!(
            hidden,
            town.get(&format!("/api/v1{nowhere}{end}"), &alice).await
        );
        assert_eq!(hidden.0, StatusCode::NOT_FOUND);
    }
    for path in ["/", "/api/v1/stacks", "/api/v1/stacks?q=vault"] {
        let (status, text) = town.get(path, &alice).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            !text.contains("vault") && !text.contains("team-b"),
            "{path}: {text}"
        );
    }
    for path in ["/?q=vault", "/?namespace=team-b"] {
        let (_, html) = town.get(path, &alice).await;
        assert!(html.contains("No Stack is like that"), "{html}");
    }
    let (_, text) = town.get("/api/v1/stacks", &alice).await;
    assert!(text.contains("\"total\":2"), "{text}");
    let (_, text) = town.get("/api/v1/stacks", &town.sign_in("bob").await).await;
    assert!(
        text.contains("\"total\":3") && text.contains("vault"),
        "{text}"
    );
    // What changes elsewhere changes no number either.
    let before = town.get("/api/v1/stacks", &alice).await;
    {
        let mut stacks = town
            .hand
            .stacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut vault = StackView::clone(&stacks[2]);
        vault.number += 1;
        stacks[2] = Arc::new(vault);
    }
    assert_eq!(before, town.get("/api/v1/stacks", &alice).await);
    let carol = town.sign_in("carol").await;
    let (_, html) = town.get("/", &carol).await;
    assert!(
        html.contains("There are no Stacks that you may see"),
        "{html}"
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_not_shown_and_is_refused() {
    let town = Town::new();
    let alice = town.sign_in("alice").await;
    let (_, html) = town.get("/stacks/team-a/shop", &alice).await;
    assert!(
        html.contains("/ask/sync") && html.contains("/plan\""),
        "{html}"
    );
    for hidden in ["/ask/rollback", "/ask/delete", "/ask/suspend"] {
        assert!(!html.contains(hidden), "{hidden}: {html}");
    }
    let (_, html) = town.get("/stacks/team-a/web", &alice).await;
    assert!(
        html.contains("/ask/rollback"),
        "another Stack may be rolled back: {html}"
    );
    let (status, html) = town.get("/stacks/team-a/shop/ask/delete", &alice).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(html.contains("alice may not delete team-a/shop"), "{html}");

    // A form that was opened while it was allowed is refused once it is not.
    let sync = "/stacks/team-a/shop/ask/sync";
    let done = town.post(sync, sync, &alice, "&reason=news").await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_eq!(town.noted.all(), ["sync team-a/shop \"\": news by alice"]);
    let done = done.headers()["location"]
        .to_str()
        .expect("it is text")
        .to_owned();
    assert_eq!(town.get(&done, &alice).await.0, StatusCode::OK);
    let root = town.sign_in("root").await;
    assert_eq!(
        town.get(&done, &root).await.0,
        StatusCode::NOT_FOUND,
        "it is alice's"
    );
    let web = "/stacks/team-a/web/ask/rollback";
    let shown = town.send(get(web, &[("cookie", &alice)])).await;
    let cookie = shown.headers()["set-cookie"]
        .to_str()
        .expect("it is text")
        .to_owned();
    let cookie = format!("{}; {alice}", cookie.split(';').next().unwrap_or_default());
    let html = text(shown).await;
    let field = |name: &str| {
        let (_, rest) = html
            .split_once(&format!("name=\"{name}\" value=\""))
            .expect("it is there");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let body = format!("form={}&token={}", field("form"), field("token"));
    let roots = format!("{}; {root}", cookie.split(';').next().unwrap_or_default());
    let of_another = town.send(form(web, &roots, body.clone())).await;
    assert_eq!(
        of_another.status(),
        StatusCode::FORBIDDEN,
        "a form is of who opened it"
    );
    town.drawer
        .change(|kept| kept.roles = Some(RULES.replace("|rollback,", ",")));
    let late = town.send(form(web, &cookie, body)).await;
    assert_eq!(late.status(), StatusCode::FORBIDDEN);
    assert_eq!(town.noted.all().len(), 1);
}

#[tokio::test]
async fn rules_that_cannot_be_read_leave_those_before_them_and_no_rules_allow_nothing() {
    let town = Town::new();
    let alice = town.sign_in("alice").await;
    town.drawer
        .change(|kept| kept.roles = Some(format!("{RULES}p, alice, fly, */*, *, allow\n")));
    let (_, html) = town.get("/account", &alice).await;
    assert!(html.contains("line 6: `fly` is no verb"), "{html}");
    assert_eq!(
        town.get("/stacks/team-a/shop", &alice).await.0,
        StatusCode::OK
    );
    assert_eq!(
        town.get("/stacks/team-b/vault", &alice).await.0,
        StatusCode::NOT_FOUND
    );
    town.drawer.change(|kept| kept.roles = None);
    assert_eq!(
        town.get("/stacks/team-a/shop", &alice).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_stream_hears_what_may_be_seen_and_ends_with_the_session() {
    use http_body_util::BodyExt as _;
    let town = Town::new();
    let alice = town.sign_in("alice").await;
    let response = town.send(get("/events", &[("cookie", &alice)])).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?.expect("it is a frame");
        let bytes = frame.into_data().expect("it is data");
        Some(String::from_utf8(bytes.to_vec()).expect("it is text"))
    };
    next().await.expect("it says where it is");
    let change = |namespace: &str, name: &str| {
        let stack = Some(StackKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
        let _ = town
            .hand
            .feed
            .send(holdfast_model::view::Change { number: 8, stack });
    };
    change("team-b", "vault");
    change("team-b", "gone");
    change("team-a", "shop");
    let said = next().await.expect("it is said");
    assert!(
        said.contains("team-a/shop") && !said.contains("team-b"),
        "{said}"
    );
    change("team-a", "gone");
    let said = next().await.expect("it is said");
    assert!(
        said.contains("\"stack\":null"),
        "nobody knows where it went to: {said}"
    );
    // What may be seen is something else now, and is looked at anew.
    town.drawer
        .change(|kept| kept.roles = Some(RULES.replace("team-a/*", "team-c/*")));
    assert!(next().await.expect("it is said").contains("change"));
    town.drawer.change(|kept| kept.sessions.clear());
    assert_eq!(next().await, None, "whoever has no session hears nothing");
}

#[tokio::test]
async fn an_asker_whom_the_guard_has_not_let_in_may_do_nothing() {
    let town = Town::new();
    let mut parts = get("/", &[]).into_parts().0;
    let asker = <Asker as axum::extract::FromRequestParts<Arc<Site>>>::from_request_parts(
        &mut parts,
        &town.asked.site,
    );
    let Ok(asker) = asker.await;
    assert!(asker.fleet().stacks.is_empty());
}
