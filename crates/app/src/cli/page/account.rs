//! `holdfast page account`: accounts in a Secret of the control plane. A password comes from a person or from
//! standard input, and is never an argument; a token is printed once.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast_control::{Plane, Shelf, Texts};
use holdfast_server::{Account, is_name};
use zeroize::Zeroizing;

use super::prompt;
use crate::cli::{Global, exit, print, progress};
use crate::{people, wiring};

/// Add, list and remove accounts, and make tokens for programs.
#[derive(Args)]
pub(super) struct AccountCommand {
    /// The namespace of the engine's lease, where accounts are kept.
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    lease_namespace: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add an account; its password is asked for, or is the first line of standard input.
    Add {
        /// Its name.
        name: String,
        /// A group that it is in, as rules name it; may be repeated.
        #[arg(long, value_name = "NAME")]
        group: Vec<String>,
        /// An account of programs alone, which nobody signs in to.
        #[arg(long)]
        no_password: bool,
    },
    /// Show accounts and their tokens.
    List,
    /// Give an account another password, and end its sessions.
    Password {
        /// Its name.
        name: String,
    },
    /// Make a token for programs, which is shown once, or remove one.
    Token {
        /// The account.
        account: String,
        /// What the token is for.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// How long it counts, such as 12h or 90d.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = days)]
        expires: Duration,
        /// Remove it.
        #[arg(long)]
        remove: bool,
    },
    /// End all sessions of an account.
    SignOut {
        /// Its name.
        name: String,
    },
    /// Remove an account with its tokens, and end its sessions.
    Remove {
        /// Its name.
        name: String,
    },
}

fn days(text: &str) -> Result<Duration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    let days = days.filter(|days| (1..=3_650).contains(days));
    match days {
        Some(days) => Ok(Duration::from_secs(days * 86_400)),
        None => exit::duration(text),
    }
}

