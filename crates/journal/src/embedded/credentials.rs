//! Credentials kept beside the log: who may come, by the hash of what they show, and what was done with that right.
//!
//! The store keeps words and hashes and understands none of them: what a role may do, how a secret is hashed and when it has
//! ended is the gateway's to know. A secret itself never comes here.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::embedded_log::make_dirs;
use super::lock::DirLock;
use super::meta::MetaDb;
use super::meta_store::MetaStore;
use super::sqlite::{check_version, io_error};
use crate::log::LogError;

/// How many of the newest entries the audit log keeps; older ones are dropped.
const AUDIT_ENTRIES_MAX: u64 = 10_000;

/// Something that is shown to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Names it; part of what is shown.
    pub id: String,
    /// What sort it is: `key`, `user`, `session`, `share`.
    pub kind: String,
    /// What it is for, or whose it is.
    pub name: String,
    /// What it allows.
    pub role: String,
    /// On which channels, as JSON text.
    pub channels: String,
    /// Hash of the secret part.
    pub hash: Vec<u8>,
    /// When it was made, µs since 1970.
    pub created_us: i64,
    /// When it ends.
    pub expires_us: Option<i64>,
    /// When it was taken back.
    pub revoked_us: Option<i64>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, µs since 1970.
    pub at_us: i64,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub what: String,
}

/// The metadata of a directory that no server runs on, held as long as this is there.
#[derive(Debug)]
pub struct OfflineStore {
    store: MetaStore,
    _lock: DirLock,
}

impl OfflineStore {
    /// Opens the metadata of `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// [`LogError::Locked`] when a server has it, [`LogError::Io`].
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        check_version()?;
        make_dirs(dir)?;
        let lock = DirLock::acquire(dir)?;
        Ok(Self { store: MetaStore::of(MetaDb::open(dir)?), _lock: lock })
    }

    /// What is kept there.
    #[must_use]
    pub fn store(&self) -> &MetaStore {
        &self.store
    }
}

/// Whether a token or a user was ever kept in `dir`: what locks the door. A link to a board does not.
///
/// # Errors
/// [`LogError::Io`] when there is a directory and it cannot be read.
pub fn has_credentials(dir: &Path) -> Result<bool, LogError> {
    if !dir.join("meta.sqlite").exists() {
        return Ok(false);
    }
    let meta = MetaDb::open_read_only(dir)?;
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'credentials'";
    let tables: i64 = meta.conn.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    if tables == 0 {
        // The directory is of a version that had none.
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM credentials WHERE kind IN ('key', 'user'))";
    meta.conn.query_row(sql, [], |row| row.get(0)).map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: rusqlite::Error) -> LogError {
    io_error("keeping credentials", &error)
}

const COLUMNS: &str = "id, kind, name, role, channels, hash, created_us, expires_us, revoked_us";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        id: row.get(0)?,
        kind: row.get(1)?,
        name: row.get(2)?,
        role: row.get(3)?,
        channels: row.get(4)?,
        hash: row.get(5)?,
        created_us: row.get(6)?,
        expires_us: row.get(7)?,
        revoked_us: row.get(8)?,
    })
}

