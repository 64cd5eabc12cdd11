//! `holdfast secret`, as people type it: what is sealed, edited, rotated and found.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;
use serde_json::Value as Json;
use tempfile::TempDir;

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\n  # who asks\n  \
                      labels: {app: shop}\nstringData:\n  user: admin\n  password: hunter2-is-it\n";

/// A folder with a key, a Git repository, and nothing else in the environment.
struct Desk {
    folder: TempDir,
    recipient: String,
}

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let mut desk = Self {
            folder: tempfile::tempdir()?,
            recipient: String::new(),
        };
        desk.recipient = desk.key("key.txt")?;
        fs::create_dir(desk.path("repo"))?;
        desk.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key; its recipient.
    fn key(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path(name).display().to_string();
        Ok(self.prints(&["keygen", "--out", &path])?.trim().to_owned())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.path("repo").join(name), text)?)
    }

    fn read(&self, name: &str) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.path("repo").join(name))?)
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .current_dir(self.path("repo"))
            .output()?;
        anyhow::ensure!(output.status.success(), "git {arguments:?}: {output:?}");
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        let repo = self.path("repo");
        let place = if repo.exists() {
            repo
        } else {
            self.folder.path().to_owned()
        };
        command.arg("secret").args(arguments).current_dir(place);
        for name in ["SOPS_AGE_KEY", "XDG_CONFIG_HOME", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.folder.path())
            .env("SOPS_AGE_KEY_FILE", self.path("key.txt"));
        command
    }

    fn output(&self, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("it reads nothing")?;
        // A command that reads nothing has closed its side.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// What a command that is to succeed prints.
    fn prints(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.output(arguments, "")?;
        anyhow::ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A command that is to end with a code and to say some words, and never a value.
    fn ends(&self, arguments: &[&str], code: i32, words: &str) -> anyhow::Result<String> {
        let output = self.output(arguments, "")?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let is_so = output.status.code() == Some(code) && said.contains(words);
        anyhow::ensure!(is_so, "{arguments:?} ends with {}: {said}", output.status);
        anyhow::ensure!(
            !said.contains("hunter2"),
            "{arguments:?} tells a value: {said}"
        );
        Ok(said)
    }

    /// Edits a file with a line of sed as the editor.
    fn edit(&self, script: &str, name: &str) -> anyhow::Result<Output> {
        let mut command = self.command(&["edit", name]);
        Ok(command
            .env("EDITOR", script)
            .stdin(Stdio::null())
            .output()?)
    }
}

/// The lines of a text that are not in another.
fn changed<'a>(after: &'a str, before: &str) -> Vec<&'a str> {
    let known: Vec<&str> = before.lines().collect();
    after.lines().filter(|line| !known.contains(line)).collect()
}

#[test]
fn a_secret_is_sealed_opened_and_edited_with_a_small_difference() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("db.yaml", SECRET)?;
    desk.prints(&["seal", "--to", &desk.recipient, "-i", "db.yaml"])?;
    let sealed = desk.read("db.yaml")?;
    assert!(
        sealed.contains("name: db") && sealed.contains("# who asks"),
        "{sealed}"
    );
    assert!(
        !sealed.contains("hunter2") && !sealed.contains("admin"),
        "{sealed}"
    );
    let opened = desk.prints(&["open", "db.yaml"])?;
    assert!(opened.contains("password: hunter2-is-it"), "{opened}");
    desk.ends(
        &["seal", "--to", &desk.recipient, "-i", "db.yaml"],
        1,
        "sealed already",
    )?;

    let output = desk.edit("sed -i s/hunter2-is-it/other-word/", "db.yaml")?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    let edited = desk.read("db.yaml")?;
    let lines = changed(&edited, &sealed);
    let keys: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.trim().split(':').next())
        .collect();
    // The moment may be the same as before.
    let is_small = keys.first() == Some(&"password") && keys.last() == Some(&"mac");
    assert!(is_small && keys.len() <= 3, "{lines:?}");
    assert!(
        desk.prints(&["open", "db.yaml"])?
            .contains("password: other-word")
    );
    desk.prints(&["recipients", "db.yaml"])?;

    // What is not changed, not YAML, or left by the editor with an error, changes nothing.
    for (editor, succeeds) in [
        ("true", true),
        ("sed -i 's/^/\t/'", false),
        ("false", false),
        ("no-such-editor", false),
    ] {
        let output = desk.edit(editor, "db.yaml")?;
        assert_eq!(output.status.success(), succeeds, "{editor}: {output:?}");
        assert_eq!(desk.read("db.yaml")?, edited, "{editor}");
    }
    Ok(())
}

