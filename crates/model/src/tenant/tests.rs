//! What patterns and addresses stand for, and which ways around a rule there are not.

use std::sync::Arc;

use super::*;

fn patterns(texts: &[&str]) -> Patterns {
    Patterns::read(texts.iter().copied()).expect("these are patterns")
}

fn sources(texts: &[&str]) -> Patterns {
    patterns(texts).map(|pattern| spelled_pattern(&pattern))
}

/// The example that is refused its own way.
fn tenant(name: &str, namespaces: &[&str]) -> Tenant {
    Tenant {
        name: name.to_owned(),
        namespaces: patterns(namespaces),
        sources: sources(&["https://git.example/team-a/**"]),
        destinations: Vec::new(),
        kinds: patterns(&["*"]),
        cluster_kinds: Patterns::default(),
        service_account: None,
        problems: Vec::new(),
    }
}

#[test]
fn a_star_stands_for_a_part_and_two_for_all() {
    let allows = |pattern: &str, text: &str| patterns(&[pattern]).allow(text);
    assert!(allows("team-a-*", "team-a-web"));
    assert!(!allows("team-a-*", "team-b-web"));
    assert!(!allows("team-a", "team-ab"));
    assert!(allows("https://git/*/x", "https://git/a/x"));
    assert!(!allows("https://git/*/x", "https://git/a/b/x"));
    assert!(allows("https://git/**/x", "https://git/a/b/x"));
    assert!(allows("*", ""));
    assert!(allows("a*b*c", "a-b-b-c"));
    assert!(!allows("a*b*c", "a-c-b"));
    assert!(allows("é*", "école"), "{}", patterns(&["é*"]));
}

#[test]
fn what_is_taken_away_stays_so_in_capitals_and_nothing_is_allowed_by_nothing() {
    let most = patterns(&["team-*", "!team-secret"]);
    assert!(most.allow("team-a") && !most.allow("team-secret"));
    let most = sources(&["*", "!https://git.example/secret/**"]);
    assert!(most.allow("https://git.example/open/x"));
    assert!(!most.allow("https://git.example/SECRET/x"));
    assert!(!Patterns::default().allow("a") && !Patterns::default().allow(""));
    let refused = |texts: &[&str]| Patterns::read(texts.iter().copied()).unwrap_err();
    assert_eq!(refused(&["!a"]), PatternError::OnlyTakesAway);
    assert_eq!(refused(&["a", ""]), PatternError::Empty);
    assert_eq!(refused(&["a", "!"]), PatternError::Empty);
    assert_eq!(refused(&[&"a".repeat(513)]), PatternError::TooLong);
    assert_eq!(refused(&["a"; 257]), PatternError::TooMany);
}

#[test]
fn an_address_has_one_spelling() {
    for (written, spelled_so) in [
        (
            "https://git.example/team-a/x.git",
            "https://git.example/team-a/x",
        ),
        (
            "HTTPS://Git.Example:443/team-a/x/",
            "https://git.example/team-a/x",
        ),
        (
            "https://git.example./team-a//x",
            "https://git.example/team-a/x",
        ),
        (
            "https://git.example/team%2Da/x?ref=main",
            "https://git.example/team-a/x",
        ),
        (
            "git@git.example:team-a/x.git",
            "ssh://git@git.example/team-a/x",
        ),
        (
            "ssh://git@git.example:22/team-a/x",
            "ssh://git@git.example/team-a/x",
        ),
        ("github.com/org/repo?ref=v1", "https://github.com/org/repo"),
        ("file:///srv/git/x", "file:///srv/git/x"),
        (
            "oci://registry.example/charts/./app",
            "oci://registry.example/charts/app",
        ),
    ] {
        assert_eq!(spelled(written).as_deref(), Ok(spelled_so), "{written}");
    }
}

