//! Keeps a cluster in a SQLite file. One thread writes, many changes to a transaction; requests
//! that change something are answered when their change is on the disk.
//!
//! The promise: what was acknowledged survives the end of the process and a power cut
//! (`synchronous = FULL`). Watches may tell of a change some milliseconds before that.
//!
//! When the disk takes no more, what has not reached it is taken back in memory too, and watches
//! start again. Nothing is changed until the disk can be written once more, which is tried again
//! and again. It must not know what objects mean.
//!
//! ```text
//! write ──error──▶ take back ─▶ wait ─▶ try the disk ──well──▶ resume
//!                                 ▲────────error─┘
//! ```

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use holdfast_admit::{ObjectName, ResourceId};
use rusqlite::{Connection, params};
use tokio::sync::watch;

use crate::store::{Shared, Stored};

/// The most changes of one transaction.
const MAX_BATCH: usize = 2000;
/// How long a disk is left alone after its first error, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS objects (
        api_group TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL,
        name TEXT NOT NULL, revision INTEGER NOT NULL, head TEXT NOT NULL, rest BLOB NOT NULL,
        PRIMARY KEY (api_group, plural, namespace, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
    PRAGMA user_version = 1;
";

/// Why a file cannot keep a cluster.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or read, or another process has it.
    #[error("could not open the cluster in `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file was written by a newer program.
    #[error("the cluster in `{path}` has format {found}; this program knows format 1")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The thread that writes could not be started.
    #[error("could not start the thread that writes `{path}`")]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A change on its way to the disk.
pub(crate) struct Record {
    pub(crate) resource: ResourceId,
    pub(crate) name: ObjectName,
    /// Nothing when the object is gone.
    pub(crate) stored: Option<Arc<Stored>>,
    /// What was there before, for when the change cannot be written.
    pub(crate) previous: Option<Arc<Stored>>,
    pub(crate) revision: u64,
}

/// How far the disk is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The last revision on it.
    pub(crate) revision: u64,
    /// How often changes have been taken back.
    pub(crate) failures: u64,
    /// Why it takes nothing at present.
    pub(crate) problem: Option<String>,
}

/// A file that is open, and not yet written.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    path: PathBuf,
    revision: u64,
}

/// The way to the disk. The last changes are written before this is gone.
pub(crate) struct Journal {
    sender: Option<Sender<Record>>,
    progress: watch::Receiver<Progress>,
    writer: Option<JoinHandle<()>>,
}

/// What a file held.
pub(crate) struct Loaded {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<(ResourceId, Stored)>,
}

impl Journal {
    /// Opens a file, which is made when it is not there, and reads what it holds.
    pub(crate) fn open(path: &Path) -> Result<(Opened, Loaded), OpenError> {
        let open = |source| OpenError::Open {
            path: path.to_owned(),
            source,
        };
        let connection = Connection::open(path).map_err(open)?;
        // Nobody else may write, or even read, what one process keeps in memory.
        connection
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; \
                 PRAGMA synchronous = FULL; PRAGMA busy_timeout = 200;",
            )
            .map_err(open)?;
        let format: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(open)?;
        if format > 1 {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                found: format,
            });
        }
        connection.execute_batch(TABLES).map_err(open)?;
        let loaded = load(&connection).map_err(open)?;
        let opened = Opened {
            connection,
            path: path.to_owned(),
            revision: loaded.revision,
        };
        Ok((opened, loaded))
    }

    /// Writes what the objects become from now on.
    pub(crate) fn start(opened: Opened, objects: Weak<Shared>) -> Result<Self, OpenError> {
        let (sender, receiver) = channel();
        let first = Progress {
            revision: opened.revision,
            ..Progress::default()
        };
        let (progress_sender, progress) = watch::channel(first);
        let mut disk = Disk {
            connection: opened.connection,
            receiver,
            progress: progress_sender,
            objects,
        };
        let writer = thread::Builder::new()
            .name("cluster-storage".to_owned())
            .spawn(move || disk.write_all())
            .map_err(|source| OpenError::Thread {
                path: opened.path,
                source,
            })?;
        Ok(Self {
            sender: Some(sender),
            progress,
            writer: Some(writer),
        })
    }

    /// Sends a change on its way.
    pub(crate) fn send(&self, record: Record) {
        if let Some(sender) = &self.sender {
            // A writer that has stopped has said why in its progress, which every write reads.
            let _ = sender.send(record);
        }
    }

    /// How far the disk is.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.sender = None;
        // The writer itself may be the last to hold the objects; it ends when this has returned.
        let other = |writer: &JoinHandle<()>| writer.thread().id() != thread::current().id();
        if let Some(writer) = self.writer.take().filter(other)
            && writer.join().is_err()
        {
            tracing::error!("The thread that writes the cluster has panicked.");
        }
    }
}

fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    let revision: i64 =
        connection.query_row("SELECT coalesce(max(revision), 1) FROM state", [], |row| {
            row.get(0)
        })?;
    let mut statement = connection
        .prepare("SELECT api_group, plural, namespace, name, revision, head, rest FROM objects")?;
    let rows = statement.query_map([], |row| {
        let text = |index: usize| row.get::<_, String>(index);
        let name = ObjectName {
            namespace: text(2)?,
            name: text(3)?,
        };
        let rest = Bytes::from(row.get::<_, Vec<u8>>(6)?);
        let revision = row.get::<_, i64>(4)?.unsigned_abs();
        let stored = Stored::restored(name, revision, text(5)?.into(), rest);
        Ok((ResourceId::new(&text(0)?, &text(1)?), stored))
    })?;
    Ok(Loaded {
        revision: revision.unsigned_abs(),
        objects: rows.collect::<rusqlite::Result<_>>()?,
    })
}

/// The thread that writes.
struct Disk {
    connection: Connection,
    receiver: Receiver<Record>,
    progress: watch::Sender<Progress>,
    objects: Weak<Shared>,
}

impl Disk {
    fn write_all(&mut self) {
        while let Ok(first) = self.receiver.recv() {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH {
                match self.receiver.try_recv() {
                    Ok(record) => batch.push(record),
                    Err(_) => break,
                }
            }
            let last = batch.last().map_or(0, |record| record.revision);
            match write(&mut self.connection, &batch, last) {
                Ok(()) => self
                    .progress
                    .send_modify(|progress| progress.revision = last),
                Err(error) => {
                    self.take_back(batch, &error.to_string());
                    if !self.wait_for_disk() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes back what has not been written.
    fn take_back(&self, batch: Vec<Record>, problem: &str) {
        let Some(objects) = self.objects.upgrade() else {
            return;
        };
        tracing::error!(
            error = problem,
            "The cluster could not be written; what was not is taken back."
        );
        objects.take_back(batch, &self.receiver, || {
            self.progress.send_modify(|progress| {
                progress.failures += 1;
                progress.problem = Some(problem.to_owned());
            });
        });
    }

    /// Tries again until the disk can be written; whether anybody is still interested.
    fn wait_for_disk(&mut self) -> bool {
        let mut wait = FIRST_WAIT;
        loop {
            // Nothing is sent while the disk takes nothing.
            if self.receiver.recv_timeout(wait).err() == Some(RecvTimeoutError::Disconnected) {
                return false;
            }
            let Some(objects) = self.objects.upgrade() else {
                return false;
            };
            let next = objects.revision() + 1;
            match write(&mut self.connection, &[], next) {
                Ok(()) => {
                    objects.resume(next, || {
                        self.progress.send_modify(|progress| {
                            progress.revision = next;
                            progress.problem = None;
                        });
                    });
                    tracing::info!("The cluster can be written again.");
                    return true;
                }
                Err(error) => {
                    tracing::debug!(%error, "The cluster can still not be written.");
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }
}

/// Writes changes, and that the disk is as far as `last`, in one transaction.
fn write(connection: &mut Connection, batch: &[Record], last: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction
            .prepare_cached("INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        let mut remove = transaction.prepare_cached(
            "DELETE FROM objects WHERE api_group = ?1 AND plural = ?2 AND namespace = ?3 AND name = ?4",
        )?;
        for record in batch {
            let (group, plural) = (&*record.resource.group, &*record.resource.plural);
            let (namespace, name) = (&record.name.namespace, &record.name.name);
            match &record.stored {
                Some(stored) => put.execute(params![
                    group,
                    plural,
                    namespace,
                    name,
                    stored.revision.cast_signed(),
                    &*stored.head,
                    &*stored.rest,
                ])?,
                None => remove.execute(params![group, plural, namespace, name])?,
            };
        }
        transaction.execute(
            "INSERT OR REPLACE INTO state VALUES (1, ?1)",
            params![last.cast_signed()],
        )?;
    }
    transaction.commit()
}
