//! What is found that should not stand in Git, and what is left alone.

use crate::scan::{Kind, scan};

/// The findings of a file: line, kind and place.
fn check(path: &str, text: &str, expected: &[(u32, Kind, &str)]) {
    let found = scan(path, text.as_bytes());
    let found: Vec<(u32, Kind, &str)> = found
        .iter()
        .map(|finding| (finding.line, finding.kind, finding.place.as_str()))
        .collect();
    assert_eq!(found, expected, "{path}:\n{text}");
}

/// Put together here, so that this file does not look like what it tests.
fn token(head: &str, rest: &str) -> String {
    format!("{head}{rest}")
}

#[test]
fn values_of_secrets_that_are_not_sealed_are_found() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\ndata:\n  password: \
                czNjcmV0\n  sealed: ENC[AES256_GCM,data:x]\n  empty: ''\nstringData:\n  a: one\n  b: '{{ .b }}'\n  \
                c: <path:secret/data#key>\n";
    check(
        "db.yaml",
        text,
        &[
            (7, Kind::PlainSecret, "Secret shop/db data.password"),
            (11, Kind::PlainSecret, "Secret shop/db stringData.a"),
        ],
    );
    let config = text.replace("kind: Secret", "kind: ConfigMap");
    check(
        "config.yaml",
        &config,
        &[(7, Kind::LooksSecret, "data.password")],
    );
    check("db.txt", text, &[]);
    let sealed = include_str!("../tests/fixtures/sops/value-secret.yaml");
    check("sealed.yaml", sealed, &[]);
    let sealed = include_str!("../tests/fixtures/sealed/typed.yaml");
    check("sealed.yaml", sealed, &[]);
}

#[test]
fn private_keys_and_tokens_are_found_in_any_text() {
    let key = token("-----BEGIN OPENSSH PRIVATE", " KEY-----");
    check(
        "id",
        &format!("a\n{key}\n"),
        &[(2, Kind::PrivateKey, "a private key #1")],
    );
    let aws = token("AKIA", "IOSFODNN7EXAMPLE");
    let text = format!("x {aws}\ny {aws}\n");
    let expected = [
        (1, Kind::Token, "an access key of AWS #1"),
        (2, Kind::Token, "an access key of AWS #2"),
    ];
    check("notes.md", &text, &expected);
    let github = token("ghp", &format!("_{}", "a1B2c3D4e5F6".repeat(3)));
    check("x", &github, &[(1, Kind::Token, "a token of GitHub #1")]);
    check(
        "x",
        "-----BEGIN PUBLIC KEY-----\n-----BEGIN AGE ENCRYPTED FILE-----\n",
        &[],
    );
    check("x.bin", &format!("\0{github}"), &[]);
}

#[test]
fn values_that_look_secret_are_found_by_name_or_by_chance() {
    let chance = token("q7Zp2LmX9vTb4RkW8nYc", "6HsJ3dFg5AeU1iOoP0Kx");
    let text = format!(
        "db:\n  password: Tr0ub4dor&3\n  host: db.example.com\nsome: {chance}\nenv:\n- name: API_TOKEN\n  value: \
         abc123def456\n- name: MODE\n  value: production\n"
    );
    check(
        "values.yaml",
        &text,
        &[
            (2, Kind::LooksSecret, "db.password"),
            (4, Kind::LooksSecret, "some"),
            (7, Kind::LooksSecret, "env[0]"),
        ],
    );
    let env = "MODE=production\nDB_PASSWORD='Tr0ub4dor&3'\n# PASSWORD=Tr0ub4dor&3\nOTHER_PASSWORD=$FROM_ELSEWHERE\n";
    check("prod.env", env, &[(2, Kind::LooksSecret, "DB_PASSWORD")]);
    check(".env.local", env, &[(2, Kind::LooksSecret, "DB_PASSWORD")]);
}

#[test]
fn what_only_resembles_a_secret_is_left_alone() {
    let text = "image: app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\ncommit: \
                da39a3ee5e6b4b0d3255bfef95601890afd80709\nid: 123e4567-e89b-12d3-a456-426614174000\nsecretName: \
                db-credentials\nexistingSecret: shop-db\nauth:\n  secret: my-secret-name\n  token: \
                ${TOKEN}\n  tokenPath: /var/run/secrets/token\nurl: https://example.com/a/b?c=d\n";
    check("values.yaml", text, &[]);
    check(
        "values.json",
        "{\"password\": \"\", \"token\": null, \"apiKey\": \"short\"}",
        &[],
    );
    check("chart.yaml", "a: {{ .Values.password }}\n", &[]);
}
