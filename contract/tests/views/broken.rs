//! Embedded views, broken on purpose, each in one way.

use super::memory::Memory;
use midgard::Views;
use midgard::notes::NoteStore;
use midgard::projection::Generation;
use midgard::projection::ViewDefinition;
use midgard::projection::ViewStore;
use midgard::store::give_way;
use midgard::view::{ViewError, ViewTransaction};
use midgard_contract::ViewFixture;
use std::sync::Mutex;

/// In which way views are broken. One that is new gets the next number.
pub(crate) mod fault {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const LISTS_ANY_CASE: u8 = 1;
    pub(crate) const LISTS_WILDCARDS: u8 = 2;
    pub(crate) const LISTS_BACKWARD: u8 = 3;
    pub(crate) const LISTS_A_PAGE: u8 = 4;
    pub(crate) const LISTS_WITHOUT_OWN_CHANGES: u8 = 5;
    pub(crate) const CUTS_NOTES: u8 = 6;
    pub(crate) const FORGETS_REMOVALS: u8 = 7;
    pub(crate) const TAKES_EMPTY_FOR_REMOVED: u8 = 8;
    pub(crate) const FOLDS_THE_CASE_OF_KEYS: u8 = 9;
    pub(crate) const WRITES_AT_ONCE: u8 = 10;
    pub(crate) const COMMITS_NOTES_ALONE: u8 = 11;
    pub(crate) const COMMITS_ROWS_ALONE: u8 = 12;
    pub(crate) const COMMITS_IN_PIECES: u8 = 13;
    pub(crate) const CHECKS_NOTHING: u8 = 14;
    pub(crate) const CHECKS_NO_ABSENCE: u8 = 15;
    pub(crate) const CHECKS_ONLY_WHAT_IT_WRITES: u8 = 16;
    pub(crate) const READS_THE_NEWEST: u8 = 17;
    pub(crate) const READS_WHAT_IS_OLD: u8 = 18;
    pub(crate) const ACTIVATES_TOO_EARLY: u8 = 19;
    pub(crate) const ACTIVATES_AT_ONCE: u8 = 20;
    pub(crate) const ACTIVATES_NOTHING: u8 = 21;
    pub(crate) const MIXES_GENERATIONS: u8 = 22;
    pub(crate) const DISCARDS_NEVER: u8 = 23;
    pub(crate) const DISCARDS_THE_NEXT: u8 = 24;
}

pub(crate) struct Broken<const FAULT: u8>(Memory);

pub(crate) struct BrokenViews {
    views: Views,
    fault: u8,
    /// A transaction that was begun when the views were opened.
    old: Mutex<Option<ViewTransaction>>,
}

pub(crate) struct Transaction {
    inner: ViewTransaction,
    notes: Vec<(String, Option<String>)>,
}

impl<const FAULT: u8> ViewFixture for Broken<FAULT> {
    type Views = BrokenViews;

    fn new() -> Self {
        Broken(Memory::new())
    }

    async fn open(&self) -> BrokenViews {
        let views = self.0.open().await;
        let old = begin(&views).await.unwrap();
        BrokenViews {
            views,
            fault: FAULT,
            old: Mutex::new(Some(old)),
        }
    }

    fn view(name: &'static str) -> ViewDefinition {
        Memory::view(name)
    }

    async fn put_row(
        transaction: &mut Transaction,
        generation: &Generation,
        view: &'static str,
        key: &str,
        number: u32,
    ) {
        Memory::put_row(&mut transaction.inner, generation, view, key, number).await;
    }

    async fn rows(views: &BrokenViews, view: &'static str) -> Option<Vec<(String, u32)>> {
        Memory::rows(&views.views, view).await
    }
}

async fn begin(views: &Views) -> Result<ViewTransaction, ViewError> {
    views.begin().await
}

/// Reads a note, of which nobody takes notice.
async fn peek(views: &Views, key: &str) -> Result<Option<String>, ViewError> {
    NoteStore::get(views, &mut begin(views).await?, key).await
}

async fn write(views: &Views, notes: &[(String, Option<String>)]) -> Result<(), ViewError> {
    let mut transaction = begin(views).await?;
    for (key, value) in notes {
        let put = views.put(&mut transaction, key, value.as_deref());
        put.await?;
    }
    views.commit(transaction).await
}

impl BrokenViews {
    fn key(&self, key: &str) -> String {
        match self.fault {
            fault::FOLDS_THE_CASE_OF_KEYS => key.to_lowercase(),
            _ => key.to_owned(),
        }
    }

    /// Whether a key begins with a prefix.
    fn is_listed(&self, key: &str, prefix: &str) -> bool {
        match self.fault {
            fault::LISTS_ANY_CASE => key.to_lowercase().starts_with(&prefix.to_lowercase()),
            fault::LISTS_WILDCARDS => {
                let mut letters = key.chars();
                prefix.chars().all(|wanted| {
                    letters
                        .next()
                        .is_some_and(|one| wanted == '_' || wanted == one)
                })
            }
            _ => key.starts_with(prefix),
        }
    }
}

