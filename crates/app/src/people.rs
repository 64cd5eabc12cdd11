//! Where those who may sign in to the page are kept: accounts and sessions in Secrets, rules in a ConfigMap,
//! beside the engine's lease. It must not know what they mean.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_control::{Held, Holder, Plane, Shelf};
use holdfast_server::{BoxFuture, Edit, Keeper, Kept};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Accounts by name.
pub(crate) fn accounts(namespace: &str) -> Shelf {
    shelf(Holder::Secret, namespace, "holdfast-page-accounts")
}

/// Sessions by id.
pub(crate) fn sessions(namespace: &str) -> Shelf {
    shelf(Holder::Secret, namespace, "holdfast-page-sessions")
}

/// The rules, in the entry [`RULES`].
pub(crate) fn roles(namespace: &str) -> Shelf {
    shelf(Holder::ConfigMap, namespace, "holdfast-page-roles")
}

/// The entry of the rules.
pub(crate) const RULES: &str = "policy.csv";

fn shelf(holder: Holder, namespace: &str, name: &str) -> Shelf {
    Shelf {
        holder,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// How long it may take until they are known.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    accounts: Held,
    sessions: Held,
    roles: Held,
}

impl State {
    fn kept(&self) -> Kept {
        let roles = self.roles.texts.as_ref();
        Kept {
            accounts: self.accounts.texts.clone().unwrap_or_default(),
            sessions: self.sessions.texts.clone().unwrap_or_default(),
            roles: roles.and_then(|texts| texts.get(RULES)).cloned(),
        }
    }
}

/// One of the three.
type Part = fn(&mut State) -> &mut Held;

struct Shared {
    state: Mutex<State>,
    kept: watch::Sender<Arc<Kept>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what is kept now, unless something newer is known.
    fn take(&self, of: Part, held: Held) {
        let mut state = self.lock();
        let known = of(&mut state);
        if !held.is_before(known) {
            *known = held;
            let kept = state.kept();
            self.kept.send_if_modified(|known| {
                let is_new = **known != kept;
                *known = Arc::new(kept);
                is_new
            });
        }
    }
}

/// Those who may sign in, on a control plane.
pub(crate) struct People {
    plane: Plane,
    sessions: Shelf,
    shared: Arc<Shared>,
    /// What follows them, for as long as this is there.
    _following: JoinSet<()>,
}

impl People {
    /// Those of a namespace, which are followed from now on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn of(plane: Plane, namespace: &str) -> anyhow::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            kept: watch::channel(Arc::default()).0,
        });
        let sessions = sessions(namespace);
        let mut following = JoinSet::new();
        let all: [(Shelf, Part); 3] = [
            (accounts(namespace), |state| &mut state.accounts),
            (sessions.clone(), |state| &mut state.sessions),
            (roles(namespace), |state| &mut state.roles),
        ];
        for (shelf, of) in all {
            let mut heard = plane.follow_kept(shelf.clone());
            let first = tokio::time::timeout(PATIENCE, heard.recv()).await;
            let first = first.ok().flatten().with_context(|| {
                let Shelf { namespace, name, .. } = &shelf;
                format!(
                    "{namespace}/{name} cannot be read, where those are kept who may sign in to the page; see \
                     the log, and allow the engine to get, list, watch, create and update it"
                )
            })?;
            shared.take(of, first);
            following.spawn(follow(Arc::clone(&shared), heard, of));
        }
        Ok(Arc::new(Self {
            plane,
            sessions,
            shared,
            _following: following,
        }))
    }
}

async fn follow(shared: Arc<Shared>, mut heard: Receiver<Held>, of: Part) {
    while let Some(held) = heard.recv().await {
        shared.take(of, held);
    }
}

impl Keeper for People {
    fn kept(&self) -> watch::Receiver<Arc<Kept>> {
        self.shared.kept.subscribe()
    }

    fn edit_sessions(&self, edit: Edit) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let edited = self
                .plane
                .edit_kept(&self.sessions, |texts| edit(texts))
                .await;
            let held = edited.map_err(|error| error.to_string())?;
            self.shared.take(|state| &mut state.sessions, held);
            Ok(())
        })
    }
}
