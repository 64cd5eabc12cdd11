//! Who may do what: rules over verbs, Stacks and targets, as lines that people write. It must not know how
//! anybody signs in.
//!
//! ```text
//! p, WHO, VERB|VERB, NAMESPACE/STACK, TARGET, allow|deny
//! g, WHO, role:NAME
//! ```

use std::collections::BTreeSet;
use std::fmt;

use holdfast_model::stack::StackKey;

/// The most bytes of all rules; an object of a Kubernetes API holds 1 MiB.
const LARGEST: usize = 1 << 20;
/// The most faults that are said at once.
const FAULTS: usize = 10;

/// What somebody may do with a Stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// To see that it is there, and how it is doing.
    Get,
    /// To see its newest plan, with the values that would change.
    Plan,
    /// To sync and refresh it.
    Sync,
    /// To roll it back.
    Rollback,
    /// To suspend it.
    Suspend,
    /// To resume it.
    Resume,
    /// To end what is under way.
    Terminate,
    /// To approve a plan.
    Approve,
    /// To delete it.
    Delete,
    /// To read what its pods have written.
    Logs,
    /// To read its objects as they are on the target.
    Objects,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Get,
        Self::Plan,
        Self::Sync,
        Self::Rollback,
        Self::Suspend,
        Self::Resume,
        Self::Terminate,
        Self::Approve,
        Self::Delete,
        Self::Logs,
        Self::Objects,
    ];

    /// Its word in a rule.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Plan => "plan",
            Self::Sync => "sync",
            Self::Rollback => "rollback",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Terminate => "terminate",
            Self::Approve => "approve",
            Self::Delete => "delete",
            Self::Logs => "logs",
            Self::Objects => "objects",
        }
    }

    /// The verb of a word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// Somebody, as rules name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// A line that allows or denies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    line: usize,
    who: String,
    verbs: BTreeSet<Verb>,
    namespace: String,
    name: String,
    target: String,
    allows: bool,
}

impl Rule {
    fn covers(&self, verb: Verb, stack: &StackKey, target: &str) -> bool {
        self.verbs.contains(&verb)
            && fits(&self.namespace, &stack.namespace)
            && fits(&self.name, &stack.name)
            && fits(&self.target, target)
    }
}

/// A line that gives somebody a role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    line: usize,
    who: String,
    role: String,
}

/// The rules of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    rules: Vec<Rule>,
    grants: Vec<Grant>,
}

/// A line that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Fault {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The rules that somebody is under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    is_everything: bool,
    rules: Vec<Rule>,
}

/// What the rules say to a question, and which line it was; none where no line says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allows: bool,
    /// The line that decided.
    pub line: Option<usize>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.allows, self.line) {
            (true, Some(0)) => formatter.write_str("by a role that is always there"),
            (true, Some(line)) => write!(formatter, "line {line} allows it"),
            (false, Some(line)) => write!(formatter, "line {line} denies it"),
            (_, None) => formatter.write_str("no line allows it"),
        }
    }
}

/// Roles that are there without a line: everything, and to look at everything but live objects and logs.
const ADMIN: &str = "role:admin";
const VIEWER: &str = "role:viewer";

fn built_in(who: &str, verbs: impl IntoIterator<Item = Verb>) -> Rule {
    Rule {
        line: 0,
        who: who.to_owned(),
        verbs: verbs.into_iter().collect(),
        namespace: "*".to_owned(),
        name: "*".to_owned(),
        target: "*".to_owned(),
        allows: true,
    }
}

