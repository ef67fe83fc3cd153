//! A read-only database follows its writer: it reads manifest and log again, and gives searches what they say.

use crate::collection::core::{Core, Seen, Writer};
use crate::collection::partitions::Partitions;
use crate::database::meta::CollectionMeta;
use crate::database::store::follow;
use crate::error::Result;
use std::sync::atomic::Ordering;

/// What manifest and log say, and when they said it.
pub struct News {
    pub writer: Writer,
    pub seen: Seen,
}

impl Core {
    /// What there is now of the collection that `meta` tells of.
    pub fn look(&self, meta: &CollectionMeta) -> Seen {
        let vfs = &self.store.shared.vfs;
        let names = vfs.list(&self.dir).unwrap_or_default();
        let with_len = |name: String| {
            let len = vfs.len(&self.dir.join(&name)).unwrap_or(0);
            (name, len)
        };
        Seen { meta: Some(meta.clone()), files: names.into_iter().map(with_len).collect() }
    }

    /// Reads what `meta` and the log say now; `None` if they say what they said before.
    pub fn news(&self, meta: &CollectionMeta) -> Result<Option<News>> {
        // Before the log is read: what comes while it is read may or may not be in it.
        let seen = self.look(meta);
        if seen == *self.seen.lock() {
            return Ok(None);
        }
        self.read_state(meta).map(|(writer, _)| Some(News { writer, seen }))
    }

    /// Gives searches that start from now on the news.
    pub fn show(&self, mut news: News) {
        let mut writer = self.writer.lock();
        if let Some(meta) = &news.seen.meta {
            meta.name.clone_into(&mut self.name.write());
            // What was released or loaded while the news were read stays so.
            news.writer.partitions = Partitions::from_meta(&meta.partitions, &writer.partitions);
            for index in &meta.indexes {
                if let Some(definition) = news.writer.definitions.numbered(index.id) {
                    definition.mmap.say(index.mmap);
                }
            }
        }
        *self.seen.lock() = news.seen;
        self.show_rows(&news.writer);
        *writer = news.writer;
    }

    /// Of a read-only database: looks at the manifest again. Says whether that brought anything new.
    pub fn catch_up(&self) -> Result<bool> {
        let _maintenance = self.maintenance.lock();
        let (meta, news) = follow(&self.store.shared.vfs, &self.store.dir, |meta| {
            let mine = meta.collections.iter().find(|c| c.id == self.id);
            Ok((meta.clone(), mine.map(|mine| self.news(mine)).transpose()?))
        })?;
        self.store.set_meta(meta);
        let Some(news) = news else {
            self.dropped.store(true, Ordering::Release);
            return self.check_open().map(|()| true);
        };
        Ok(news.map(|news| self.show(news)).is_some())
    }
}
