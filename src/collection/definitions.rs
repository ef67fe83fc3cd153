//! What is known of a collection's indexes: a definition for each field that has one, as the manifest keeps it.

use crate::collection::types::Definition;
use crate::database::meta::{CollectionMeta, IndexMeta};
use crate::error::{Error, Result};
use crate::index::catalog::VectorKind;
use crate::index::catalog::scalar::{FieldKind, ScalarKind, Spec};
use crate::schema::{DataType, Field, Schema};
use crate::segment::{Indexed, Mmap};
use std::sync::Arc;

/// The definitions of a collection, at most one a field. Cloning shares them.
#[derive(Clone, Default)]
pub struct Definitions(Vec<Arc<Definition>>);

impl Definitions {
    /// What the manifest says; definitions that are `known` are shared.
    pub fn from_meta(schema: &Schema, metas: &[IndexMeta], known: &Definitions) -> Result<Definitions> {
        let definition = |meta: &IndexMeta| match known.numbered(meta.id) {
            Some(known) => Ok(known.clone()),
            None => Definition::from_meta(schema, meta).map(Arc::new),
        };
        metas.iter().map(definition).collect::<Result<_>>().map(Definitions)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.iter()
    }

    pub fn numbered(&self, id: u64) -> Option<&Arc<Definition>> {
        self.iter().find(|definition| definition.id == id)
    }

    pub fn named(&self, name: &str) -> Option<&Arc<Definition>> {
        self.iter().find(|definition| definition.name == name)
    }

    pub fn of_field(&self, field: &str) -> Option<&Arc<Definition>> {
        self.iter().find(|definition| definition.field == field)
    }

    /// Whether they are the same ones.
    pub fn are(&self, others: &Definitions) -> bool {
        self.iter().map(|d| d.id).eq(others.iter().map(|d| d.id))
    }

    /// Takes it in, in the place of the field's old one, which it gives.
    pub fn define(&mut self, definition: Arc<Definition>) -> Option<Arc<Definition>> {
        let old = self.of_field(&definition.field).cloned();
        self.0.retain(|other| other.field != definition.field);
        self.0.push(definition);
        old
    }

    pub fn remove(&mut self, id: u64) {
        self.0.retain(|definition| definition.id != id);
    }
}

impl Definition {
    pub fn to_meta(&self) -> IndexMeta {
        let (id, name, field) = (self.id, self.name.clone(), self.field.clone());
        IndexMeta { id, name, field, spec: self.spec.to_json(), mmap: self.mmap.said() }
    }

    fn from_meta(schema: &Schema, meta: &IndexMeta) -> Result<Definition> {
        let (at, field) =
            schema.field(&meta.field).ok_or_else(|| Error::corrupt("an index of an unknown field"))?;
        let spec = Spec::from_json(&meta.spec.to_string(), kind_of(field)?)?;
        let (id, name, field) = (meta.id, meta.name.clone(), meta.field.clone());
        let mmap = Mmap::new(meta.mmap, schema.mmap().unwrap_or(true));
        Ok(Definition { id, name, field, at, spec, mmap })
    }

    /// What a segment knows of it.
    pub fn indexed(&self) -> Indexed {
        let (spec, mmap) = (self.spec.clone(), self.mmap.clone());
        Indexed { definition: self.id, at: self.at, spec, mmap }
    }
}

/// What decides about the index types that a field may have.
pub fn kind_of(field: &Field) -> Result<FieldKind> {
    use DataType::*;
    Ok(match field.data_type {
        FloatVector => FieldKind::Vector { kind: VectorKind::Float, dim: field.dim },
        BinaryVector => FieldKind::Vector { kind: VectorKind::Binary, dim: field.dim },
        Bool => FieldKind::Scalar(ScalarKind::Bool),
        Int8 | Int16 | Int32 | Int64 | Float | Double => FieldKind::Scalar(ScalarKind::Number),
        VarChar => FieldKind::Scalar(ScalarKind::Text),
        Json => return Err(Error::invalid("create index on JSON field is not supported")),
        Array => return Err(Error::invalid("create index on Array field is not supported")),
    })
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