impl Roles {
    /// Reads lines; empty ones and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// Each line that is none: rules that are half understood would allow what was not meant.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        if text.len() > LARGEST {
            let message = format!("there are more than {LARGEST} bytes of rules");
            return Err(vec![Fault { line: 1, message }]);
        }
        let mut roles = Self::default();
        let mut faults = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = trimmed.split(',').map(str::trim).collect();
            if let Err(message) = roles.take(at + 1, &fields) {
                let line = at + 1;
                faults.push(Fault { line, message });
            }
        }
        for grant in &roles.grants {
            let is_known = [ADMIN, VIEWER].contains(&grant.role.as_str())
                || roles.rules.iter().any(|rule| rule.who == grant.role)
                || roles.grants.iter().any(|other| other.who == grant.role);
            if !is_known {
                let message = format!("no line says what {} may do", grant.role);
                let line = grant.line;
                faults.push(Fault { line, message });
            }
        }
        faults.sort_by_key(|fault| fault.line);
        faults.truncate(FAULTS);
        match faults.is_empty() {
            true => Ok(roles),
            false => Err(faults),
        }
    }

    fn take(&mut self, line: usize, fields: &[&str]) -> Result<(), String> {
        match *fields {
            ["p", who, verbs, stack, target, effect] => {
                let (namespace, name) = stack.split_once('/').ok_or_else(|| {
                    format!("`{stack}` is no NAMESPACE/STACK, such as team-a/* or */*")
                })?;
                for (what, text) in [
                    ("namespace", namespace),
                    ("Stack", name),
                    ("target", target),
                ] {
                    if text.is_empty() {
                        return Err(format!("the {what} is empty; write * for every one"));
                    }
                }
                let allows = match effect {
                    "allow" => true,
                    "deny" => false,
                    other => return Err(format!("`{other}` is neither allow nor deny")),
                };
                self.rules.push(Rule {
                    line,
                    who: subject(who)?,
                    verbs: verbs_of(verbs)?,
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    target: target.to_owned(),
                    allows,
                });
                Ok(())
            }
            ["g", who, role] => {
                let (who, role) = (subject(who)?, subject(role)?);
                if !role.starts_with("role:") {
                    return Err(format!("`{role}` is no role; write role:{role}"));
                }
                self.grants.push(Grant { line, who, role });
                Ok(())
            }
            _ => Err(
                "this is neither `p, WHO, VERBS, NAMESPACE/STACK, TARGET, allow` nor `g, WHO, role:NAME`"
                    .to_owned(),
            ),
        }
    }

    /// The rules that somebody is under: those of their name and groups, of everybody, and of their roles
    /// and the roles of those.
    pub fn rights(&self, subject: &Subject) -> Rights {
        let groups = subject.groups.iter().map(|group| format!("group:{group}"));
        let own = [subject.name.clone(), "*".to_owned()];
        let mut known: BTreeSet<String> = own.into_iter().chain(groups).collect();
        loop {
            let more = self
                .grants
                .iter()
                .filter(|grant| known.contains(&grant.who));
            let more: BTreeSet<String> = more.map(|grant| grant.role.clone()).collect();
            let before = known.len();
            known.extend(more);
            if known.len() == before {
                break;
            }
        }
        let built_in = [
            built_in(ADMIN, Verb::ALL),
            built_in(VIEWER, [Verb::Get, Verb::Plan]),
        ];
        let rules = built_in.iter().chain(&self.rules);
        let rules = rules.filter(|rule| known.contains(&rule.who));
        Rights {
            is_everything: false,
            rules: rules.cloned().collect(),
        }
    }
}

impl Rights {
    /// Those of whoever is on this machine, where nobody signs in.
    pub fn everything() -> Self {
        Self {
            is_everything: true,
            rules: Vec::new(),
        }
    }

    /// Whether nothing at all is denied, so that nobody has to ask Stack by Stack.
    pub(crate) fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Whether something may be done with a Stack of a target: a line has to allow it, and none to deny it.
    pub fn decide(&self, verb: Verb, stack: &StackKey, target: &str) -> Verdict {
        if self.is_everything {
            return Verdict {
                allows: true,
                line: Some(0),
            };
        }
        let rules = self.rules.iter();
        let covering = rules.filter(|rule| rule.covers(verb, stack, target));
        let decisive = covering.min_by_key(|rule| (rule.allows, rule.line));
        Verdict {
            allows: decisive.is_some_and(|rule| rule.allows),
            line: decisive.map(|rule| rule.line),
        }
    }

    /// Whether a Stack of this name may be seen on some target.
    pub(crate) fn reaches(&self, stack: &StackKey) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| {
            rule.allows
                && rule.verbs.contains(&Verb::Get)
                && fits(&rule.namespace, &stack.namespace)
                && fits(&rule.name, &stack.name)
        })
    }

    /// The rules in words, for who is under them.
    pub(crate) fn words(&self) -> Vec<String> {
        let rules = self.rules.iter().map(|rule| {
            let verbs: Vec<&str> = rule.verbs.iter().map(|verb| verb.word()).collect();
            let verbs = match rule.verbs.len() == Verb::ALL.len() {
                true => "everything".to_owned(),
                false => verbs.join(", "),
            };
            let effect = if rule.allows { "may" } else { "may not" };
            let target = match rule.target.as_str() {
                "*" => String::new(),
                target => format!(" on target {target}"),
            };
            format!("{effect} {verbs}: {}/{}{target}", rule.namespace, rule.name)
        });
        rules.collect()
    }
}

