//! Definitions of indexes: create, drop, describe, progress, state, with the outcomes of Milvus.

use crate::collection::core::{Core, Snapshot};
use crate::collection::types::{Definition, IndexProgress, IndexRequest, IndexState, OnConflict, Progress};
use crate::database::meta::{CollectionMeta, IndexMeta};
use crate::error::{Code, Error, Result};
use crate::index::catalog::{IndexSpec, VectorKind};
use crate::schema::{DataType, Field, Schema, check_index_name};
use crate::segment::SegmentView;
use serde_json::{Value, json};
use std::sync::Arc;

impl Definition {
    pub fn to_meta(&self) -> IndexMeta {
        let (id, name, field) = (self.id, self.name.clone(), self.field.clone());
        IndexMeta { id, name, field, spec: self.spec.to_json() }
    }

    pub fn from_meta(schema: &Schema, meta: &IndexMeta) -> Result<Definition> {
        let (_, field) =
            schema.field(&meta.field).ok_or_else(|| Error::corrupt("an index of an unknown field"))?;
        let spec = IndexSpec::from_json(&meta.spec.to_string(), vector_kind(field)?, field.dim)?;
        let (id, name, field) = (meta.id, meta.name.clone(), meta.field.clone());
        Ok(Definition { id, name, field, spec: Arc::new(spec) })
    }
}

fn vector_kind(field: &Field) -> Result<VectorKind> {
    match field.data_type {
        DataType::FloatVector => Ok(VectorKind::Float),
        DataType::BinaryVector => Ok(VectorKind::Binary),
        DataType::Json => Err(Error::invalid("create index on JSON field is not supported")),
        DataType::Array => Err(Error::invalid("create index on Array field is not supported")),
        other => Err(Error::new(
            Code::IndexTypeNotSupported,
            format!("an index on field {} of type {} is not supported", field.name, other.name()),
        )),
    }
}

/// Takes the index of a field out of `meta`.
pub fn forget_index(meta: &mut CollectionMeta, field: &str) {
    let gone: Vec<u64> =
        meta.indexes.iter().filter(|index| index.field == field).map(|index| index.id).collect();
    meta.indexes.retain(|index| !gone.contains(&index.id));
    for segment in &mut meta.segments {
        segment.indexes.retain(|index| !gone.contains(&index.index));
    }
}

impl Core {
    pub fn create_index(&self, request: &IndexRequest, progress: Option<Progress>) -> Result<()> {
        let _writing = self.writing()?;
        let (_, field) = self.schema.field(request.field).ok_or_else(|| {
            Error::new(
                Code::FieldNotFound,
                format!("cannot create index on non-exist field: {}", request.field),
            )
        })?;
        let spec = IndexSpec::from_json(request.description, vector_kind(field)?, field.dim)?;
        if let Some(name) = request.name {
            check_index_name(name)?;
        }
        let _definitions = self.definitions.lock();
        let current = self.snapshot.load().definition.clone();
        let definition = match current {
            Some(current) => self.replacement(request, spec, current)?,
            None => self.new_definition(request.name.unwrap_or(request.field), request.field, spec),
        };
        // As Milvus' clients do, so that the index covers what was inserted before.
        self.flush()?;
        let snapshot = self.snapshot.load_full();
        let is_defined = snapshot.definition.as_ref().is_some_and(|d| d.id == definition.id);
        let segments: Vec<SegmentView> = match (request.wait, is_defined) {
            (false, _) => Vec::new(),
            (true, true) => snapshot.sealed.iter().filter(|view| self.needs_index(view)).cloned().collect(),
            (true, false) => {
                let is_large = |view: &&SegmentView| view.len() >= self.index_min_rows();
                snapshot.sealed.iter().filter(is_large).cloned().collect()
            }
        };
        let built = self.build_foreground(&definition, &segments, progress)?;
        let maintenance = self.maintenance.lock();
        *self.build_failure.lock() = None;
        if !built.is_empty() || !is_defined {
            self.install(&definition, built, !is_defined)?;
        }
        drop(maintenance);
        // Segments that were sealed meanwhile, or all of them if the caller does not wait.
        self.store.notify_worker();
        Ok(())
    }

