//! Keeps what was made of files in force, and follows the files: by content, not by inode or time.
//!
//! Kubernetes swaps a symbolic link above mounted files, and certificate tools rename over them: a watch on a file goes
//! deaf at either, so the files are read every [`POLL`] and compared. Invariants: what is in force is replaced as a
//! whole, and only by what is usable; a faulty file is said once and then left until it changes; connections that are
//! open keep what they were made with; a certificate that has expired never replaces one that has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::files::{Content, MaterialFault, Named};

/// How often files are read: a renewed certificate is in use well within ten seconds.
pub const POLL: Duration = Duration::from_secs(2);

/// Which files there are, and what is made of them.
pub(super) trait Material<C>: Send + Sync {
    /// The files, in the order in which `build` takes them.
    fn files(&self) -> Vec<Named>;

    /// What rustls takes.
    fn build(&self, contents: &[Content]) -> Result<Built<C>, MaterialFault>;
}

/// What was made, and when its certificates expire, Unix seconds, in the order of the configuration.
pub(super) struct Built<C> {
    pub(super) config: C,
    pub(super) expires: Vec<i64>,
}

/// When one certificate expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Its place in the configuration.
    pub place: usize,
    /// Unix seconds.
    pub at: i64,
}

/// What became of the files when they were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They are as they were.
    None,
    /// They have changed, and are in force.
    Applied,
    /// They have changed and cannot be used: what was in force still is.
    Refused(MaterialFault),
}

struct Current<C> {
    config: Arc<C>,
    expires: Vec<i64>,
}

/// What is in force of some files.
pub struct Followed<C> {
    section: &'static str,
    material: Box<dyn Material<C>>,
    current: ArcSwap<Current<C>>,
    /// Of the content that was judged last, whether it was usable or not.
    judged: Mutex<[u8; 32]>,
    fault: Mutex<Option<MaterialFault>>,
    applied: AtomicU64,
    refused: AtomicU64,
}

/// What a task that follows files needs to know of them.
pub trait Follow: Send + Sync {
    /// The options that name them: `listener.tls`, `admin.tls`, `upstream`.
    fn section(&self) -> &'static str;

    /// Looks at the files at `now` (Unix seconds), and takes what has changed. Blocks while it reads.
    fn look(&self, now: i64) -> Change;

    /// When each certificate in force expires.
    fn expiries(&self) -> Vec<Expiry>;

    /// Changes taken and changes refused, since the start.
    fn counts(&self) -> (u64, u64);

    /// What is wrong with the files as they are now, where they are not in force.
    fn fault(&self) -> Option<MaterialFault>;
}

impl<C: Send + Sync> Followed<C> {
    /// Reads the files for the first time. One that has expired is taken: there is nothing better.
    pub(super) fn start(
        section: &'static str,
        material: Box<dyn Material<C>>,
        now: i64,
    ) -> Result<Self, MaterialFault> {
        let contents = read(&*material);
        let built = material.build(&contents)?;
        for (place, expires) in built.expires.iter().enumerate() {
            if *expires <= now {
                tracing::error!(section, place, "the certificate has expired; clients will refuse it");
            }
        }
        for content in contents.iter().filter(|content| content.is_exposed) {
            tracing::warn!(
                option = content.named.option,
                path = %content.named.path.display(),
                "everybody on this machine may read this private key; mode 0600 or 0640 keeps others out"
            );
        }
        Ok(Self {
            section,
            judged: Mutex::new(digest(&contents)),
            material,
            current: ArcSwap::from_pointee(Current {
                config: Arc::new(built.config),
                expires: built.expires,
            }),
            fault: Mutex::new(None),
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// What is in force now.
    #[must_use]
    pub fn config(&self) -> Arc<C> {
        Arc::clone(&self.current.load().config)
    }

    fn judge(&self, contents: &[Content], now: i64) -> Result<Built<C>, MaterialFault> {
        let built = self.material.build(contents)?;
        let before = self.current.load();
        let is_better = |place: usize| before.expires.get(place).is_none_or(|expires| *expires > now);
        let mut expired = built.expires.iter().enumerate().filter(|(_, expires)| **expires <= now);
        match expired.find(|(place, _)| is_better(*place)) {
            // The files of a pair are neighbours, its certificate first.
            Some((place, _)) => Err(contents.get(place * 2).map_or_else(
                || MaterialFault {
                    option: self.section.to_owned(),
                    path: std::path::PathBuf::new(),
                    what: "its certificate has expired".to_owned(),
                },
                |content| content.fault("its certificate has expired"),
            )),
            None => Ok(built),
        }
    }
}

impl<C: Send + Sync> Follow for Followed<C> {
    fn section(&self) -> &'static str {
        self.section
    }

    fn look(&self, now: i64) -> Change {
        let mut judged = self.judged.lock();
        let contents = read(&*self.material);
        let digest = digest(&contents);
        if *judged == digest {
            return Change::None;
        }
        *judged = digest;
        match self.judge(&contents, now) {
            Ok(Built { config, expires }) => {
                tracing::info!(section = self.section, "changed certificates are in force");
                self.current.store(Arc::new(Current { config: Arc::new(config), expires }));
                *self.fault.lock() = None;
                self.applied.fetch_add(1, Ordering::Relaxed);
                Change::Applied
            }
            Err(fault) => {
                tracing::error!(
                    section = self.section,
                    %fault,
                    "changed certificates cannot be used; the former ones stay in force"
                );
                *self.fault.lock() = Some(fault.clone());
                self.refused.fetch_add(1, Ordering::Relaxed);
                Change::Refused(fault)
            }
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        let expires = self.current.load();
        expires.expires.iter().enumerate().map(|(place, at)| Expiry { place, at: *at }).collect()
    }

    fn counts(&self) -> (u64, u64) {
        (self.applied.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    fn fault(&self) -> Option<MaterialFault> {
        self.fault.lock().clone()
    }
}

fn read<C>(material: &dyn Material<C>) -> Vec<Content> {
    material.files().iter().map(Named::read).collect()
}

fn digest(contents: &[Content]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for content in contents {
        let bytes = content.digestible();
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}