#[test]
fn no_clear_text_is_left_behind_by_an_editor() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("db.yaml", SECRET)?;
    desk.prints(&["seal", "--to", &desk.recipient, "-i", "db.yaml"])?;
    let place = desk.path("place");
    let script = desk.path("editor.sh");
    let seen = format!(
        "#!/bin/sh\nls -ld \"$1\" > {0}\nls -ld \"$(dirname \"$1\")\" >> {0}\nreadlink -f \"$1\" >> {0}\ncp \"$1\" \"$1~\"\n",
        place.display()
    );
    let script_of = |more: &str| fs::write(&script, format!("{seen}{more}\n"));
    let editor = format!("sh {}", script.display());
    let gone = |desk: &Desk| -> anyhow::Result<()> {
        let seen = fs::read_to_string(desk.path("place"))?;
        let lines: Vec<&str> = seen.lines().collect();
        anyhow::ensure!(lines[0].starts_with("-rw-------"), "{seen}");
        anyhow::ensure!(lines[1].starts_with("drwx------"), "{seen}");
        let file = Path::new(lines[2]);
        anyhow::ensure!(
            file.file_name().is_some_and(|name| name == "db.yaml"),
            "{seen}"
        );
        anyhow::ensure!(
            file.parent().is_some_and(|folder| !folder.exists()),
            "{seen}"
        );
        Ok(())
    };
    for end in ["exit 0", "exit 3", "printf '{' > \"$1\""] {
        script_of(end)?;
        desk.edit(&editor, "db.yaml")?;
        gone(&desk)?;
    }
    // Asked to stop while the editor is open: the editor says when it is, and never ends by itself.
    script_of("kill -TERM $PPID\nwhile :; do sleep 1; done")?;
    let output = desk.edit(&format!("exec {editor}"), "db.yaml")?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    gone(&desk)
}

#[test]
fn values_come_from_standard_input_and_rules_from_where_sops_has_them() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let output = desk.output(&["seal", "--to", &desk.recipient, "-o", "db.yaml"], SECRET)?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    assert!(desk.prints(&["open", "db.yaml"])?.contains("hunter2"));
    desk.ends(&["seal", "db.yaml"], 1, "--to")?;

    let rules = format!(
        "creation_rules:\n- path_regex: \\.env$\n  age: {0}\n  encrypted_regex: ^PASS\n- path_regex: other\n  pgp: \
         ABCD\n- age: [{0}]\n  mac_only_encrypted: true\n",
        desk.recipient
    );
    desk.write(".sops.yaml", &rules)?;
    desk.write("prod.env", "MODE=on\nPASSWORD=hunter2\n")?;
    desk.prints(&["seal", "-i", "prod.env"])?;
    let sealed = desk.read("prod.env")?;
    assert!(sealed.starts_with("MODE=on\nPASSWORD=ENC["), "{sealed}");
    desk.write("values.json", "{\"a\": {\"b\": \"hunter2\"}}")?;
    desk.prints(&["seal", "-i", "values.json"])?;
    let sealed = desk.read("values.json")?;
    assert!(
        sealed.contains("\"mac_only_encrypted\": true") && !sealed.contains("hunter2"),
        "{sealed}"
    );
    desk.write("other.yaml", SECRET)?;
    desk.ends(&["seal", "-i", "other.yaml"], 1, "`pgp`")?;
    desk.write("by-rule.yaml", "a: hunter2\nb: 2\n")?;
    desk.prints(&["seal", "--rule", "encrypted_suffix=a", "-i", "by-rule.yaml"])?;
    let sealed = desk.read("by-rule.yaml")?;
    assert!(
        sealed.starts_with("a: ENC[") && sealed.contains("\nb: 2\n"),
        "{sealed}"
    );
    desk.ends(
        &["seal", "--rule", "nonsense=a", "by-rule.yaml"],
        64,
        "encrypted_regex",
    )?;
    desk.ends(&["seal", "--to", "age1wrong", "by-rule.yaml"], 1, "--to")?;
    Ok(())
}

