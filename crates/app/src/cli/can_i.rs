//! `holdfast can-i`: what the rules of the page allow somebody, and by which line. It must not know how anybody
//! signs in.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::native::stack;
use holdfast_control::Plane;
use holdfast_server::{Account, Roles, Subject, Verb};

use super::api::Api;
use super::{Global, print};
use crate::people;

/// Say whether somebody may do something with a Stack on the page, and which rule it is.
#[derive(Args)]
#[command(
    name = "can-i",
    after_help = "Examples:\n  holdfast can-i sync shop -n team-a --as alice\n  holdfast can-i get shop --as bob --group leads\n\nExit code 0: it is allowed; 1: it is not."
)]
pub(crate) struct CanI {
    /// What: get, plan, sync, rollback, suspend, resume, terminate, approve, delete, logs or objects.
    #[arg(value_parser = verb)]
    verb: Verb,
    /// The Stack.
    name: String,
    /// Whose name; the one that the API server knows you by when left out.
    #[arg(long = "as", value_name = "USER")]
    who: Option<String>,
    /// A group beside those of the account; may be repeated.
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// The namespace of the engine's lease, where the rules are kept.
    #[arg(long, value_name = "NAME", default_value = "default")]
    lease_namespace: String,
}

fn verb(text: &str) -> Result<Verb, String> {
    let all: Vec<&str> = Verb::ALL.iter().map(|verb| verb.word()).collect();
    Verb::read(text).ok_or_else(|| format!("there are {}", all.join(", ")))
}

impl CanI {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let plane = Plane::new(api.client.clone());
        let name = match &self.who {
            Some(name) => name.clone(),
            None => api
                .person()
                .await
                .context("the API server does not say who you are; name somebody with --as")?,
        };
        let shelf = people::roles(&self.lease_namespace);
        let place = format!("ConfigMap {}/{}", shelf.namespace, shelf.name);
        let kept = plane.kept(&shelf).await?;
        let text = kept.as_ref().and_then(|texts| texts.get(people::RULES));
        let Some(text) = text else {
            print(&format!(
                "no: there are no rules; they go into {place}, entry {}\n",
                people::RULES
            ));
            return Ok(ExitCode::FAILURE);
        };
        let roles = Roles::read(text).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!(
                "the rules in {place} cannot be read, and the engine goes on with those before them: {}",
                faults.join("; ")
            )
        })?;
        let mut groups = self.group.clone();
        let accounts = people::accounts(&self.lease_namespace);
        // Who may read the rules need not be allowed to read accounts.
        let accounts = plane
            .kept(&accounts)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        if let Some(account) = accounts.get(&name).and_then(|text| Account::read(text)) {
            groups.extend(account.groups);
        }
        let stack = stack::read(&api.stack(&self.name).await?).stack;
        let target = &stack.destination.target.0;
        let subject = Subject { name, groups };
        let verdict = roles.rights(&subject).decide(self.verb, &stack.key, target);
        let (answer, may) = if verdict.allows {
            ("yes", "may")
        } else {
            ("no", "may not")
        };
        print(&format!(
            "{answer}: {} {may} {} {} on target {target}: {verdict} of {place}\n",
            subject.name,
            self.verb.word(),
            stack.key
        ));
        Ok(if verdict.allows {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
