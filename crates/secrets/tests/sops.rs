//! SOPS files that the real sops made, opened; files that were touched, refused; and what is sealed here,
//! opened by the real sops where it is on this machine. `fixtures/make.sh` makes the files.

use std::fs;
use std::process::Command;

use holdfast_model::secret::DigestKey;
use holdfast_secrets::sops::{DataKey, Format, Plan, Rule, RuleKind, edit, open, rekey, seal};
use holdfast_secrets::{Error, Keys, Recipient};

const NOW: &str = "2030-01-02T03:04:05Z";

use crate::{fixtures, read, real};

pub(crate) fn keys(names: &[&str]) -> Keys {
    let mut keys = Keys::new(DigestKey::derive(&[7; 32], "test"));
    for name in names {
        keys.add(&read(&format!("keys/{name}")))
            .expect("the key can be read");
    }
    keys
}

fn recipient(name: &str) -> Recipient {
    let text = read(&format!("keys/{name}"));
    let found = text.lines().find_map(|line| {
        let at = line.find("age1").or_else(|| line.find("ssh-"))?;
        Recipient::parse(&line[at..]).ok()
    });
    found.expect("the file names a recipient")
}

fn format(name: &str) -> Format {
    Format::of_name(name)
}

/// Every sealed fixture: its name, its bytes, and what sops prints of it.
pub(crate) fn all() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let folder = fixtures().join("sops");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let name = entry.expect("it can be listed").file_name();
        let name = name.to_string_lossy().into_owned();
        if !name.ends_with(".clear") {
            let sealed = fs::read(folder.join(&name)).expect("it is there");
            let clear = fs::read(folder.join(format!("{name}.clear"))).expect("it is there");
            all.push((name, sealed, clear));
        }
    }
    all.sort();
    all
}

fn opened(sealed: &[u8], name: &str, keys: &Keys) -> Result<Vec<u8>, Error> {
    open(sealed, format(name), keys).map(|clear| clear.expose().to_vec())
}

const EVERY: [&str; 3] = ["one.txt", "two.txt", "ssh_rsa"];

