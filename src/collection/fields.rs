//! Fields that are added to a collection. `milvus.io/docs/add-fields-to-an-existing-collection.md`.
//!
//! Nothing is written anew: files and log records of before have fewer columns, and what lacks is filled when they are
//! read. Searches go on. Whoever sees the new schema finds rows that have the field, because these are shown first.

use crate::collection::core::{Core, Writer};
use crate::error::Result;
use crate::schema::Field;
use std::sync::Arc;

impl Core {
    pub fn add_field(&self, field: Field) -> Result<()> {
        let _writing = self.writing()?;
        // Nothing is being sealed, so nothing is frozen.
        let _maintenance = self.maintenance.lock();
        let mut writer = self.writer.lock();
        writer.wal()?;
        let schema = Arc::new(self.schema.with_field(field)?);
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
                sealed.grow(schema);
            }
        }
        self.publish(writer);
        if !Arc::ptr_eq(schema, &self.schema) {
            self.schema.push(schema.clone());
        }
    }
}
