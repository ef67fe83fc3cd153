"""Reads the schemas that peers.rs has exported with pymilvus, writes them back, and the rows with its BulkWriter."""

import json
import shutil
import sys
from pathlib import Path

from pymilvus import CollectionSchema, DataType
from pymilvus.bulk_writer.constants import BulkFileType
from pymilvus.bulk_writer.local_bulk_writer import LocalBulkWriter

folder = Path(sys.argv[1])


def schema_of(name):
    return CollectionSchema.construct_from_dict(json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8")))


def write(schema, rows, kind, path):
    # The BulkWriter of 2.3 does not know them as the numbers that construct_from_dict leaves them.
    for field in schema.fields:
        if field.dtype == DataType.ARRAY:
            field.element_type = DataType(field.element_type)
    writer = LocalBulkWriter(schema=schema, local_path=str(folder / "written"), segment_size=1 << 28, file_type=kind)
    for row in rows:
        row = dict(row)
        row.update(row.pop("$meta"))
        writer.append_row(row)
    writer.commit()
    [[written]] = writer.batch_files
    shutil.move(written, path)


for vector in ["FloatVector", "BinaryVector"]:
    schema = schema_of(vector)
    assert [field.name for field in schema.fields] == ["id", "b", "i8", "i16", "i32", "f", "d", "t", "j", "a", "s", "w", "v"]
    assert schema.primary_field.name == "id" and not schema.auto_id and schema.enable_dynamic_field
    (folder / f"{vector}.again.json").write_text(json.dumps(schema.to_dict()), encoding="utf-8")
    lines = (folder / f"{vector}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert len(rows) == 300
    write(schema, rows, BulkFileType.PARQUET, folder / f"{vector}-written.parquet")
    write(schema, rows, BulkFileType.JSON, folder / f"{vector}-written.json")

typed = {field.name: field for field in schema_of("typed").fields}
assert list(typed) == ["id", "n", "d", "a", "s", "v"]
assert typed["s"].params == {"max_length": 9, "max_capacity": 5}, typed["s"].params