fn verbs_of(text: &str) -> Result<BTreeSet<Verb>, String> {
    if text == "*" {
        return Ok(Verb::ALL.into_iter().collect());
    }
    let verbs = text.split('|').map(str::trim);
    let verbs = verbs.map(|word| {
        Verb::read(word).ok_or_else(|| {
            let all: Vec<&str> = Verb::ALL.iter().map(|verb| verb.word()).collect();
            format!(
                "`{word}` is no verb; there are {}, and * for all",
                all.join(", ")
            )
        })
    });
    verbs.collect()
}

fn subject(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix("role:")
        .or_else(|| text.strip_prefix("group:"));
    match bare.unwrap_or(text) {
        "" => Err("it does not say who".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Whether a text is as a pattern has it, in which `*` is any number of letters and `?` is one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == text[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((star_at, star_of)) = star else {
                    return false;
                };
                star = Some((star_at, star_of + 1));
                at = star_at + 1;
                of = star_of + 1;
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use holdfast_model::stack::StackKey;

    use super::{Roles, Subject, Verb, fits};

    const RULES: &str = "\
# who may do what
p, role:deployer, get|plan|sync, team-a/*, *, allow
p, role:deployer, sync, team-a/db, *, deny
p, role:lead, rollback, team-a/*, staging-?, allow
p, carol, get, */shop, *, allow
g, alice, role:deployer
g, group:leads, role:lead
g, role:lead, role:deployer
g, root, role:admin
g, group:auditors, role:viewer
";

    fn check(who: &str, verb: Verb, stack: &str, target: &str, expected: (bool, Option<usize>)) {
        let roles = Roles::read(RULES).expect("they are rules");
        let (name, group) = who.split_once('@').unwrap_or((who, ""));
        let subject = Subject {
            name: name.to_owned(),
            groups: vec![group.to_owned()],
        };
        let (namespace, name) = stack.split_once('/').expect("it is a Stack");
        let key = StackKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let verdict = roles.rights(&subject).decide(verb, &key, target);
        assert_eq!(
            (verdict.allows, verdict.line),
            expected,
            "{who} {verb:?} {stack}"
        );
    }

    #[test]
    fn nothing_is_allowed_by_default_and_what_is_denied_stays_denied() {
        check("alice", Verb::Get, "team-a/shop", "x", (true, Some(2)));
        check("alice", Verb::Sync, "team-a/db", "x", (false, Some(3)));
        check("alice", Verb::Get, "team-b/shop", "x", (false, None));
        check("alice", Verb::Delete, "team-a/shop", "x", (false, None));
        check("nobody", Verb::Get, "team-a/shop", "x", (false, None));
        check("role:admin", Verb::Get, "team-a/shop", "x", (true, Some(0)));
        check("carol", Verb::Get, "team-b/shop", "x", (true, Some(5)));
        check("root", Verb::Delete, "any/thing", "x", (true, Some(0)));
    }

    #[test]
    fn groups_and_roles_of_roles_count_and_so_does_the_target() {
        let lead = "bob@leads";
        check(
            lead,
            Verb::Rollback,
            "team-a/shop",
            "staging-1",
            (true, Some(4)),
        );
        check(
            lead,
            Verb::Rollback,
            "team-a/shop",
            "staging-12",
            (false, None),
        );
        check(lead, Verb::Sync, "team-a/shop", "prod", (true, Some(2)));
        check("leads", Verb::Sync, "team-a/shop", "prod", (false, None));
        check(
            "eve@auditors",
            Verb::Plan,
            "team-b/x",
            "prod",
            (true, Some(0)),
        );
        check(
            "eve@auditors",
            Verb::Logs,
            "team-b/x",
            "prod",
            (false, None),
        );
    }

    #[test]
    fn every_line_that_is_none_is_said_with_what_to_do() {
        let text = "p, a, fly, x/*, *, allow\np, a, get, x, *, allow\np, a, get, x/*, *, maybe\n\
                    g, a, admin\ng, a, role:gone\nq, a\np, , get, x/*, *, allow\np, a, get, /*, *, allow\n";
        let faults = Roles::read(text).expect_err("they are none");
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let said = said.join("\n");
        for words in [
            "line 1: `fly` is no verb; there are get, plan",
            "line 2: `x` is no NAMESPACE/STACK",
            "line 3: `maybe` is neither allow nor deny",
            "line 4: `admin` is no role; write role:admin",
            "line 5: no line says what role:gone may do",
            "line 6: this is neither",
            "line 7: it does not say who",
            "line 8: the namespace is empty",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(Roles::read(&"#".repeat(2 << 20)).is_err());
    }

    #[test]
    fn a_pattern_fits_as_a_whole_and_takes_no_longer_for_many_stars() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a?c", "abc", true),
            ("", "a", false),
            ("*-prod", "eu-prod", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)));
    }
}
