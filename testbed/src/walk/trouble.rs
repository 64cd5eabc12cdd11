//! Faults of git and of servers on a walk: they come at a step, and are over at another or at a rest,
//! where those of git may also stay, if Stacks say so. It must not know what else is changed.

use std::time::Duration;

use serde_json::Value;

use super::door::Away;
use super::{DRIFT, PAUSE, STACKS, Walk};
use crate::bed::find_condition;
use crate::proxy::{Fault, Faults};

/// A file that nobody can render.
const BROKEN: &str = "broken.yaml";
const FAULTS: [Fault; 8] = [
    Fault::Busy,
    Fault::ServerError,
    Fault::Unavailable,
    Fault::Reset,
    Fault::HalfAnswer,
    Fault::LostAnswer,
    Fault::Gone,
    Fault::Slow,
];
/// What a Stack says that waits for another one to take up its object, or to say whether it wants it.
const PASSING: [&str; 2] = ["which may want it", "to take it over"];
/// How many older states of the folders a force push may go back to.
const REMEMBERED: usize = 10;

/// What keeps commits from being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nothing.
    There,
    /// The repository is not where it was.
    Away,
    /// Its branch is deleted.
    Unnamed,
}

impl Walk {
    /// Something about git goes wrong, or is well again.
    pub(super) async fn trouble_git(&mut self) -> anyhow::Result<()> {
        match (self.source, self.dice.below(2)) {
            (Source::There, 0) => {
                let away = Away::ALL[self.dice.below(Away::ALL.len())];
                self.door.shut(away)?;
                self.source = Source::Away;
                self.log.push(format!("the repository is away: {away:?}"));
            }
            (Source::There, _) => {
                self.repository.delete_branch()?;
                self.source = Source::Unnamed;
                self.log.push("the branch is deleted".to_owned());
            }
            _ => self.come_back()?,
        }
        self.poke();
        self.words.next(PAUSE).await;
        Ok(())
    }

    /// The repository and its branch are where they were.
    pub(super) fn come_back(&mut self) -> anyhow::Result<()> {
        match self.source {
            Source::There => return Ok(()),
            Source::Away => self.door.open(&self.repository)?,
            Source::Unnamed => self.repository.point(&self.head)?,
        }
        self.source = Source::There;
        self.log.push("the repository is back".to_owned());
        Ok(())
    }

    /// A force push, of something new in place of the newest commit or of an older commit.
    pub(super) fn force(&mut self, stack: &str) -> anyhow::Result<()> {
        let older = self.dice.below(self.older.len().max(1));
        if self.dice.below(2) == 0 && older < self.older.len() {
            let (commit, folders) = self.older.swap_remove(older);
            self.log.push(format!("{commit} is pushed by force"));
            self.folders = folders;
            self.write()?;
            self.make_branch()?;
            self.repository.point(&commit)?;
            self.head = commit;
            return Ok(());
        }
        self.add(stack);
        self.log
            .push(format!("a file joins {stack}, pushed by force"));
        self.write()?;
        self.make_branch()?;
        self.head = self.repository.amend("a step, by force")?;
        Ok(())
    }

    /// Remembers the newest commit for a force push.
    pub(super) fn remember(&mut self) {
        if self.older.len() >= REMEMBERED {
            self.older.remove(0);
        }
        self.older.push((self.head.clone(), self.folders.clone()));
    }

    /// Who commits to a branch that is deleted makes it again.
    pub(super) fn make_branch(&mut self) -> anyhow::Result<()> {
        match self.source {
            Source::Unnamed => self.come_back(),
            Source::There | Source::Away => Ok(()),
        }
    }

