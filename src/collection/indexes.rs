//! Indexes: create, drop, describe, progress, state, with the outcomes of Milvus.

use crate::collection::core::{Core, Snapshot};
use crate::collection::definitions::{forget_index, kind_of};
use crate::collection::types::{Definition, IndexProgress, IndexRequest, IndexState, OnConflict, Progress};
use crate::error::{Code, Error, Result};
use crate::index::catalog::{mmap_of, scalar::Spec};
use crate::schema::{MMAP_ENABLED, altered_mmap, check_index_name};
use crate::segment::{Mmap, SegmentView};
use serde_json::{Value, json};
use std::sync::Arc;

impl Core {
    pub fn create_index(&self, request: &IndexRequest, progress: Option<Progress>) -> Result<()> {
        let _writing = self.writing()?;
        let (at, field) = self.schema.field(request.field).ok_or_else(|| {
            Error::new(
                Code::FieldNotFound,
                format!("cannot create index on non-exist field: {}", request.field),
            )
        })?;
        let spec = Spec::from_json(request.description, kind_of(field)?)?;
        let mmap = mmap_of(request.description)?;
        if let Some(name) = request.name {
            check_index_name(name)?;
        }
        let _definitions = self.definitions.lock();
        let definition = self.wanted_definition(request, at, spec, mmap)?;
        // As Milvus' clients do, so that the index covers what was inserted before.
        self.flush()?;
        let snapshot = self.snapshot.load_full();
        let is_defined = snapshot.definitions.numbered(definition.id).is_some();
        let pending = snapshot.sealed.iter().filter(|view| self.needs_index(view, &definition));
        let segments: Vec<SegmentView> = pending.filter(|_| request.wait).cloned().collect();
        let built = self.build_foreground(&definition, &segments, progress)?;
        let maintenance = self.maintenance.lock();
        self.build_failures.lock().remove(&definition.id);
        if !built.is_empty() || !is_defined {
            self.install(&definition, built, !is_defined)?;
        }
        drop(maintenance);
        // Of an index that was there, as if it were altered.
        if mmap.is_some() {
            self.say_mmap(&definition, mmap)?;
        }
        // Segments that were sealed meanwhile, or all of them if the caller does not wait.
        self.store.notify_worker();
        Ok(())
    }

    /// The definition that a field, which is at place `at`, shall have: the one it has where nothing changes. The caller
    /// holds `definitions`.
    fn wanted_definition(
        &self,
        request: &IndexRequest,
        at: usize,
        spec: Spec,
        mmap: Option<bool>,
    ) -> Result<Arc<Definition>> {
        let duplicate =
            |what: &str| Err(Error::new(Code::IndexDuplicate, format!("CreateIndex failed: {what}")));
        let definitions = self.snapshot.load().definitions.clone();
        let current = definitions.of_field(request.field);
        let name = request.name.or(current.map(|d| d.name.as_str())).unwrap_or(request.field);
        // Milvus' words for this, too.
        const DISTINCT: &str = "at most one distinct index is allowed per field";
        if definitions.named(name).is_some_and(|other| other.field != request.field) {
            return duplicate(DISTINCT);
        }
        if let Some(current) = current {
            let same_name = name == current.name;
            if same_name && spec == current.spec {
                return Ok(current.clone());
            }
            if request.on_conflict == OnConflict::Error {
                return duplicate(match same_name {
                    true => DISTINCT,
                    false => "creating multiple indexes on same field is not supported",
                });
            }
        }
        let (id, name, field) = (self.store.take_id(), name.to_owned(), request.field.to_owned());
        let mmap = Mmap::new(mmap, self.schema.mmap().unwrap_or(true));
        Ok(Arc::new(Definition { id, name, field, at, spec, mmap }))
    }

    /// Says anew whether the files of an index are mapped, in Milvus' words of `alter_index`. In Milvus the collection must
    /// not be loaded; here searches that run keep what they hold, and those that start from now on open the files anew.
    pub fn alter_index(&self, name: &str, properties: &str) -> Result<()> {
        let _writing = self.writing()?;
        if name.is_empty() {
            return Err(Error::invalid("index name is empty"));
        }
        let mmap = altered_mmap(properties, "is not a configable index proptery")?;
        let _definitions = self.definitions.lock();
        let (_, definition) = self.with_index(name)?;
        self.say_mmap(&definition, mmap)
    }

