//! SealedSecrets that the real kubeseal made, opened; what does not fit, refused; and what is sealed here,
//! opened by the real kubeseal where it is on this machine. `fixtures/make.sh` makes the files.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use holdfast_model::Value;
use holdfast_model::secret::DigestKey;
use holdfast_model::time::Time;
use holdfast_secrets::Error;
use holdfast_secrets::sealed::{Certificate, Chances, Scope, SealingKeys, open, seal};
use holdfast_yaml::{Limits, read_value};

use crate::{fixtures, read, real};

fn keys(names: &[&str]) -> SealingKeys {
    let mut keys = SealingKeys::new(DigestKey::derive(&[7; 32], "test"));
    for name in names {
        keys.add(&read(&format!("keys/{name}.key")))
            .expect("the key can be read");
    }
    keys
}

fn certificate(name: &str) -> Certificate {
    Certificate::parse(&read(&format!("keys/{name}.crt"))).expect("it is a certificate")
}

fn value(text: &str) -> Value {
    read_value(text, &Limits::default()).expect("it is YAML")
}

fn opened(text: &str, keys: &SealingKeys) -> Result<Value, Error> {
    let chances = Chances {
        now: Time::from_millis(0),
        entropy: &[0; 32],
    };
    let clear = open(text, keys, chances)?;
    Ok(value(
        std::str::from_utf8(clear.expose()).expect("it is a text"),
    ))
}

/// A Secret without what a cluster adds to it.
fn bare(mut secret: Value) -> Value {
    if let Some(metadata) = secret["metadata"].as_object_mut() {
        metadata.remove("ownerReferences");
        metadata.remove("creationTimestamp");
    }
    // Go prints no bytes as null; an API server takes both for the same.
    for value in secret["data"]
        .as_object_mut()
        .into_iter()
        .flat_map(|data| data.values_mut())
    {
        if value.is_null() {
            *value = Value::String(String::new());
        }
    }
    secret
}

