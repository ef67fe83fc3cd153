"""Reads the arrays, nulls, default values and dynamic keys that peers.rs has exported, compares them with what types.rs
inserts, and writes files of the same rows."""

import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

TYPES = {
    "id": pa.int64(), "n": pa.int32(), "d": pa.string(), "a": pa.int32(), "s": pa.string(), "v": pa.float32(),
    "$meta": pa.string(),
}


def expected(key):
    meta = {"own": key} if key % 4 == 0 else {}
    return {
        "id": key,
        "n": key if key % 2 == 0 else None,
        "d": str(key) if key % 3 == 0 else "x",
        "a": [key * i for i in range(key % 4)] if key % 5 else None,
        "s": [f'"{i}\n' for i in range(key % 3)],
        "v": [0.5, 1.0],
        "$meta": meta | ({"extra": key} if key % 7 == 0 else {}),
    }


def parsed(row):
    return row | {"$meta": json.loads(row["$meta"])}


folder = Path(sys.argv[1])
path = folder / "typed.parquet"
rows = [expected(key) for key in range(5000)]

table = pq.read_table(path)
for name, kind in TYPES.items():
    found = table.schema.field(name).type
    assert (found.value_type if pa.types.is_list(found) else found) == kind, (name, found)
assert [parsed(row) for row in table.to_pylist()] == rows

connection = duckdb.connect()
found = connection.execute(f"select * from read_parquet('{path}') order by id")
names = [column[0] for column in found.description]
assert [parsed(dict(zip(names, row))) for row in found.fetchall()] == rows

lines = (folder / "typed.jsonl").read_text(encoding="utf-8").split("\n")
assert lines.pop() == "" and [json.loads(line) for line in lines] == rows
assert json.loads((folder / "typed.json").read_text(encoding="utf-8"))["rows"] == rows

pq.write_table(table, folder / "typed-pyarrow.parquet")
pq.write_table(
    table, folder / "typed-plain.parquet", compression="none", use_dictionary=False, row_group_size=777,
    use_compliant_nested_type=False,
)
pq.write_table(table, folder / "typed-v2.parquet", data_page_version="2.0", version="2.6")
connection.execute(f"copy (select * from read_parquet('{path}')) to '{folder}/typed-duckdb.parquet'")
# Without a key where there is no value, and dynamic keys beside the fields.
short = [{key: value for key, value in row.items() if value is not None and key != "$meta"} | row["$meta"] for row in rows]
(folder / "typed-json.json").write_text(json.dumps(short), encoding="utf-8")
