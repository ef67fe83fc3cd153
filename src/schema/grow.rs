//! Fields that come to a schema later. They stand behind the others, so that columns keep their places, and rows that
//! were written before are the first columns of those of now.

use super::{Field, MAX_FIELDS, Schema};
use crate::error::{Error, Result};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

impl Schema {
    /// The schema with one more field, which rows of before must be able to lack: it is nullable or has a default value.
    pub fn with_field(&self, field: Field) -> Result<Schema> {
        let name = field.name.clone();
        let refused = |why: &str| Err(Error::invalid(format!("{why}, field name = {name}")));
        if field.data_type.is_vector() {
            return refused("not support to add vector field");
        }
        if field.is_dynamic {
            return refused("not support to add system field");
        }
        if field.is_primary {
            return refused("not support to add pk field");
        }
        if field.is_partition_key {
            return refused("not support to add partition key field");
        }
        if self.field(&name).is_some() {
            return Err(Error::invalid(format!("duplicate field name: {name}")));
        }
        if !field.nullable && field.default_value.is_none() {
            return refused("added field must be nullable or have a default value, please check it");
        }
        if self.fields().iter().filter(|field| !field.is_dynamic).count() >= MAX_FIELDS {
            return Err(Error::invalid(format!(
                "The number of fields has reached the maximum value {MAX_FIELDS}"
            )));
        }
        let mut fields = self.fields.clone();
        fields.push(field);
        Schema::new(self.description.clone(), fields, self.auto_id)?
            .with_mmap(self.mmap)
            .with_num_partitions(self.num_partitions as i64)
    }

    /// Whether rows of the first `columns` fields can have been written: by this schema, or before it grew.
    pub fn can_begin_with(&self, columns: usize) -> bool {
        let added = self.fields.get(columns..);
        columns > self.primary.max(self.vector)
            && added.is_some_and(|added| added.iter().all(|f| f.nullable || f.default_value.is_some()))
    }
}

/// A schema that grows while others read it: each version stays where it is, and reading takes no lock. It derefs to
/// the newest.
pub struct Versions {
    schema: Arc<Schema>,
    next: OnceLock<Box<Versions>>,
}

impl Versions {
    pub fn new(schema: Arc<Schema>) -> Versions {
        Versions { schema, next: OnceLock::new() }
    }

    /// From now on `schema` is the newest. One thread at a time may call it.
    pub fn push(&self, schema: Arc<Schema>) {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        let _ = last.next.set(Box::new(Versions::new(schema)));
    }
}

impl Deref for Versions {
    type Target = Arc<Schema>;

    fn deref(&self) -> &Arc<Schema> {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        &last.schema
    }
}
