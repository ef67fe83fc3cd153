"""Reads what peers.rs has exported with pyarrow, DuckDB and Python's json, compares, and writes files of their own."""

import json
import struct
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

TYPES = {
    "id": pa.int64(), "b": pa.bool_(), "i8": pa.int8(), "i16": pa.int16(), "i32": pa.int32(),
    "f": pa.float32(), "d": pa.float64(), "t": pa.string(), "j": pa.string(),
}
ITEMS = {"FloatVector": pa.float32(), "BinaryVector": pa.uint8()}


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def from_json(row):
    """The row as Parquet has it: floats of 32 bits, JSON as text."""
    row = dict(row)
    row["f"] = single(row["f"])
    row["v"] = [single(value) for value in row["v"]]
    return row


def check(folder, vector):
    table = pq.read_table(folder / f"{vector}.parquet")
    assert table.num_rows == 6000, table.num_rows
    for name, kind in TYPES.items():
        assert table.schema.field(name).type == kind, (name, table.schema.field(name).type)
    kind = table.schema.field("v").type
    assert pa.types.is_list(kind) and kind.value_type == ITEMS[vector], kind
    assert {len(value) for value in table["v"].to_pylist()} == {16 if vector == "FloatVector" else 2}

    rows = table.to_pylist()
    path = folder / f"{vector}.parquet"
    connection = duckdb.connect()
    found = connection.execute(f"select * from read_parquet('{path}')")
    names = [column[0] for column in found.description]
    assert [dict(zip(names, row)) for row in found.fetchall()] == rows

    lines = (folder / f"{vector}.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    listed = json.loads((folder / f"{vector}.json").read_text(encoding="utf-8"))["rows"]
    for line, other, row in zip(lines, listed, rows, strict=True):
        line = json.loads(line)
        assert line == other
        text = line.pop("j")
        # A string holds the text; anything else is the value itself.
        same = text == row["j"] if isinstance(text, str) else text == json.loads(row["j"])
        assert same, (text, row["j"])
        assert from_json(line) == {name: value for name, value in row.items() if name != "j"}

    pq.write_table(table, folder / f"{vector}-pyarrow.parquet")
    pq.write_table(
        table, folder / f"{vector}-pyarrow-plain.parquet", compression="none", use_dictionary=False, row_group_size=777
    )
    pq.write_table(table, folder / f"{vector}-pyarrow-v2.parquet", data_page_version="2.0", version="2.6")
    connection.execute(f"copy (select * from read_parquet('{path}')) to '{folder}/{vector}-duckdb.parquet'")
    with open(folder / f"{vector}-json.json", "w", encoding="utf-8") as out:
        json.dump({"rows": rows}, out, indent=1)


for vector in ITEMS:
    check(Path(sys.argv[1]), vector)