    /// The definition that comes in the place of `current`: itself where nothing changes.
    fn replacement(
        &self,
        request: &IndexRequest,
        spec: IndexSpec,
        current: Arc<Definition>,
    ) -> Result<Arc<Definition>> {
        let name = request.name.unwrap_or(&current.name);
        let (same_name, same_spec) = (name == current.name, spec == *current.spec);
        if same_name && same_spec {
            return Ok(current);
        }
        if request.on_conflict == OnConflict::Error {
            return Err(Error::new(
                Code::IndexDuplicate,
                if same_name {
                    "CreateIndex failed: at most one distinct index is allowed per field"
                } else {
                    "CreateIndex failed: creating multiple indexes on same field is not supported"
                },
            ));
        }
        Ok(self.new_definition(name, request.field, spec))
    }

    fn new_definition(&self, name: &str, field: &str, spec: IndexSpec) -> Arc<Definition> {
        let (name, field) = (name.to_owned(), field.to_owned());
        Arc::new(Definition { id: self.store.take_id(), name, field, spec: Arc::new(spec) })
    }

    pub fn drop_index(&self, name: &str) -> Result<()> {
        let _writing = self.writing()?;
        let _definitions = self.definitions.lock();
        let Some(definition) = self.snapshot.load().definition.clone().filter(|d| d.name == name) else {
            return Ok(());
        };
        let _maintenance = self.maintenance.lock();
        self.commit(|meta| {
            forget_index(meta, &definition.field);
            Ok(())
        })?;
        let mut writer = self.writer.lock();
        writer.definition = None;
        writer.sealed.iter_mut().for_each(SegmentView::drop_index);
        self.publish(&writer);
        Ok(())
    }

    /// The snapshot, if it has an index of that name.
    fn with_index(&self, name: &str) -> Result<(Arc<Snapshot>, Arc<Definition>)> {
        self.check_open()?;
        let snapshot = self.snapshot.load_full();
        match snapshot.definition.clone().filter(|d| d.name == name) {
            Some(definition) => Ok((snapshot, definition)),
            None => Err(Error::new(Code::IndexNotFound, format!("index not found[indexName={name}]"))),
        }
    }

    pub fn list_indexes(&self) -> Result<Vec<String>> {
        self.check_open()?;
        Ok(self.snapshot.load().definition.iter().map(|d| d.name.clone()).collect())
    }

    pub fn index_progress(&self, name: &str) -> Result<IndexProgress> {
        let (snapshot, _) = self.with_index(name)?;
        Ok(self.progress_of(&snapshot))
    }

    /// As Milvus counts: rows of sealed segments; those of small segments, which are searched exactly, are indexed.
    fn progress_of(&self, snapshot: &Snapshot) -> IndexProgress {
        let total_rows = snapshot.sealed.iter().map(|view| view.len() as u64).sum();
        let pending = snapshot.sealed.iter().filter(|view| self.needs_index(view));
        let pending_index_rows = pending.map(|view| view.len() as u64).sum();
        IndexProgress { total_rows, indexed_rows: total_rows - pending_index_rows, pending_index_rows }
    }

    pub fn index_state(&self, name: &str) -> Result<IndexState> {
        let (snapshot, definition) = self.with_index(name)?;
        Ok(self.state_of(&snapshot, &definition))
    }

    fn state_of(&self, snapshot: &Snapshot, definition: &Definition) -> IndexState {
        if self.progress_of(snapshot).pending_index_rows == 0 {
            return IndexState::Finished;
        }
        if let Some((_, error)) = self.build_failure.lock().as_ref().filter(|(id, _)| *id == definition.id) {
            return IndexState::Failed(error.message().to_owned());
        }
        // A read-only database builds nothing.
        if self.store.options.read_only { IndexState::Unissued } else { IndexState::InProgress }
    }

    pub fn describe_index(&self, name: &str) -> Result<Value> {
        let (snapshot, definition) = self.with_index(name)?;
        let mut value = definition.spec.to_json();
        let progress = self.progress_of(&snapshot);
        let (state, reason) = match self.state_of(&snapshot, &definition) {
            IndexState::None => ("IndexStateNone", String::new()),
            IndexState::Unissued => ("Unissued", String::new()),
            IndexState::InProgress => ("InProgress", String::new()),
            IndexState::Finished => ("Finished", String::new()),
            IndexState::Failed(reason) => ("Failed", reason),
        };
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