    /// A file that nobody can render joins a folder, or leaves it.
    pub(super) fn break_or_mend(&mut self, stack: &str) -> anyhow::Result<()> {
        let files = self.folders.entry(stack.to_owned()).or_default();
        let was_broken = files.remove(BROKEN).is_some();
        if !was_broken {
            // A text stands as it is, and this one is no YAML.
            files.insert(BROKEN.to_owned(), Value::String("a: [\n".to_owned()));
        }
        self.log
            .push(format!("{stack} can be rendered: {was_broken}"));
        self.commit()
    }

    pub(super) fn is_broken(&self, stack: &str) -> bool {
        self.folders[stack].contains_key(BROKEN)
    }

    fn is_any_broken(&self) -> bool {
        STACKS.iter().any(|stack| self.is_broken(stack))
    }

    /// The files of a folder that are objects.
    pub(super) fn files(&self, stack: &str) -> Vec<String> {
        let files = self.folders[stack].keys().filter(|file| *file != BROKEN);
        files.cloned().collect()
    }

    /// Requests of engines begin to fail, or no longer do.
    pub(super) async fn trouble_servers(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            self.calm_servers();
            self.log.push("the servers are well".to_owned());
            return;
        }
        let every = 2 + self.dice.below(4);
        let count = 1 + self.dice.below(3);
        let faults: Vec<Fault> = (0..count)
            .map(|_| FAULTS[self.dice.below(FAULTS.len())])
            .collect();
        let which = self.dice.below(3);
        for (index, server) in self.servers.iter().enumerate() {
            if which != index {
                server.fail(every as u64, &faults);
                server.drop_watches();
            }
        }
        self.is_failing = true;
        self.has_failed |= which != 0;
        self.log.push(format!(
            "every {every}th request fails, but not of server {which}: {faults:?}"
        ));
        self.words.next(PAUSE).await;
    }

    pub(super) fn calm_servers(&self) {
        self.servers.iter().for_each(|server| server.fail(0, &[]));
    }

    /// What is over at a rest: all that servers do wrong, and most of the time what git does and what
    /// cannot be rendered.
    pub(super) fn calm(&mut self) -> anyhow::Result<()> {
        self.is_failing = false;
        self.calm_servers();
        for stack in STACKS {
            if self.is_broken(stack) && self.dice.below(4) > 0 {
                self.break_or_mend(stack)?;
            }
        }
        match self.dice.below(3) {
            0 => Ok(()),
            _ => self.come_back(),
        }
    }

    /// What a Stack says of its source that is not so.
    pub(super) fn unsaid(&self, stack: &Value) -> Option<String> {
        let expected = match self.source {
            Source::There => "True",
            Source::Away | Source::Unnamed => "False",
        };
        let said = find_condition(stack, "SourceReady", "status");
        (said != expected).then(|| {
            let message = find_condition(stack, "SourceReady", "message");
            let source = self.source;
            format!("SourceReady is {said} while the source is {source:?}: {message}")
        })
    }

    /// Whether a Stack may rest for a reason without being ready, at a rest that has lasted so far.
    pub(super) fn may_rest(&self, stack: &Value, so_far: Duration) -> bool {
        let name = stack["metadata"]["name"].as_str().unwrap_or_default();
        let is_there = self.source == Source::There;
        let known = STACKS.iter().find(|known| **known == name);
        let is_broken = known.is_some_and(|name| self.is_broken(name));
        let message = find_condition(stack, "Ready", "message");
        match find_condition(stack, "Ready", "reason") {
            // What a Stack wants that cannot be rendered is not known, and it takes nothing over; while the
            // source is away nobody does.
            "Progressing" if PASSING.iter().any(|words| message.contains(words)) => {
                self.is_any_broken() || !is_there
            }
            // While the source is away, an older commit counts.
            "RenderFailed" => is_broken || !is_there,
            "SourceFailed" => !is_there,
            "Drifted" => so_far > DRIFT,
            reason => super::SETTLED.contains(&reason),
        }
    }
}

/// The faults of the two clusters.
pub(super) fn servers() -> [Faults; 2] {
    [Faults::default(), Faults::default()]
}