impl AccountCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let connected = wiring::connect(&global.connection()).await?;
        let accounts = Accounts {
            plane: Plane::new(connected.client),
            shelf: people::accounts(&self.lease_namespace),
        };
        match self.action {
            Action::List => accounts.list().await?,
            Action::Add {
                name,
                group,
                no_password,
            } => accounts.add(&name, group, no_password).await?,
            Action::Password { name } => {
                let password = prompt::password(&name)?;
                let chance = wiring::chance()?;
                accounts
                    .change(
                        &name,
                        |account| Ok(account.set_password(&password, chance)?),
                    )
                    .await?;
                print(&format!(
                    "{name} has another password, and no sessions any more\n"
                ));
            }
            Action::Token {
                account,
                name,
                expires,
                remove: false,
            } => accounts.add_token(&account, &name, expires).await?,
            Action::Token { account, name, .. } => {
                let removed = accounts.change(&account, |account| {
                    let before = account.tokens.len();
                    account.tokens.retain(|token| token.name != name);
                    anyhow::ensure!(account.tokens.len() < before, "there is no token {name}");
                    Ok(())
                });
                removed.await?;
                print(&format!("token {name} of {account} is removed\n"));
            }
            Action::SignOut { name } => {
                let stamp = stamp()?;
                accounts
                    .change(&name, |account| {
                        account.stamp.clone_from(&stamp);
                        Ok(())
                    })
                    .await?;
                print(&format!("{name} has no sessions any more\n"));
            }
            Action::Remove { name } => accounts.remove(&name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn stamp() -> anyhow::Result<String> {
    let chance = wiring::chance()?;
    let digits = chance.iter().take(16).map(|byte| format!("{byte:02x}"));
    Ok(digits.collect())
}

/// Where accounts are kept.
struct Accounts {
    plane: Plane,
    shelf: Shelf,
}

impl Accounts {
    /// Changes all of them at once; what the change says last counts.
    async fn edit<T: Send>(
        &self,
        change: impl Fn(&mut Texts) -> anyhow::Result<T> + Send + Sync,
    ) -> anyhow::Result<T> {
        let result = std::sync::Mutex::new(None);
        let edit = |texts: &mut Texts| {
            let changed = change(texts);
            if let Ok(mut result) = result.lock() {
                *result = Some(changed);
            }
        };
        self.plane.edit_kept(&self.shelf, edit).await?;
        let result = result.into_inner().ok().flatten();
        result.context("nothing was changed")?
    }

    async fn change<T: Send>(
        &self,
        name: &str,
        change: impl Fn(&mut Account) -> anyhow::Result<T> + Send + Sync,
    ) -> anyhow::Result<T> {
        let edit = |texts: &mut Texts| {
            let text = texts.get(name).with_context(|| {
                format!("there is no account {name}; `holdfast page account list` shows those that there are")
            })?;
            let mut account = Account::read(text).with_context(|| {
                format!("account {name} cannot be read; remove it, and add it again")
            })?;
            let result = change(&mut account)?;
            texts.insert(name.to_owned(), account.write());
            Ok(result)
        };
        self.edit(edit).await
    }

    async fn add(&self, name: &str, groups: Vec<String>, no_password: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            is_name(name),
            "{name:?} is no name of an account; take small letters, digits, dots, dashes and underscores, 63 at most"
        );
        let mut account = Account {
            groups,
            stamp: stamp()?,
            ..Account::default()
        };
        if !no_password {
            account.set_password(&prompt::password(name)?, wiring::chance()?)?;
        }
        let text = Zeroizing::new(account.write());
        let edit = |texts: &mut Texts| {
            anyhow::ensure!(
                !texts.contains_key(name),
                "there is an account {name} already; `holdfast page account password {name}` changes its password"
            );
            texts.insert(name.to_owned(), text.to_string());
            Ok(())
        };
        self.edit(edit).await?;
        print(&format!(
            "{name} may sign in; what {name} may do is in ConfigMap {}/{}\n",
            self.shelf.namespace,
            people::roles(&self.shelf.namespace).name
        ));
        Ok(())
    }

    async fn add_token(&self, account: &str, name: &str, expires: Duration) -> anyhow::Result<()> {
        anyhow::ensure!(is_name(name), "{name:?} is no name of a token");
        let (chance, now) = (wiring::chance()?, wiring::now());
        let token = self
            .change(account, |account| {
                Ok(account.add_token(name, chance, now, now + expires)?)
            })
            .await?;
        progress::say(
            "this is shown once, and kept nowhere; send it as `Authorization: Bearer TOKEN`",
        );
        print(&format!("{}\n", *token));
        Ok(())
    }

    async fn remove(&self, name: &str) -> anyhow::Result<()> {
        let edit = |texts: &mut Texts| {
            anyhow::ensure!(texts.remove(name).is_some(), "there is no account {name}");
            Ok(())
        };
        self.edit(edit).await?;
        print(&format!(
            "{name} is removed, with its tokens and sessions\n"
        ));
        Ok(())
    }

    async fn list(&self) -> anyhow::Result<()> {
        let texts = self.plane.kept(&self.shelf).await?.unwrap_or_default();
        if texts.is_empty() {
            print("there are no accounts; `holdfast page account add NAME` adds one\n");
            return Ok(());
        }
        let now = wiring::now();
        for (name, text) in texts {
            let Some(account) = Account::read(&text) else {
                print(&format!("{name}  cannot be read\n"));
                continue;
            };
            let mut line = name;
            if !account.groups.is_empty() {
                line = format!("{line}  groups {}", account.groups.join(", "));
            }
            if account.password.is_none() {
                line.push_str("  for programs alone");
            }
            print(&format!("{line}\n"));
            for token in &account.tokens {
                let end = if now < token.expires {
                    "until"
                } else {
                    "ended"
                };
                print(&format!(
                    "  token {}  {end} {}\n",
                    token.name, token.expires
                ));
            }
        }
        Ok(())
    }
}