#[test]
fn a_folder_is_sealed_for_others_as_a_whole_or_not_at_all() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let other = desk.key("other.txt")?;
    let other_key = desk.path("other.txt").display().to_string();
    for (name, text) in [("a.yaml", SECRET), ("b.env", "PASSWORD=hunter2\n")] {
        desk.write(name, text)?;
        desk.prints(&["seal", "--to", &desk.recipient, "-i", name])?;
    }
    desk.write("plain.yaml", "a: 1\n")?;
    let before = desk.read("a.yaml")?;
    let said = desk.prints(&["rotate", "--add", &other, "."])?;
    assert!(said.contains("2 of 2 sealed files changed"), "{said}");
    let said = desk.prints(&["rotate", "--add", &other, "."])?;
    assert!(said.contains("0 of 2 sealed files changed"), "{said}");
    let after = desk.read("a.yaml")?;
    assert_eq!(
        changed(&before, &after)
            .iter()
            .filter(|line| line.contains("ENC["))
            .count(),
        0,
        "the values stay as they are sealed"
    );
    let listed = desk.prints(&["recipients", "-o", "json", "."])?;
    let listed: Json = listed.parse()?;
    assert_eq!(
        listed[0]["groups"][0][1],
        Json::from(other.clone()),
        "{listed:#}"
    );

    let said = desk.prints(&["rotate", "--remove", &desk.recipient, "--data-key", "."])?;
    assert!(said.contains("2 of 2"), "{said}");
    desk.ends(&["open", "a.yaml"], 1, &other)?;
    let opened = desk.prints(&["open", "--key", &other_key, "a.yaml"])?;
    assert!(opened.contains("hunter2"));
    let values = |text: &str| {
        text.lines()
            .filter(|line| line.contains("user: ENC["))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_ne!(
        values(&after),
        values(&desk.read("a.yaml")?),
        "the data key is new"
    );

    Ok(())
}

#[test]
fn one_file_that_does_not_open_keeps_all_others_as_they_are() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let other = desk.key("other.txt")?;
    for (name, text) in [("a.yaml", SECRET), ("b.env", "PASSWORD=hunter2\n")] {
        desk.write(name, text)?;
        desk.prints(&["seal", "--to", &desk.recipient, "-i", name])?;
    }
    desk.write("plain.yaml", "a: 1\n")?;
    let (a, b) = (desk.read("a.yaml")?, desk.read("b.env")?);
    let touched = b.replacen("GCM,data:", "GCM,data:AAAA", 1);
    desk.write("b.env", &touched)?;
    desk.ends(&["rotate", "--to", &other, "."], 1, "no file was changed")?;
    assert_eq!(desk.read("a.yaml")?, a);
    assert_eq!(desk.read("b.env")?, touched);
    let unsealed = ["rotate", "plain.yaml", "--to", &other];
    desk.ends(&unsealed, 1, "no `sops` block")?;
    Ok(())
}

#[test]
fn a_secret_is_sealed_for_the_controller_of_sealed_secrets() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/secrets/tests/fixtures/keys");
    let file = |name: &str| keys.join(name).display().to_string();
    desk.write("db.yaml", SECRET)?;
    let (certificate, key) = (file("sealing.crt"), file("sealing.key"));
    desk.prints(&[
        "seal",
        "--cert",
        &certificate,
        "db.yaml",
        "-o",
        "sealed.yaml",
    ])?;
    let sealed = desk.read("sealed.yaml")?;
    assert!(
        sealed.contains("kind: SealedSecret") && !sealed.contains("hunter2"),
        "{sealed}"
    );
    let opened = desk.prints(&["open", "--sealing-key", &key, "sealed.yaml"])?;
    assert!(opened.contains("aHVudGVyMi1pcy1pdA=="), "{opened}");
    desk.write(
        "moved.yaml",
        &sealed.replace("namespace: shop", "namespace: other"),
    )?;
    let moved = ["open", "--sealing-key", &key, "moved.yaml"];
    desk.ends(&moved, 1, "namespace other did not open")?;
    desk.ends(
        &["open", "--sealing-key", &file("older.key"), "sealed.yaml"],
        1,
        "password",
    )?;
    desk.ends(&["open", "sealed.yaml"], 1, "--sealing-key")?;
    desk.ends(&["edit", "sealed.yaml"], 1, "SealedSecret")?;
    Ok(())
}

