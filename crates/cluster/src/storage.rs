//! Keeps a cluster in a SQLite file. One thread writes, many changes to a transaction; requests
//! that change something are answered when their change is on the disk.
//!
//! The promise: what was acknowledged survives the end of the process and a power cut
//! (`synchronous = FULL`). Watches may tell of a change some milliseconds before that.
//! It must not know what objects mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use crate::store::{ObjectName, ResourceId, Stored};

/// The most changes of one transaction.
const MAX_BATCH: usize = 2000;
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
    pub(crate) revision: u64,
}

/// How far the disk is: the last revision on it, or why there will be no further one.
pub(crate) type Progress = Result<u64, String>;

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
    pub(crate) fn open(path: &Path) -> Result<(Self, Loaded), OpenError> {
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
        let (sender, receiver) = channel();
        let (progress_sender, progress) = watch::channel(Ok(loaded.revision));
        let writer = thread::Builder::new()
            .name("cluster-storage".to_owned())
            .spawn(move || write_all(connection, &receiver, &progress_sender))
            .map_err(|source| OpenError::Thread {
                path: path.to_owned(),
                source,
            })?;
        let journal = Self {
            sender: Some(sender),
            progress,
            writer: Some(writer),
        };
        Ok((journal, loaded))
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
        if let Some(writer) = self.writer.take()
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

fn write_all(
    mut connection: Connection,
    receiver: &Receiver<Record>,
    progress: &watch::Sender<Progress>,
) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH {
            match receiver.try_recv() {
                Ok(record) => batch.push(record),
                Err(_) => break,
            }
        }
        match write(&mut connection, &batch) {
            Ok(revision) => {
                progress.send_modify(|progress| *progress = Ok(revision));
            }
            Err(error) => {
                tracing::error!(%error, "The cluster could not be written; it takes no more changes.");
                progress.send_modify(|progress| *progress = Err(error.to_string()));
                return;
            }
        }
    }
}

fn write(connection: &mut Connection, batch: &[Record]) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let mut last = 0;
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
            last = record.revision;
        }
        transaction.execute(
            "INSERT OR REPLACE INTO state VALUES (1, ?1)",
            params![last.cast_signed()],
        )?;
    }
    transaction.commit()?;
    Ok(last)
}
