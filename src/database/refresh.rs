//! A read-only database follows its writer: when it is asked to, and by itself every `refresh_ms`.

use crate::collection::core::Core;
use crate::database::store::{Store, follow};
use crate::error::Result;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The open collections by name.
pub type Collections = RwLock<BTreeMap<String, Arc<Core>>>;

/// Gives searches that start from now on what the writer has committed and logged. After an error everything is as it was.
pub fn refresh(store: &Arc<Store>, collections: &Collections) -> Result<()> {
    let mut collections = collections.write();
    let known: BTreeMap<u64, Arc<Core>> = collections.values().map(|core| (core.id, core.clone())).collect();
    let _refreshing: Vec<_> = known.values().map(|core| core.maintenance.lock()).collect();
    let (meta, cores) = follow(&store.shared.vfs, &store.dir, |meta| {
        let cores = meta.collections.iter().map(|collection| match known.get(&collection.id) {
            Some(core) => Ok((core.clone(), core.news(collection)?)),
            None => Core::open(store, collection).map(|(core, _)| (Arc::new(core), None)),
        });
        Ok((meta.clone(), cores.collect::<Result<Vec<_>>>()?))
    })?;
    store.set_meta(meta);
    let dropped = |core: &&Arc<Core>| !cores.iter().any(|(kept, _)| kept.id == core.id);
    known.values().filter(dropped).for_each(|core| core.dropped.store(true, Ordering::Release));
    collections.clear();
    for (core, news) in cores {
        if let Some(news) = news {
            core.show(news);
        }
        let name = core.name.read().clone();
        collections.insert(name, core);
    }
    Ok(())
}

/// Refreshes now and then until the database closes. A refresh that fails leaves everything as it was, and the next one may
/// succeed: who wants to know why asks for one.
pub fn keep_up(store: &Arc<Store>, collections: &Collections) {
    loop {
        store.pause(store.options.refresh_every());
        if store.is_closing() {
            return;
        }
        // A panic must not end it.
        let _ = catch_unwind(AssertUnwindSafe(|| refresh(store, collections)));
    }
}
