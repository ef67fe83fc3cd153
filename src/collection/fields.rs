//! Fields that are added to a collection (`milvus.io/docs/add-fields-to-an-existing-collection.md`) or altered
//! (`milvus.io/docs/alter-collection-field.md`).
//!
//! Nothing is written anew: files and log records of before have fewer columns, and what lacks is filled when they are
//! read. Searches go on. Whoever sees the new schema finds rows that have the field, because these are shown first.

use crate::collection::core::{Core, Writer};
use crate::error::Result;
use crate::schema::{Field, Schema, altered_mmap};
use crate::segment::SegmentView;
use std::sync::Arc;

impl Core {
    pub fn add_field(&self, field: Field) -> Result<()> {
        self.change_schema(|schema| schema.with_field(field))
    }

    /// Says anew whether the values of a field are mapped, in Milvus' words of `alter_collection_field`. In Milvus the
    /// collection must not be loaded; here searches that run keep what they hold, and those that start from now on open
    /// the field anew.
    pub fn alter_field(&self, name: &str, properties: &str) -> Result<()> {
        let mmap = altered_mmap(properties, "does not allow update in collection field param")?;
        self.change_schema(|schema| schema.with_field_mmap(name, mmap))?;
        if self.schema.field(name).is_some_and(|(at, _)| at == self.schema.vector_at()) {
            // Indexes have a hold of the vectors that they were opened with.
            let snapshot = self.snapshot.load_full();
            snapshot.sealed.iter().filter_map(SegmentView::vector_file).for_each(|index| index.release());
        }
        Ok(())
    }

    fn change_schema(&self, change: impl FnOnce(&Schema) -> Result<Schema>) -> Result<()> {
        let _writing = self.writing()?;
        // Nothing is being sealed, so nothing is frozen.
        let _maintenance = self.maintenance.lock();
        let mut writer = self.writer.lock();
        writer.wal()?;
        let schema = Arc::new(change(&self.schema)?);
        if schema == *self.schema {
            return Ok(());
        }
        let growing = writer.growing.grown(schema.clone())?;
        self.commit(|meta| {
            meta.schema = schema.stored();
            Ok(())
        })?;
        writer.growing = growing;
        self.show_rows(&writer);
        Ok(())
    }

    /// Gives searches that start from now on what the writer has, and then its schema. The caller holds `maintenance`.
    pub fn show_rows(&self, writer: &Writer) {
        let schema = writer.growing.schema();
        for view in &writer.sealed {
            if let Some(sealed) = view.as_sealed() {
                sealed.change(schema);
            }
        }
        self.publish(writer);
        if !Arc::ptr_eq(schema, &self.schema) {
            self.schema.push(schema.clone());
        }
    }
}