    /// The caller holds `definitions`. One that the manifest does not have yet says it when it comes there.
    fn say_mmap(&self, definition: &Definition, mmap: Option<bool>) -> Result<()> {
        if definition.mmap.said() == mmap {
            return Ok(());
        }
        self.commit(|meta| {
            meta.indexes.iter_mut().filter(|index| index.id == definition.id).for_each(|i| i.mmap = mmap);
            Ok(())
        })?;
        definition.mmap.say(mmap);
        // Gives memory back; an index that is being opened meanwhile is opened again when it is next asked for.
        let snapshot = self.snapshot.load_full();
        snapshot.sealed.iter().filter_map(|view| view.index(definition.id)).for_each(|index| index.release());
        Ok(())
    }

    pub fn drop_index(&self, name: &str) -> Result<()> {
        let _writing = self.writing()?;
        let _definitions = self.definitions.lock();
        let Some(definition) = self.snapshot.load().definitions.named(name).cloned() else { return Ok(()) };
        let _maintenance = self.maintenance.lock();
        self.commit(|meta| {
            forget_index(meta, &definition.field);
            Ok(())
        })?;
        self.build_failures.lock().remove(&definition.id);
        let mut writer = self.writer.lock();
        writer.definitions.remove(definition.id);
        writer.sealed.iter_mut().for_each(|view| view.drop_index(definition.id));
        self.publish(&writer);
        Ok(())
    }

    /// The snapshot, if it has an index of that name.
    fn with_index(&self, name: &str) -> Result<(Arc<Snapshot>, Arc<Definition>)> {
        self.check_open()?;
        let snapshot = self.snapshot.load_full();
        match snapshot.definitions.named(name).cloned() {
            Some(definition) => Ok((snapshot, definition)),
            None => Err(Error::new(Code::IndexNotFound, format!("index not found[indexName={name}]"))),
        }
    }

    pub fn list_indexes(&self) -> Result<Vec<String>> {
        self.check_open()?;
        Ok(self.snapshot.load().definitions.iter().map(|d| d.name.clone()).collect())
    }

    pub fn index_progress(&self, name: &str) -> Result<IndexProgress> {
        let (snapshot, definition) = self.with_index(name)?;
        Ok(self.progress_of(&snapshot, &definition))
    }

    /// As Milvus counts: rows of sealed segments; those of small segments, which are searched exactly, are indexed.
    fn progress_of(&self, snapshot: &Snapshot, definition: &Definition) -> IndexProgress {
        let total_rows = snapshot.sealed.iter().map(|view| view.len() as u64).sum();
        let pending = snapshot.sealed.iter().filter(|view| self.needs_index(view, definition));
        let pending_index_rows = pending.map(|view| view.len() as u64).sum();
        IndexProgress { total_rows, indexed_rows: total_rows - pending_index_rows, pending_index_rows }
    }

    pub fn index_state(&self, name: &str) -> Result<IndexState> {
        let (snapshot, definition) = self.with_index(name)?;
        Ok(self.state_of(&snapshot, &definition))
    }

    fn state_of(&self, snapshot: &Snapshot, definition: &Definition) -> IndexState {
        if self.progress_of(snapshot, definition).pending_index_rows == 0 {
            return IndexState::Finished;
        }
        if let Some(error) = self.build_failures.lock().get(&definition.id) {
            return IndexState::Failed(error.message().to_owned());
        }
        // A read-only database builds nothing.
        if self.store.options.read_only { IndexState::Unissued } else { IndexState::InProgress }
    }

    pub fn describe_index(&self, name: &str) -> Result<Value> {
        let (snapshot, definition) = self.with_index(name)?;
        let mut value = definition.spec.to_json();
        let progress = self.progress_of(&snapshot, &definition);
        let (state, reason) = match self.state_of(&snapshot, &definition) {
            IndexState::None => ("IndexStateNone", String::new()),
            IndexState::Unissued => ("Unissued", String::new()),
            IndexState::InProgress => ("InProgress", String::new()),
            IndexState::Finished => ("Finished", String::new()),
            IndexState::Failed(reason) => ("Failed", reason),
        };
        if let Some(mmap) = definition.mmap.said() {
            value[MMAP_ENABLED] = json!(mmap);
        }
        value["index_name"] = json!(definition.name);
        value["field_name"] = json!(definition.field);
        value["total_rows"] = json!(progress.total_rows);
        value["indexed_rows"] = json!(progress.indexed_rows);
        value["pending_index_rows"] = json!(progress.pending_index_rows);
        value["state"] = json!(state);
        value["index_state_fail_reason"] = json!(reason);
        Ok(value)
    }
}