impl NoteStore for BrokenViews {
    type Transaction = Transaction;
    type Error = ViewError;

    async fn begin(&self) -> Result<Transaction, ViewError> {
        Ok(Transaction {
            inner: begin(&self.views).await?,
            notes: Vec::new(),
        })
    }

    async fn begin_read(&self) -> Result<Transaction, ViewError> {
        let old = self.old.lock().unwrap().take();
        let inner = match old {
            Some(old) if self.fault == fault::READS_WHAT_IS_OLD => old,
            _ => begin(&self.views).await?,
        };
        Ok(Transaction {
            inner,
            notes: Vec::new(),
        })
    }

    async fn get(
        &self,
        transaction: &mut Transaction,
        key: &str,
    ) -> Result<Option<String>, ViewError> {
        let key = &self.key(key);
        match self.fault {
            fault::READS_THE_NEWEST | fault::CHECKS_ONLY_WHAT_IT_WRITES => {
                return peek(&self.views, key).await;
            }
            _ => {}
        }
        let is_own = transaction.notes.iter().any(|(changed, _)| changed == key);
        if self.fault == fault::CHECKS_NO_ABSENCE
            && !is_own
            && peek(&self.views, key).await?.is_none()
        {
            return Ok(None);
        }
        NoteStore::get(&self.views, &mut transaction.inner, key).await
    }

    async fn put(
        &self,
        transaction: &mut Transaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ViewError> {
        let key = &self.key(key);
        let value = match (self.fault, value) {
            (fault::FORGETS_REMOVALS, None) => return Ok(()),
            (fault::TAKES_EMPTY_FOR_REMOVED, Some("")) => None,
            (fault::CUTS_NOTES, Some(value)) => value.get(..1 << 16).or(Some(value)),
            (_, value) => value,
        };
        transaction
            .notes
            .push((key.clone(), value.map(str::to_owned)));
        if self.fault == fault::WRITES_AT_ONCE {
            write(&self.views, &transaction.notes).await?;
        }
        if self.fault == fault::CHECKS_ONLY_WHAT_IT_WRITES {
            NoteStore::get(&self.views, &mut transaction.inner, key).await?;
        }
        self.views.put(&mut transaction.inner, key, value).await
    }

    async fn list(
        &self,
        transaction: &mut Transaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, ViewError> {
        let all = match self.fault {
            fault::LISTS_WITHOUT_OWN_CHANGES => {
                self.views.list(&mut begin(&self.views).await?, "").await?
            }
            _ => self.views.list(&mut transaction.inner, "").await?,
        };
        let all = all.into_iter();
        let mut notes: Vec<_> = all.filter(|(key, _)| self.is_listed(key, prefix)).collect();
        match self.fault {
            fault::LISTS_BACKWARD => notes.reverse(),
            fault::LISTS_A_PAGE => notes.truncate(1000),
            _ => {}
        }
        Ok(notes)
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), ViewError> {
        let Transaction { mut inner, notes } = transaction;
        match self.fault {
            fault::COMMITS_NOTES_ALONE | fault::CHECKS_NOTHING => write(&self.views, &notes).await,
            fault::COMMITS_ROWS_ALONE => {
                for (key, _) in notes {
                    let before = peek(&self.views, &key).await?;
                    let put = self.views.put(&mut inner, &key, before.as_deref());
                    put.await?;
                }
                self.views.commit(inner).await
            }
            fault::COMMITS_IN_PIECES => {
                for note in &notes {
                    write(&self.views, std::slice::from_ref(note)).await?;
                    give_way().await;
                }
                self.views.commit(inner).await
            }
            _ => self.views.commit(inner).await,
        }
    }
}

impl ViewStore for BrokenViews {
    async fn begin_generation(&self, generation: &Generation) -> Result<Transaction, ViewError> {
        let mut generation = generation.clone();
        if self.fault == fault::MIXES_GENERATIONS {
            generation.number = generation.number.min(1);
        }
        Ok(Transaction {
            inner: self.views.begin_generation(&generation).await?,
            notes: Vec::new(),
        })
    }

    async fn prepare(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        self.views
            .prepare(&mut transaction.inner, generation)
            .await?;
        if self.fault == fault::ACTIVATES_TOO_EARLY {
            self.views
                .activate(&mut transaction.inner, generation)
                .await?;
        }
        Ok(())
    }

    async fn activate(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        match self.fault {
            fault::ACTIVATES_NOTHING => Ok(()),
            fault::ACTIVATES_AT_ONCE => {
                let mut own = begin(&self.views).await?;
                self.views.prepare(&mut own, generation).await?;
                self.views.activate(&mut own, generation).await?;
                self.views.commit(own).await
            }
            _ => {
                self.views
                    .activate(&mut transaction.inner, generation)
                    .await
            }
        }
    }

    async fn discard(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<bool, ViewError> {
        let mut generation = generation.clone();
        if self.fault == fault::DISCARDS_THE_NEXT {
            generation.number += 1;
        }
        let is_gone = self
            .views
            .discard(&mut transaction.inner, &generation)
            .await?;
        Ok(is_gone && self.fault != fault::DISCARDS_NEVER)
    }
}