#[test]
fn there_is_no_way_around_a_rule_by_another_spelling() {
    let own = tenant("a", &["team-a"]);
    for address in [
        "https://git.example/team-a/../team-b/x",
        "https://git.example/team-a/%2e%2e/team-b/x",
        "https://git.example/team-a/%2e%2e%2fteam-b/x",
        "https://git.example/team-a/%252e%252e/team-b/x",
        "https://git.example/team-a\\..\\team-b/x",
        "https://git.example/team-a/x/..",
        "https://git.example@evil.example/team-a/x",
        "https://git.example/team-a%2Fx@evil.example",
        "https://git.example.evil.example/team-a/x",
        "https://evil.example/?https://git.example/team-a/x",
        "https://evil.example/#https://git.example/team-a/x",
        "https://git.example:8443/team-a/x",
        "http://git.example/team-a/x",
        "ssh://git@git.example/team-a/x",
        "git@git.example:team-a/x",
        "file:///team-a/x",
        "https://git.example/team-ab/x",
        "https://git.example/team-a",
        "https://git.example/team-a/\u{7f}x",
        "https://git.example/team-a/x%zz",
        "https://git.example%2fteam-a/x",
    ] {
        let refusal = own.refuses_address(address, "spec.source.git");
        assert!(refusal.is_some(), "{address}: {:?}", spelled(address));
    }
    for address in [
        "https://git.example/team-a/x",
        "https://GIT.example/team-a/x/y.git?ref=z",
    ] {
        assert_eq!(
            own.refuses_address(address, "spec.source.git"),
            None,
            "{address}"
        );
    }
}

#[test]
fn a_namespace_is_in_one_tenant_or_in_none() {
    let (a, both) = (
        tenant("a", &["team-a", "shared"]),
        tenant("b", &["team-b", "shared"]),
    );
    let broken = Tenant {
        problems: vec!["spec.sources: is required".to_owned()],
        ..tenant("c", &["team-c"])
    };
    let mut all = Tenants {
        all: vec![Arc::new(a.clone()), Arc::new(both), Arc::new(broken)],
        untenanted: Untenanted::Anything,
    };
    assert_eq!(all.standing("team-a"), Standing::Of(Arc::new(a)));
    assert_eq!(all.standing("other"), Standing::Free);
    let said = |all: &Tenants, namespace: &str| all.standing(namespace).to_string();
    assert_eq!(
        said(&all, "shared"),
        "namespace shared is in Tenants a and b"
    );
    assert_eq!(
        said(&all, "team-c"),
        "Tenant c cannot be read: spec.sources: is required"
    );
    all.untenanted = Untenanted::Nothing;
    assert_eq!(
        said(&all, "other"),
        "namespace other is in no Tenant, and this engine keeps none such"
    );
}

#[test]
fn vault_is_a_source_and_a_login_is_that_of_the_account_that_the_tenant_has() {
    let vault = |address: &str, name: &str| VaultChoice {
        address: address.to_owned(),
        namespace: None,
        ca: None,
        interval: std::time::Duration::from_secs(300),
        auth: VaultAuth::Proof {
            mount: "kubernetes".to_owned(),
            role: "shop".to_owned(),
            proof: VaultProof::Account {
                namespace: "team-a".to_owned(),
                name: name.to_owned(),
                audience: None,
            },
        },
    };
    let tenant = Tenant {
        sources: sources(&["https://vault.example:8200"]),
        service_account: Some("deployer".to_owned()),
        ..tenant("team-a", &["team-a"])
    };
    let refused = |address: &str, name: &str| {
        let problems = tenant.refuses_vault(&vault(address, name));
        let problems = problems.into_iter().map(|problem| problem.message);
        problems.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(refused("https://vault.example:8200", "deployer"), "");
    let elsewhere = refused("https://vault.other:8200", "deployer");
    assert!(
        elsewhere.contains("spec.secrets.vault.address"),
        "{elsewhere}"
    );
    let another = refused("https://vault.example:8200", "admin");
    assert!(
        another.contains("logs in as ServiceAccount admin"),
        "{another}"
    );
    // Where the engine acts itself, no account of the namespace is the Stack's.
    let tenant = Tenant {
        service_account: None,
        ..tenant
    };
    let problems = tenant.refuses_vault(&vault("https://vault.example:8200", "deployer"));
    assert_eq!(problems.len(), 1, "{problems:?}");
}
