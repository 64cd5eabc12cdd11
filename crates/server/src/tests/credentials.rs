//! Credentials: sessions and tokens end, and forms are taken from this page alone.

use std::sync::PoisonError;

use holdfast_model::time::Time;
use http::StatusCode;

use super::people::{Town, form};
use super::{NOW, get, text};

#[tokio::test]
async fn sessions_end_with_the_account_its_password_and_their_time() {
    let town = Town::new();
    let (alice, bob, root) = (
        town.sign_in("alice").await,
        town.sign_in("bob").await,
        town.sign_in("root").await,
    );
    town.drawer.account("alice", |account| {
        account
            .set_password("another one", [6; 32])
            .expect("it is long enough");
    });
    town.drawer.change(|kept| {
        kept.accounts.remove("bob");
    });
    town.drawer.change(|kept| {
        for text in kept.sessions.values_mut() {
            if text.contains("\"root\"") {
                let now = Time::from_millis(NOW).to_string();
                let start = text.find("\"until\":\"").expect("it ends") + 9;
                text.replace_range(start..start + now.len(), &now);
            }
        }
    });
    for cookie in [&alice, &bob, &root] {
        assert_eq!(
            town.get("/", cookie).await.0,
            StatusCode::SEE_OTHER,
            "{cookie}"
        );
    }
    *town
        .drawer
        .refuses
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = true;
    let response = town.try_in("carol", "carol's password").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        !response.headers()["set-cookie"]
            .to_str()
            .expect("it is text")
            .contains("session")
    );
}

#[tokio::test]
async fn a_token_is_its_account_until_it_ends_or_is_removed() {
    let town = Town::new();
    let mut token = String::new();
    town.drawer.account("alice", |account| {
        let (now, later) = (Time::from_millis(NOW), Time::from_millis(NOW + 60_000));
        token = account
            .add_token("ci", [4; 32], now, later)
            .expect("it is made")
            .to_string();
    });
    let ask = async |token: &str| {
        let value = format!("Bearer {token}");
        let response = town
            .send(get("/api/v1/stacks", &[("authorization", &value)]))
            .await;
        (response.status(), text(response).await)
    };
    let (status, stacks) = ask(&token).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        stacks.contains("\"total\":2") && !stacks.contains("vault"),
        "{stacks}"
    );
    let forged = token.replace("0404040404", "0404040405");
    for wrong in [forged.as_str(), "", "é", "holdfast_"] {
        assert_eq!(ask(wrong).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let basic = town
        .send(get("/api/v1/stacks", &[("authorization", "Basic eDp5")]))
        .await;
    assert_eq!(basic.status(), StatusCode::UNAUTHORIZED);
    // A cookie does not make up for a token that is none.
    let root = town.sign_in("root").await;
    let both = [("cookie", root.as_str()), ("authorization", "Bearer x")];
    assert_eq!(
        town.send(get("/", &both)).await.status(),
        StatusCode::UNAUTHORIZED
    );
    town.drawer
        .account("alice", |account| account.tokens.clear());
    assert_eq!(ask(&token).await.0, StatusCode::UNAUTHORIZED);
    let mut last = StatusCode::OK;
    for _ in 0..60 {
        last = ask("guess").await.0;
    }
    assert_eq!(
        last,
        StatusCode::TOO_MANY_REQUESTS,
        "nobody guesses on and on"
    );
}

#[tokio::test]
async fn a_form_that_comes_over_http_2_is_taken_from_this_page_and_from_no_other() {
    let town = Town::new();
    let shown = town.send(get("/sign-in", &[])).await;
    let cookie = shown.headers()["set-cookie"]
        .to_str()
        .expect("it is text")
        .to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let html = text(shown).await;
    let field = |name: &str| {
        let (_, rest) = html
            .split_once(&format!("name=\"{name}\" value=\""))
            .expect("it is there");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    for (origin, expected) in [
        ("https://holdfast.example", StatusCode::SEE_OTHER),
        ("https://evil.example", StatusCode::FORBIDDEN),
    ] {
        let body = format!(
            "form={}&token={}&name=alice&password=alice%27s+password",
            field("form"),
            field("token")
        );
        // It has no header of that name there.
        let mut request = form("https://holdfast.example/sign-in", &cookie, body);
        request.headers_mut().remove("host");
        request
            .headers_mut()
            .insert("origin", origin.parse().expect("it is one"));
        assert_eq!(town.send(request).await.status(), expected, "{origin}");
    }
}
