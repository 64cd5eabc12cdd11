//! Sealed files as they are found among others.

use holdfast_secrets::Error;
use holdfast_secrets::sops::{is_sealed, unseal};

use crate::sops::{all, keys};

/// Files as they are found among others, some of them under a name that says nothing of what they are.
#[test]
fn what_is_sealed_is_found_whatever_it_is_called() {
    let keys = keys(&["one.txt", "two.txt", "three.txt", "ssh_ed25519", "ssh_rsa"]);
    let mut opened = 0;
    for (name, sealed, clear) in all() {
        assert!(!is_sealed(&name, &clear), "{name} is clear");
        for name in [name.as_str(), "some.enc"] {
            let found = unseal(name, &sealed, &keys).expect("it is sealed");
            let Ok(found) = found else { continue };
            assert_eq!(
                String::from_utf8_lossy(&found.text),
                String::from_utf8_lossy(&clear),
                "{name}"
            );
            opened += 1;
        }
    }
    assert!(opened > 200, "{opened} opened");
    let speaks = b"# sops: ENC[AES256_GCM, is what a sealed value begins with\nsops_free: true\n";
    assert!(!is_sealed("notes.yaml", speaks));
}

#[test]
fn documents_that_were_sealed_each_by_itself_open_beside_clear_ones() {
    let (one, two) = (
        include_bytes!("fixtures/sops/clear-quotes.yaml"),
        include_bytes!("fixtures/sops/clear-integers.yaml"),
    );
    let clear = [
        include_str!("fixtures/sops/clear-quotes.yaml.clear"),
        "kind: ConfigMap\n",
        include_str!("fixtures/sops/clear-integers.yaml.clear"),
    ];
    let mut sealed = one.to_vec();
    sealed.extend_from_slice(b"---\nkind: ConfigMap\n---\n");
    sealed.extend_from_slice(two);
    let keys = keys(&["one.txt"]);
    let opened = unseal("all.yaml", &sealed, &keys).expect("it is sealed");
    let opened = opened.unwrap_or_else(|error| panic!("{error}"));
    let expected: String = clear.iter().map(|part| format!("---\n{part}")).collect();
    assert_eq!(String::from_utf8_lossy(&opened.text), expected);
    let secret = include_bytes!("fixtures/sops/value-secret.yaml");
    let opened = unseal("db.yaml", secret, &keys).expect("it is sealed");
    let values = opened.unwrap_or_else(|error| panic!("{error}")).values;
    assert!(!values.is_empty());

    // A document that was taken out of a file that was sealed as one is missed.
    let whole = include_str!("fixtures/sops/clear-documents.yaml");
    let (first, _) = whole.split_once("\n---\n").expect("documents");
    let cut = unseal("all.yaml", first.as_bytes(), &keys).expect("it is sealed");
    assert!(matches!(cut, Err(Error::Mac)));
}