fn names() -> Vec<String> {
    let folder = fs::read_dir(fixtures().join("sealed")).expect("the folder is there");
    let names = folder.map(|entry| entry.expect("it can be listed").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn every_recorded_secret_opens_to_what_its_controller_makes_of_it() {
    let keys = keys(&["older", "sealing"]);
    let names = names();
    assert!(names.len() >= 12, "only {} fixtures", names.len());
    for name in names {
        let secret = opened(&read(&format!("sealed/{name}.yaml")), &keys);
        let secret = secret.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = bare(value(&read(&format!("sealed/{name}.clear"))));
        assert_eq!(bare(secret), expected, "{name}");
    }
}

/// The reason for which a changed SealedSecret does not open.
fn refused(name: &str, from: &str, to: &str) -> String {
    let text = read(&format!("sealed/{name}.yaml"));
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "the change changes something");
    let error = opened(&changed, &keys(&["sealing"])).expect_err("it does not fit");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    error.reason().to_owned()
}

#[test]
fn another_name_namespace_or_scope_and_what_was_touched_do_not_open() {
    let (strict, wide) = ("strict-sealing", "namespace-wide-sealing");
    for (name, from, to, reason) in [
        (strict, "name: strict", "name: other", "Unsealable"),
        (strict, "namespace: shop", "namespace: other", "Unsealable"),
        (wide, "namespace: shop", "namespace: other", "Unsealable"),
        (wide, "/namespace-wide", "/cluster-wide", "Unsealable"),
        (wide, "/namespace-wide", "/other", "Unsealable"),
        (strict, "password: ", "password: AAAA", "Unsealable"),
        (strict, "password: ", "password: '' # ", "Unsealable"),
        (strict, "kind: SealedSecret", "kind: Secret", "Form"),
        (strict, "encryptedData:", "encryptedData: [] # ", "Syntax"),
        ("template", "b64enc", "nope", "Form"),
        ("template", ".host", ".missing", "Form"),
        (
            "legacy",
            "  data: ",
            "  encryptedData: {a: b}\n  data: ",
            "Form",
        ),
    ] {
        assert_eq!(refused(name, from, to), reason, "{name}: {from} to {to}");
    }
    let error = opened(&read("sealed/strict-sealing.yaml"), &keys(&["older"]));
    let Err(Error::Unsealable { keys, held, .. }) = error else {
        panic!("another key opened it");
    };
    assert_eq!(
        (keys, held),
        (vec!["empty".to_owned(), "password".to_owned()], 1)
    );
}

#[test]
fn what_does_not_depend_on_a_name_opens_under_another_one() {
    let keys = keys(&["sealing"]);
    for (name, from) in [
        ("namespace-wide-sealing", "name: namespace-wide"),
        ("cluster-wide-sealing", "name: cluster-wide"),
        ("cluster-wide-sealing", "namespace: shop"),
    ] {
        let to = from.split(':').next().unwrap_or_default();
        let text = read(&format!("sealed/{name}.yaml")).replace(from, &format!("{to}: other"));
        let secret = opened(&text, &keys).expect("it opens");
        assert_eq!(secret["metadata"][to], "other");
        assert_eq!(secret["data"]["password"], "czNjcmV0");
    }
}

const PLAIN: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\n  uid: x\n  \
    labels: {app: shop}\n  annotations:\n    \
    kubectl.kubernetes.io/last-applied-configuration: '{\"s3cret\"}'\n    note: kept\ntype: Opaque\n\
    data:\n  user: YWRtaW4=\n  password: bm90IHRoaXM=\nstringData:\n  password: s3cret\n";

fn expected() -> Value {
    value(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\n  labels: {app: shop}\n  \
         annotations: {note: kept}\ntype: Opaque\ndata:\n  user: YWRtaW4=\n  password: czNjcmV0\n",
    )
}

/// A Secret without the annotation that says its scope.
fn unscoped(mut secret: Value) -> Value {
    if let Some(annotations) = secret["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| !key.starts_with("sealedsecrets.bitnami.com/"));
    }
    bare(secret)
}

#[test]
fn what_is_sealed_opens_and_keeps_no_copy_of_what_it_was() {
    let keys = keys(&["sealing"]);
    for scope in [Scope::Strict, Scope::NamespaceWide, Scope::ClusterWide] {
        let sealed = seal(PLAIN, &certificate("sealing"), Some(scope)).expect("it can be sealed");
        assert!(
            !sealed.contains("s3cret") && !sealed.contains("czNjcmV0"),
            "{sealed}"
        );
        assert_eq!(
            unscoped(opened(&sealed, &keys).expect("it opens")),
            expected()
        );
        let renamed = sealed.replace("name: db", "name: other");
        assert_eq!(opened(&renamed, &keys).is_ok(), scope != Scope::Strict);
    }
    for (from, to) in [
        ("kind: Secret", "kind: ConfigMap"),
        ("  name: db\n", ""),
        ("  namespace: shop\n", ""),
        ("user: YWRtaW4=", "user: '*'"),
        ("user: YWRtaW4=", "user: 5"),
    ] {
        let error = seal(&PLAIN.replace(from, to), &certificate("sealing"), None);
        assert_eq!(error.map_err(|error| error.reason()), Err("Form"), "{from}");
    }
    let twice = read("sealed/strict-sealing.yaml");
    let error = seal(&twice, &certificate("sealing"), None);
    assert_eq!(error, Err(Error::AlreadySealed));
}

#[test]
fn keys_are_read_from_backups_and_nothing_else_is_taken_for_one() {
    let encoded = holdfast_go::base64::encode(read("keys/sealing.key").as_bytes());
    let secret = format!("apiVersion: v1\nkind: Secret\ndata:\n  tls.key: {encoded}\n");
    let list = format!("kind: List\nitems:\n- kind: Secret\n  data: {{tls.key: {encoded}}}\n");
    for backup in [secret, list] {
        let mut keys = keys(&[]);
        keys.add(&backup).expect("it is a backup");
        assert_eq!(keys.len(), 1);
        assert!(opened(&read("sealed/strict-sealing.yaml"), &keys).is_ok());
    }
    let key = read("keys/older.key");
    for text in [
        "",
        "a: b",
        &read("keys/sealing.crt"),
        &key[..key.len() / 2],
        &read("keys/ssh_ed25519"),
    ] {
        assert!(keys(&[]).add(text).is_err());
    }
    for text in [
        "",
        &key,
        "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Certificate::parse(text).is_err());
    }
}

#[test]
fn what_is_sealed_the_real_kubeseal_opens() {
    let Some(kubeseal) = real("kubeseal") else {
        return;
    };
    for scope in [Scope::Strict, Scope::NamespaceWide, Scope::ClusterWide] {
        let sealed = seal(PLAIN, &certificate("older"), Some(scope)).expect("it can be sealed");
        let mut child = Command::new(&kubeseal)
            .args(["--recovery-unseal", "--recovery-private-key"])
            .arg(fixtures().join("keys/older.key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubeseal can be run");
        let mut input = child.stdin.take().expect("it reads");
        input.write_all(sealed.as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{scope:?}");
        let secret = value(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(unscoped(secret), expected());
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_that_is_read_ends_in_a_panic(
            which in 0usize..4,
            at in any::<proptest::sample::Index>(),
            length in 0usize..40,
            put in "\\PC{0,12}",
        ) {
            let files = ["sealed/legacy.yaml", "sealed/template.yaml", "keys/older.key", "keys/older.crt"];
            let text = read(files[which]);
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            let changed = format!("{}{put}{}", &text[..at], &text[end..]);
            let _ = opened(&changed, &keys(&["sealing"]));
            let _ = keys(&[]).add(&changed);
            let _ = Certificate::parse(&changed);
        }
    }
}