impl MetaStore {
    /// Keeps a new credential, and notes who made it.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn add_credential(&self, credential: &Credential, entry: &AuditEntry) -> Result<(), LogError> {
        let mut meta = self.meta.lock();
        let transaction = meta.conn.transaction().map_err(failed)?;
        write(&transaction, "INSERT", credential).map_err(failed)?;
        note(&transaction, entry).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Keeps a credential in the place of the one of its id, if there is one, forgets all of `dependants` (a kind) that bear
    /// its name, and notes who did it.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn put_credential(
        &self,
        credential: &Credential,
        dependants: &str,
        entry: &AuditEntry,
    ) -> Result<(), LogError> {
        let mut meta = self.meta.lock();
        let transaction = meta.conn.transaction().map_err(failed)?;
        write(&transaction, "INSERT OR REPLACE", credential).map_err(failed)?;
        let sql = "DELETE FROM credentials WHERE kind = ?1 AND name = ?2";
        transaction.execute(sql, params![dependants, credential.name]).map_err(failed)?;
        note(&transaction, entry).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Keeps a credential that whoever bears it made: nobody did anything to anybody else.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn keep_credential(&self, credential: &Credential) -> Result<(), LogError> {
        write(&self.meta.lock().conn, "INSERT", credential).map_err(failed)
    }

    /// Forgets a credential.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn forget_credential(&self, id: &str) -> Result<(), LogError> {
        let meta = self.meta.lock();
        meta.conn.execute("DELETE FROM credentials WHERE id = ?1", [id]).map(drop).map_err(failed)
    }

    /// Takes a credential back, if it was not already; gives it as it is now.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn revoke_credential(&self, id: &str, entry: &AuditEntry) -> Result<Option<Credential>, LogError> {
        let mut meta = self.meta.lock();
        let transaction = meta.conn.transaction().map_err(failed)?;
        let sql = "UPDATE credentials SET revoked_us = ?2 WHERE id = ?1 AND revoked_us IS NULL";
        if transaction.execute(sql, params![id, entry.at_us]).map_err(failed)? > 0 {
            note(&transaction, entry).map_err(failed)?;
        }
        let sql = format!("SELECT {COLUMNS} FROM credentials WHERE id = ?1");
        let credential = transaction.query_row(&sql, [id], from_row).optional().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(credential)
    }

    /// All credentials, oldest first; those that ended included.
    ///
    /// # Errors
    /// [`LogError::Io`] when they cannot be read.
    pub fn credentials(&self) -> Result<Vec<Credential>, LogError> {
        let meta = self.meta.lock();
        let sql = format!("SELECT {COLUMNS} FROM credentials ORDER BY created_us, id");
        let mut statement = meta.conn.prepare(&sql).map_err(failed)?;
        let rows = statement.query_map([], from_row).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Forgets the credentials of a kind that ended before `before_us`; says how many.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn forget_credentials(&self, kind: &str, before_us: i64) -> Result<usize, LogError> {
        let meta = self.meta.lock();
        let sql = "DELETE FROM credentials WHERE kind = ?1 AND (expires_us < ?2 OR revoked_us < ?2)";
        meta.conn.execute(sql, params![kind, before_us]).map_err(failed)
    }

    /// Notes something in the audit log.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn note_audit(&self, entry: &AuditEntry) -> Result<(), LogError> {
        note(&self.meta.lock().conn, entry).map_err(failed)
    }

    /// The newest entries of the audit log with their numbers, newest first; those before number `before` if it is given.
    ///
    /// # Errors
    /// [`LogError::Io`] when they cannot be read.
    pub fn audit(&self, before: Option<i64>, entries_max: u32) -> Result<Vec<(i64, AuditEntry)>, LogError> {
        let meta = self.meta.lock();
        let sql = "SELECT id, at_us, who, action, what FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let mut statement = meta.conn.prepare(sql).map_err(failed)?;
        let rows = statement.query_map(params![before.unwrap_or(i64::MAX), entries_max], |row| {
            Ok((
                row.get(0)?,
                AuditEntry { at_us: row.get(1)?, who: row.get(2)?, action: row.get(3)?, what: row.get(4)? },
            ))
        });
        rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)
    }
}

fn write(conn: &rusqlite::Connection, how: &str, credential: &Credential) -> rusqlite::Result<()> {
    let sql = format!("{how} INTO credentials ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let values = params![
        credential.id,
        credential.kind,
        credential.name,
        credential.role,
        credential.channels,
        credential.hash,
        credential.created_us,
        credential.expires_us,
        credential.revoked_us,
    ];
    conn.execute(&sql, values).map(drop)
}

