//! Columns of rows on their way in or out, as Arrow arrays: checked against the schema, brought to one form.