#[test]
fn what_is_not_sealed_is_found_in_files_in_what_is_staged_and_in_commits() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let said = desk.prints(&["scan"])?;
    assert!(said.contains("nothing was found"), "{said}");
    desk.write("README", "nothing\n")?;
    desk.git(&["add", "."])?;
    desk.git(&["commit", "--quiet", "-m", "one"])?;
    desk.git(&["tag", "start"])?;
    desk.write("db.yaml", SECRET)?;
    let said = desk.ends(
        &["scan", "."],
        2,
        "db.yaml:9: `stringData.user` of Secret shop/db is not sealed",
    )?;
    assert!(said.contains("2 findings"), "{said}");

    // Staged is what is staged, whatever is on disk by now.
    assert!(
        desk.prints(&["scan", "--staged"])?
            .contains("nothing was found")
    );
    desk.git(&["add", "db.yaml"])?;
    desk.write("db.yaml", "a: 1\n")?;
    desk.ends(&["scan", "--staged"], 2, "db.yaml:10")?;
    assert!(desk.prints(&["scan", "."])?.contains("nothing was found"));
    desk.git(&["commit", "--quiet", "-m", "two"])?;
    desk.git(&["rm", "--quiet", "--force", "db.yaml"])?;
    desk.git(&["commit", "--quiet", "-m", "three"])?;

    // A value that is gone again is in the commits all the same.
    desk.ends(&["scan", "--since", "start"], 2, "db.yaml:10")?;
    assert!(
        desk.prints(&["scan", "--since", "HEAD"])?
            .contains("nothing was found")
    );
    desk.ends(&["scan", "--since", "nowhere"], 1, "nowhere")?;
    desk.ends(&["scan", "--since", "--all"], 64, "")?;

    let sarif = desk.ends(&["scan", "--since", "start", "-o", "sarif"], 2, "2.1.0")?;
    let sarif: Json = sarif.parse()?;
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "plain-secret", "{sarif:#}");
    let listed = desk.ends(&["scan", "--since", "start", "-o", "json"], 2, "findings")?;
    let listed: Json = listed.parse()?;
    assert_eq!(listed["findings"][0]["line"], 9, "{listed:#}");

    Ok(())
}

#[test]
fn what_is_accepted_is_accepted_at_its_place_and_no_other() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let baseline = ["scan", ".", "--baseline", ".baseline.json"];
    desk.write("db.yaml", SECRET)?;
    desk.prints(&[&baseline[..], &["--write-baseline"]].concat())?;
    assert!(!desk.read(".baseline.json")?.contains("hunter2"));
    assert!(desk.prints(&baseline)?.contains("nothing was found"));
    desk.write("db.yaml", &format!("# moved\n{SECRET}  more: hunter2\n"))?;
    let said = desk.ends(&baseline, 2, "db.yaml:12: `stringData.more`")?;
    assert!(said.contains("1 finding;"), "{said}");
    desk.prints(&["seal", "--to", &desk.recipient, "-i", "db.yaml"])?;
    assert!(desk.prints(&["scan"])?.contains("nothing was found"));
    Ok(())
}

#[test]
fn keys_are_private_and_never_overwritten() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new()?;
    let path = desk.path("key.txt");
    let mode = fs::metadata(&path)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read_to_string(&path)?;
    let said = desk.ends(
        &["keygen", "--out", &path.display().to_string()],
        1,
        "there already",
    )?;
    assert!(!said.contains("AGE-SECRET"), "{said}");
    assert_eq!(fs::read_to_string(&path)?, before);
    assert!(desk.prints(&["keygen"])?.contains("AGE-SECRET-KEY-1"));
    desk.write("db.yaml", SECRET)?;
    desk.prints(&["seal", "--to", &desk.recipient, "-i", "db.yaml"])?;
    let mut command = desk.command(&["open", "db.yaml"]);
    let output = command.env_remove("SOPS_AGE_KEY_FILE").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("secret keygen"), "{said}");
    let mut command = desk.command(&["open", "db.yaml"]);
    command
        .env_remove("SOPS_AGE_KEY_FILE")
        .env("SOPS_AGE_KEY", &before);
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    Ok(())
}