#[test]
fn every_recorded_file_opens_to_what_sops_prints() {
    let keys = keys(&EVERY);
    let all = all();
    assert!(all.len() >= 130, "only {} fixtures", all.len());
    let mut wrong = Vec::new();
    for (name, sealed, clear) in &all {
        match opened(sealed, name, &keys) {
            Ok(opened) if opened == *clear => {}
            Ok(opened) => wrong.push(format!(
                "{name}:\n{}--- instead of\n{}",
                String::from_utf8_lossy(&opened),
                String::from_utf8_lossy(clear)
            )),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_key_opens_what_is_sealed_for_it_and_a_stranger_nothing() {
    let stranger = keys(&["stranger.txt"]);
    for (name, sealed, _) in all() {
        let refused = opened(&sealed, &name, &stranger).expect_err("a stranger has no key");
        assert_eq!(refused.reason(), "NoKey", "{name}: {refused}");
    }
    for (file, key) in [
        ("to-one.yaml", "one.txt"),
        ("to-several.yaml", "two.txt"),
        ("to-several.yaml", "three.txt"),
        ("to-rsa.yaml", "ssh_rsa"),
        ("to-ed25519.yaml", "ssh_ed25519"),
    ] {
        let sealed = read(&format!("sops/{file}"));
        assert!(
            opened(sealed.as_bytes(), file, &keys(&[key])).is_ok(),
            "{file} by {key}"
        );
    }
}

#[test]
fn of_several_groups_as_many_as_are_needed_open_a_file() {
    for name in [
        "to-groups.yaml",
        "to-groups.env",
        "to-groups.ini",
        "to-groups.json",
    ] {
        let sealed = read(&format!("sops/{name}"));
        let one = opened(sealed.as_bytes(), name, &keys(&["two.txt"]));
        assert_eq!(
            one.err(),
            Some(Error::TooFewGroups {
                opened: 1,
                threshold: 2
            })
        );
        for pair in [["one.txt", "three.txt"], ["two.txt", "three.txt"]] {
            assert!(
                opened(sealed.as_bytes(), name, &keys(&pair)).is_ok(),
                "{name}"
            );
        }
    }
}

/// What comes of the file for one recipient after a change, as the reason.
fn touched(change: impl Fn(&str) -> String) -> String {
    let sealed = read("sops/to-one.yaml");
    let changed = change(&sealed);
    assert_ne!(sealed, changed, "the change changes something");
    match opened(changed.as_bytes(), "to-one.yaml", &keys(&["one.txt"])) {
        Ok(_) => "opened".to_owned(),
        Err(error) => {
            let message = error.to_string();
            for value in ["p@ss", "5432", "0.25", "db"] {
                assert!(!message.contains(value), "`{message}` tells a value");
            }
            error.reason().to_owned()
        }
    }
}

/// The line of a key in a sealed file.
fn line_of<'a>(sealed: &'a str, key: &str) -> &'a str {
    let mut lines = sealed.lines();
    let found = lines.find(|line| line.trim_start().starts_with(&format!("{key}: ")));
    found.expect("the key is there")
}

/// Another digit of base64 behind a mark.
fn flip(line: &str, mark: &str) -> String {
    let at = line.find(mark).expect("the mark is there") + mark.len();
    let other = if &line[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &line[..at], &line[at + 1..])
}

/// What comes of a change to the line of one key.
fn changed(key: &str, change: impl Fn(&str) -> String) -> String {
    touched(|sealed| {
        let line = line_of(sealed, key);
        sealed.replace(line, &change(line))
    })
}

#[test]
fn a_value_that_was_touched_is_refused_with_its_reason() {
    for mark in ["data:", "iv:", "tag:"] {
        assert_eq!(
            changed("password", |line| flip(line, mark)),
            "Tampered",
            "{mark}"
        );
    }
    let replaced = |from: &str, to: &str| changed("password", |line| line.replace(from, to));
    assert_eq!(replaced("password", "passwort"), "Tampered");
    for (from, to) in [
        ("type:str", "type:int"),
        ("type:str", "type:rune"),
        ("data:", "data:="),
        ("AES256_GCM", "AES128_GCM"),
        (",tag:", ",dag:"),
    ] {
        assert_eq!(replaced(from, to), "Value", "{to}");
    }
    let cut = changed("password", |line| line[..line.len() - 30].to_owned());
    assert_eq!(cut, "Value");
    assert_eq!(
        changed("password", |_| "password: plain".to_owned()),
        "Value"
    );
    assert_eq!(changed("password", |_| String::new()), "Mac");
}

#[test]
fn a_block_that_was_touched_is_refused_with_its_reason() {
    assert_eq!(changed("mac", |line| flip(line, "data:")), "Mac");
    assert_eq!(
        changed("lastmodified", |line| line.replace("T", "T0")),
        "Metadata"
    );
    assert_eq!(
        changed("version", |_| "    version: 9.0.0".to_owned()),
        "UnknownVersion"
    );
    assert_eq!(changed("version", |_| String::new()), "Metadata");
    let suffix = |text: &str| changed("unencrypted_suffix", |line| format!("{line}\n    {text}"));
    assert_eq!(suffix("encrypted_suffix: x"), "Metadata");
    assert_eq!(suffix("shamir_threshold: 7"), "Metadata");
    let regex = changed("unencrypted_suffix", |_| {
        "    encrypted_regex: '('".to_owned()
    });
    assert_eq!(regex, "Rule");
    for (from, to, reason) in [
        ("name:", "added_unencrypted: 1\nname:", "Mac"),
        ("name:", "name: x\nname:", "Syntax"),
        ("sops:", "sopsy:", "NotSealed"),
        ("age:", "pgp:", "KindOfKey"),
        ("list:", "list: [", "Syntax"),
        ("list:", "1: 2\nlist:", "Syntax"),
    ] {
        assert_eq!(
            touched(|sealed| sealed.replacen(from, to, 1)),
            reason,
            "{to}"
        );
    }
}

#[test]
fn what_is_moved_or_cut_in_other_formats_is_refused() {
    for name in ["to-one.json", "to-one.env", "to-one.ini", "to-one.bin"] {
        let sealed = read(&format!("sops/{name}"));
        let at = sealed.find("data:").expect("a value is sealed") + 5;
        let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
        let error = opened(changed.as_bytes(), name, &keys(&EVERY)).err();
        let comment_only = name.ends_with("env") || name.ends_with("ini");
        // The first thing that is sealed there is a comment, which is left as it is.
        assert_eq!(error.is_none(), comment_only, "{name}: {error:?}");
        let cut = &sealed[..sealed.len() / 2];
        assert!(
            opened(cut.as_bytes(), name, &keys(&EVERY)).is_err(),
            "{name}"
        );
    }
}

fn plan(names: &[&str], rule: Rule) -> Plan {
    Plan {
        groups: vec![names.iter().map(|name| recipient(name)).collect()],
        threshold: 0,
        rule,
        mac_only_encrypted: false,
    }
}

/// Rules that seal all, some and by comments.
fn rules() -> Vec<Rule> {
    let rule = |kind, text| Rule::new(kind, text).expect("the rule is one");
    vec![
        Rule::common(),
        rule(RuleKind::EncryptedRegex, "^(b|c|data|PASSWORD)$"),
        rule(RuleKind::UnencryptedSuffix, "a"),
        rule(RuleKind::EncryptedCommentRegex, "one|within|seal"),
        rule(RuleKind::UnencryptedCommentRegex, "two|above|keep"),
    ]
}

/// Whether a comment stands behind a value, which SOPS gives back above it.
fn moves_comments(clear: &[u8]) -> bool {
    let clear = String::from_utf8_lossy(clear);
    let mut lines = clear.lines().map(str::trim_start);
    lines.any(|line| line.ends_with(" # behind") && !line.starts_with('#'))
}

#[test]
fn what_is_sealed_opens_to_what_it_was() {
    let keys = keys(&["one.txt"]);
    for (name, _, clear) in all() {
        if moves_comments(&clear) {
            continue;
        }
        // Bytes that are no text can only be kept sealed.
        let several = if name.ends_with(".bin") { 1 } else { 5 };
        for rule in rules().into_iter().take(several) {
            // Keys of SSH take long without optimisation.
            let several = name.starts_with("to-rsa");
            let recipients: &[&str] = match several {
                true => &["one.txt", "ssh_rsa.pub", "ssh_ed25519.pub"],
                false => &["one.txt"],
            };
            let mut plan = plan(recipients, rule);
            plan.mac_only_encrypted = name.len() % 2 == 0;
            let sealed = seal(&clear, format(&name), &plan, NOW);
            let sealed = sealed.unwrap_or_else(|error| panic!("{name}: {error}"));
            let back = opened(&sealed, &name, &keys);
            let back = back.unwrap_or_else(|error| panic!("{name} by {:?}: {error}", plan.rule));
            let (back, clear) = (
                String::from_utf8_lossy(&back),
                String::from_utf8_lossy(&clear),
            );
            assert_eq!(back, clear, "{name} by {:?}", plan.rule);
        }
    }
}

/// A short expression fits what chance makes of a sealed comment, which then must not count.
#[test]
fn a_sealed_comment_is_never_taken_for_one_that_says_what_is_sealed() {
    let clear = "# all\na:\n    # x\n    b: one\nd:\n    # y\n    c: two\n";
    let keys = keys(&["one.txt"]);
    for kind in [
        RuleKind::EncryptedCommentRegex,
        RuleKind::UnencryptedCommentRegex,
    ] {
        // One of four sealed comments has one of these by chance.
        let rule = Rule::new(kind, "all|Qq|[e-h]7|[k-q]9|[X-Z]1").expect("the rule is one");
        for _ in 0..40 {
            let sealed = seal(
                clear.as_bytes(),
                Format::Yaml,
                &plan(&["one.txt"], rule.clone()),
                NOW,
            );
            let sealed = sealed.unwrap_or_else(|error| panic!("{error}"));
            let back = opened(&sealed, "a.yaml", &keys).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(String::from_utf8_lossy(&back), clear);
        }
        let all = Rule::new(kind, "all|AES256").expect("the rule is one");
        let sealed = seal(
            clear.as_bytes(),
            Format::Yaml,
            &plan(&["one.txt"], all),
            NOW,
        );
        assert!(matches!(sealed, Err(Error::Rule { .. })), "{kind:?}");
    }
}

#[test]
fn what_is_sealed_the_real_sops_opens() {
    let Some(sops) = real("sops") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut count = 0;
    for (name, _, clear) in all() {
        if moves_comments(&clear) {
            continue;
        }
        let rule = rules().swap_remove(name.len() % 2);
        let mut plan = plan(&["two.txt", "one.txt"], rule);
        plan.mac_only_encrypted = name.len() % 3 == 0;
        if name.starts_with("to-groups") {
            plan.groups = ["one.txt", "two.txt", "stranger.txt"]
                .map(|name| vec![recipient(name)])
                .to_vec();
            plan.threshold = 2;
        }
        let sealed = seal(&clear, format(&name), &plan, NOW).expect("it can be sealed");
        let path = folder.path().join(&name);
        fs::write(&path, sealed).expect("it can be written");
        let kind = match format(&name) {
            Format::Yaml => "yaml",
            Format::Json => "json",
            Format::Env => "dotenv",
            Format::Ini => "ini",
            Format::Binary => "binary",
        };
        let joined = folder.path().join("keys");
        let both = format!("{}{}", read("keys/one.txt"), read("keys/two.txt"));
        fs::write(&joined, both).expect("it can be written");
        let output = Command::new(&sops)
            .args(["decrypt", "--input-type", kind, "--output-type", kind])
            .arg(&path)
            .env("SOPS_AGE_KEY_FILE", &joined)
            .output()
            .expect("sops can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(printed, String::from_utf8_lossy(&clear), "{name}");
        count += 1;
    }
    eprintln!("the real sops opened {count} files");
}

/// The lines of a text that are not in another.
fn new_lines(after: &str, before: &str) -> Vec<String> {
    let known: Vec<&str> = before.lines().collect();
    let new = after.lines().filter(|line| !known.contains(line));
    new.map(|line| line.split(':').next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn an_edit_changes_the_lines_of_what_was_changed() {
    let keys = keys(&["one.txt"]);
    for name in [
        "to-one.yaml",
        "to-one.json",
        "to-one.env",
        "to-one.ini",
        "value-secret.yaml",
    ] {
        let sealed = read(&format!("sops/{name}"));
        let clear = read(&format!("sops/{name}.clear"));
        let same = edit(
            sealed.as_bytes(),
            clear.as_bytes(),
            format(name),
            &keys,
            NOW,
        );
        assert_eq!(same, Ok(None), "{name}");
        let changed = clear.replace("p@ss", "other").replace("s3cret", "other");
        let changed = changed.replace("\"db\"", "\"other\"");
        let edited = edited(&sealed, &changed, name, &keys);
        let back = opened(&edited, name, &keys).expect("it opens");
        assert_eq!(String::from_utf8_lossy(&back), changed, "{name}");
        let edited = String::from_utf8(edited).expect("it is a text");
        let lines = new_lines(&edited, &sealed);
        assert_eq!(lines.len(), 3, "{name}: {lines:?}");
    }
}

/// A sealed file after an edit that changed something.
fn edited(sealed: &str, changed: &str, name: &str, keys: &Keys) -> Vec<u8> {
    let edited = edit(
        sealed.as_bytes(),
        changed.as_bytes(),
        format(name),
        keys,
        NOW,
    );
    edited
        .expect("it can be sealed")
        .expect("something changed")
}

#[test]
fn an_edit_keeps_comments_where_a_rule_goes_by_them() {
    let keys = keys(&["one.txt"]);
    for name in [
        "rule-encrypted_comment_regex-false.yaml",
        "rule-unencrypted_comment_regex-true.yaml",
    ] {
        let sealed = read(&format!("sops/{name}"));
        let changed = read(&format!("sops/{name}.clear")).replace("first: one", "first: 1");
        let edited = edited(&sealed, &changed, name, &keys);
        assert_eq!(opened(&edited, name, &keys), Ok(changed.into_bytes()));
        let lines = new_lines(&String::from_utf8_lossy(&edited), &sealed);
        assert_eq!(lines, ["first", "lastmodified", "mac"], "{name}");
    }
}

#[test]
fn other_recipients_get_a_file_and_those_left_out_lose_it() {
    let name = "to-several.yaml";
    let sealed = read(&format!("sops/{name}"));
    let held = keys(&["one.txt"]);
    let to = [vec![recipient("two.txt"), recipient("ssh_ed25519.pub")]];
    for data_key in [DataKey::Kept, DataKey::New] {
        let rekeyed = rekey(
            sealed.as_bytes(),
            format(name),
            &held,
            (&to, 0),
            (data_key, NOW),
        );
        let rekeyed = rekeyed.expect("it can be sealed");
        for (key, opens) in [("two.txt", true), ("ssh_ed25519", true), ("one.txt", false)] {
            assert_eq!(
                opened(&rekeyed, name, &keys(&[key])).is_ok(),
                opens,
                "{key}"
            );
        }
        let lines = new_lines(&String::from_utf8_lossy(&rekeyed), &sealed);
        let values_changed = lines.iter().any(|line| line == "password");
        assert_eq!(values_changed, data_key == DataKey::New, "{lines:?}");
    }
    let nobody = rekey(
        sealed.as_bytes(),
        format(name),
        &held,
        (&[], 0),
        (DataKey::Kept, NOW),
    );
    assert_eq!(nobody, Err(Error::NoRecipient));
}

#[test]
fn what_is_sealed_is_not_sealed_again_and_keys_are_not_taken_for_others() {
    let plan = plan(&["one.txt"], Rule::common());
    for name in ["to-one.yaml", "to-one.json", "to-one.env", "to-one.ini"] {
        let sealed = read(&format!("sops/{name}"));
        let twice = seal(sealed.as_bytes(), format(name), &plan, NOW);
        assert_eq!(twice, Err(Error::AlreadySealed), "{name}");
    }
    for text in [
        "age1nonsense",
        "AGE-SECRET-KEY-1X",
        "age1pq1xyz",
        "ssh-dss AAAA",
        "",
    ] {
        assert!(Recipient::parse(text).is_err(), "{text}");
    }
    let mut keys = keys(&[]);
    for text in [
        "age1x",
        "AGE-PLUGIN-YUBIKEY-1",
        "AGE-SECRET-KEY-PQ-1X",
        "word",
        "-----BEGIN X-----",
    ] {
        let error = keys.add(text).expect_err("it is no key");
        assert_eq!(error.reason(), "Key", "{text}");
        assert!(!error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_clear_text_prints_as_a_digest() {
    let sealed = read("sops/to-one.yaml");
    let clear = open(sealed.as_bytes(), Format::Yaml, &keys(&["one.txt"])).expect("it opens");
    assert!(format!("{clear:?}").starts_with("Secret("));
    assert!(!format!("{clear:?}").contains("db"));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_that_is_read_ends_in_a_panic(
            which in 0usize..5,
            at in any::<proptest::sample::Index>(),
            length in 0usize..40,
            put in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let name = ["to-one.yaml", "to-one.json", "to-groups.env", "to-one.ini", "to-one.bin"][which];
            let mut bytes = read(&format!("sops/{name}")).into_bytes();
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, put);
            let keys = keys(&["one.txt", "two.txt"]);
            let _ = opened(&bytes, name, &keys);
            let _ = seal(&bytes, format(name), &plan(&["one.txt"], Rule::common()), NOW);
        }

        #[test]
        fn any_text_comes_back(text in "\\PC{0,40}", number in any::<i64>(), bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let keys = keys(&["one.txt"]);
            let plan = plan(&["one.txt"], Rule::common());
            let json = serde_json::json!({ "text": text, "number": number }).to_string();
            let sealed = seal(json.as_bytes(), Format::Json, &plan, NOW).expect("it can be sealed");
            let back = opened(&sealed, "x.json", &keys).expect("it opens");
            let back: serde_json::Value = serde_json::from_slice(&back).expect("it is JSON");
            prop_assert_eq!(back, serde_json::json!({ "text": text, "number": number }));
            let sealed = seal(&bytes, Format::Binary, &plan, NOW).expect("it can be sealed");
            prop_assert_eq!(opened(&sealed, "x.bin", &keys).expect("it opens"), bytes);
        }
    }
}
