//! What Stacks own, read from and written to the ConfigMaps of their inventories. It must not know when
//! an inventory changes.

use std::collections::BTreeMap;

use holdfast_model::applyset;
use holdfast_model::inventory::Inventory;
use holdfast_model::percent::encode;
use holdfast_model::stack::{StackKey, StackUid};
use http::Method;

use crate::inventory::{self, Distrusted, LABEL, Owner, Stored, Write};
use crate::plane::{ATTEMPTS, Plane, others_write};
use crate::rest::{self, APPLY_PATCH, Call, Error, ErrorKind, JSON};

impl Plane {
    /// Every inventory that is there, in one namespace or in all, by Stack and its id; and what is not
    /// believed.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn inventories(
        &self,
        namespace: Option<&str>,
    ) -> Result<(BTreeMap<(StackKey, StackUid), Inventory>, Vec<Distrusted>), Error> {
        let within = namespace
            .map(|namespace| format!("namespaces/{}/", encode(namespace)))
            .unwrap_or_default();
        let path = format!("/api/v1/{within}configmaps?labelSelector={}", encode(LABEL));
        let (items, _) = rest::list(&self.client, "list inventories", &path).await?;
        let joined = inventory::join(&items, self.seal.as_ref());
        let mut shared = self.lock();
        shared.stored.extend(joined.stored);
        for ((stack, _), inventory) in &joined.inventories {
            let stored = shared.stored.entry(stack.clone()).or_default();
            stored.may_be(inventory);
        }
        Ok((joined.inventories, joined.distrusted))
    }

    /// What one Stack owns, as far as its ConfigMaps are believed.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn inventory(&self, stack: &StackKey, uid: &StackUid) -> Result<Inventory, Error> {
        Ok(self.read_inventory(stack, uid).await?.0)
    }

    async fn read_inventory(
        &self,
        stack: &StackKey,
        uid: &StackUid,
    ) -> Result<(Inventory, Stored), Error> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps?labelSelector={}%3D{}",
            encode(&stack.namespace),
            encode(LABEL),
            encode(&stack.name)
        );
        let action = format!("read the inventory of {stack}");
        let (items, _) = rest::list(&self.client, &action, &path).await?;
        let mut joined = inventory::join(&items, self.seal.as_ref());
        let found = joined.inventories.remove(&(stack.clone(), uid.clone()));
        let stored = joined.stored.remove(stack);
        Ok((found.unwrap_or_default(), stored.unwrap_or_default()))
    }

    /// Makes an inventory durable. Wherever this ends, no key is lost that the old inventory and the
    /// new one have. Where somebody else has written it since it was last read or written here, what is
    /// there is the answer, and it stays as it is.
    ///
    /// # Errors
    /// When any chunk could not be written, or there is no key to seal it with.
    pub async fn save_inventory(
        &self,
        stack: &StackKey,
        uid: &StackUid,
        inventory: &Inventory,
    ) -> Result<Option<Inventory>, Error> {
        for _ in 0..ATTEMPTS {
            let refused = match self.write_inventory(stack, uid, inventory).await {
                Ok(()) => return Ok(None),
                Err(error) => error,
            };
            let known = self.lock().stored.get(stack).cloned().unwrap_or_default();
            let is_of_version = known.version.is_some()
                && !matches!(refused.kind, ErrorKind::Unreachable | ErrorKind::Gone);
            if !is_of_version {
                return Err(refused);
            }
            let (found, mut stored) = self.read_inventory(stack, uid).await?;
            let has_moved = stored.version != known.version;
            let is_ours = found.is_empty() || known.ours.contains(&found.digest());
            stored.ours = known.ours;
            self.lock().stored.insert(stack.clone(), stored);
            match (is_ours, has_moved) {
                (false, _) => return Ok(Some(found)),
                // What was refused is something else than its version.
                (true, false) => return Err(refused),
                // Somebody has written beside what counts, or the answer to a write was lost.
                (true, true) => {}
            }
        }
        Err(others_write(format!("write the inventory of {stack}")))
    }

    async fn write_inventory(
        &self,
        stack: &StackKey,
        uid: &StackUid,
        inventory: &Inventory,
    ) -> Result<(), Error> {
        let action = format!("write the inventory of {stack}");
        let Some(key) = &self.seal else {
            return Err(Error {
                action,
                message: "only an engine seals inventories".to_owned(),
                kind: ErrorKind::Refused,
            });
        };
        let stored = self.note(stack, |stored| {
            stored.may_be(inventory);
            stored.clone()
        });
        let owner = Owner { stack, uid, key };
        let writes =
            inventory::writes(owner, (&stored.names, stored.version.as_deref()), inventory);
        for write in &writes {
            self.carry_out(stack, &action, write).await?;
        }
        self.note(stack, |stored| stored.ours.truncate(1));
        Ok(())
    }

    /// Sends one write, and takes note of what it may have led to.
    async fn carry_out(&self, stack: &StackKey, action: &str, write: &Write) -> Result<(), Error> {
        let path = |name: &str| {
            let namespace = encode(&stack.namespace);
            format!("/api/v1/namespaces/{namespace}/configmaps/{}", encode(name))
        };
        match write {
            Write::Apply(chunk) => {
                // It may be there from here on, whatever becomes of the answer.
                self.note(stack, |stored| {
                    stored.names.insert(chunk.name.clone());
                });
                let call = Call {
                    method: Method::PATCH,
                    path: format!("{}?fieldManager=holdfast&force=true", path(&chunk.name)),
                    content_type: APPLY_PATCH,
                    body: Some(&chunk.body),
                };
                let written = rest::send(&self.client, action, call).await?;
                if chunk.name == applyset::parent(stack) {
                    let version = written["metadata"]["resourceVersion"].as_str();
                    self.note(stack, |stored| stored.version = version.map(str::to_owned));
                }
            }
            Write::Delete(name) => {
                let call = Call {
                    method: Method::DELETE,
                    path: path(name),
                    content_type: JSON,
                    body: None,
                };
                match rest::send(&self.client, action, call).await {
                    Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                    _ => self.note(stack, |stored| {
                        stored.names.remove(name);
                    }),
                }
            }
        }
        Ok(())
    }

    fn note<T>(&self, stack: &StackKey, change: impl FnOnce(&mut Stored) -> T) -> T {
        change(self.lock().stored.entry(stack.clone()).or_default())
    }
}