fn note(conn: &rusqlite::Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO audit (at_us, who, action, what) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        entry.at_us,
        entry.who,
        entry.action,
        entry.what
    ])?;
    conn.prepare_cached("DELETE FROM audit WHERE id <= last_insert_rowid() - ?1")?
        .execute([AUDIT_ENTRIES_MAX.cast_signed()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_us: i64, action: &str) -> AuditEntry {
        AuditEntry { at_us, who: "tester".to_owned(), action: action.to_owned(), what: "a".to_owned() }
    }

    fn credential(id: &str) -> Credential {
        Credential {
            id: id.to_owned(),
            kind: "key".to_owned(),
            name: "for tests".to_owned(),
            role: "viewer".to_owned(),
            channels: "[\"*\"]".to_owned(),
            hash: vec![1, 2, 3],
            created_us: 5,
            expires_us: Some(9),
            revoked_us: None,
        }
    }

    #[test]
    fn credentials_outlive_their_maker_and_are_taken_back_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_credentials(dir.path()).unwrap());
        let offline = OfflineStore::open(dir.path()).unwrap();
        assert!(!has_credentials(dir.path()).unwrap());
        offline.store().add_credential(&credential("a"), &entry(5, "token_created")).unwrap();
        assert!(matches!(OfflineStore::open(dir.path()), Err(LogError::Locked { .. })));
        drop(offline);

        assert!(has_credentials(dir.path()).unwrap());
        let offline = OfflineStore::open(dir.path()).unwrap();
        let store = offline.store();
        assert_eq!(store.credentials().unwrap(), [credential("a")]);
        assert_eq!(store.revoke_credential("b", &entry(6, "token_revoked")).unwrap(), None);
        let revoked = Credential { revoked_us: Some(7), ..credential("a") };
        assert_eq!(store.revoke_credential("a", &entry(7, "token_revoked")).unwrap().as_ref(), Some(&revoked));
        assert_eq!(store.revoke_credential("a", &entry(8, "token_revoked")).unwrap(), Some(revoked));
        assert_eq!(store.audit(None, 10).unwrap(), [(2, entry(7, "token_revoked")), (1, entry(5, "token_created"))]);
        assert_eq!(store.audit(Some(2), 10).unwrap(), [(1, entry(5, "token_created"))]);
        assert_eq!(store.forget_credentials("session", 100).unwrap(), 0);
        assert!(has_credentials(dir.path()).unwrap(), "what was taken back was there");
        assert_eq!(store.forget_credentials("key", 100).unwrap(), 1);
    }

    #[test]
    fn what_is_put_again_takes_its_dependants_along_and_a_link_locks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let offline = OfflineStore::open(dir.path()).unwrap();
        let store = offline.store();
        let of = |id: &str, kind: &str, name: &str| Credential {
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..credential(id)
        };
        store.add_credential(&of("s1", "share", "wall"), &entry(1, "share_created")).unwrap();
        assert!(!has_credentials(dir.path()).unwrap());
        store.put_credential(&of("user:ann", "user", "ann"), "session", &entry(2, "user_saved")).unwrap();
        assert!(has_credentials(dir.path()).unwrap());
        for (id, name) in [("session:1", "ann"), ("session:2", "ann"), ("session:3", "bob")] {
            store.keep_credential(&of(id, "session", name)).unwrap();
        }
        store.forget_credential("session:1").unwrap();
        let again = Credential { role: "editor".to_owned(), ..of("user:ann", "user", "ann") };
        store.put_credential(&again, "session", &entry(3, "user_saved")).unwrap();
        let kept: Vec<_> = store.credentials().unwrap().into_iter().map(|kept| (kept.id, kept.role)).collect();
        let viewer = |id: &str| (id.to_owned(), "viewer".to_owned());
        assert_eq!(kept, [viewer("s1"), viewer("session:3"), ("user:ann".to_owned(), "editor".to_owned())]);
        assert_eq!(store.audit(None, 10).unwrap().len(), 3, "logins are no acts on others");
    }

    #[test]
    fn the_audit_log_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let offline = OfflineStore::open(dir.path()).unwrap();
        let meta = offline.store().meta.lock();
        let fill = "INSERT INTO audit (id, at_us, who, action, what) VALUES (?1, 0, 'x', 'x', 'x')";
        for id in [1, 2, AUDIT_ENTRIES_MAX.cast_signed()] {
            meta.conn.execute(fill, [id]).unwrap();
        }
        drop(meta);
        offline.store().note_audit(&entry(1, "a")).unwrap();
        offline.store().note_audit(&entry(2, "b")).unwrap();
        let kept = offline.store().audit(None, 100).unwrap();
        assert_eq!(kept.iter().map(|(_, entry)| entry.action.as_str()).collect::<Vec<_>>(), ["b", "a", "x"]);
    }
}
