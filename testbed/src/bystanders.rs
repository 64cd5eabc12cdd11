//! Objects that no Stack ever had, under the names that Stacks use: whoever touches them does wrong.

use serde_json::{Value, json};

use crate::api::Api;
use crate::walk::world::{Dice, KINDS, object, path};

/// Names that scenarios give their objects.
const NAMES: [&str; 4] = ["a", "b", "c", "web"];

/// Objects of nobody, as they were made.
#[derive(Default)]
pub struct Bystanders {
    made: Vec<(Api, String, Value)>,
}

impl Bystanders {
    /// Objects of some kinds under the names that scenarios use, in a namespace that is made for them.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn of_scenarios(api: &Api, namespace: &str) -> anyhow::Result<Self> {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        api.create("/api/v1/namespaces", &object).await?;
        let mut bystanders = Self::default();
        let mut dice = Dice::new(1);
        for name in NAMES {
            for kind in KINDS {
                bystanders
                    .add(api, &mut dice, (kind, namespace, name))
                    .await?;
            }
        }
        Ok(bystanders)
    }

    /// Makes one more, of a kind, in a namespace, with a name.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn add(
        &mut self,
        api: &Api,
        dice: &mut Dice,
        (kind, namespace, name): (&str, &str, &str),
    ) -> anyhow::Result<()> {
        let value = object(dice, kind, name);
        let path = path(kind, namespace, name);
        let list = path.rsplit_once('/').map_or("", |(list, _)| list);
        let made = api.create(list, &value).await?;
        self.made.push((api.clone(), path, made));
        Ok(())
    }

    /// Those that are no longer as they were made, a line each.
    pub async fn touched(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (api, path, before) in &self.made {
            let now = api.get(path).await.unwrap_or_default();
            if now != *before {
                findings.push(format!("{path}, which no Stack ever had, is now {now}"));
            }
        }
        findings
    }
}
