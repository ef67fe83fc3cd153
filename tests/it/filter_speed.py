"""Evaluates `a > 500 and b in [list]` over the columns in FOLDER/a (int64) and FOLDER/b (int32), on one thread, with pyarrow
and with DuckDB: a line each of name, seconds of the fastest of ROUNDS, rows found. Arguments: FOLDER LIST ROUNDS."""

import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

folder, text, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
wanted = [int(item) for item in text.split(",")]


def column(name, kind, width):
    with open(f"{folder}/{name}", "rb") as file:
        values = pa.py_buffer(file.read())
    return pa.Array.from_buffers(kind, values.size // width, [None, values])


def measure(name, run):
    best, found = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        found = run()
        best = min(best, time.perf_counter() - start)
    print(name, best, found() if callable(found) else found)


a, b = column("a", pa.int64(), 8), column("b", pa.int32(), 4)
pa.set_cpu_count(1)
listed = pa.array(wanted, pa.int32())


def by_pyarrow():
    bits = pc.and_(pc.greater(a, 500), pc.is_in(b, value_set=listed))
    return lambda: pc.sum(bits).as_py()


db = duckdb.connect(config={"threads": 1})
rows = pa.table({"a": a, "b": b})
db.execute("CREATE TABLE t AS SELECT * FROM rows")
query = f"SELECT count(*) FROM t WHERE a > 500 AND b IN ({text})"

measure("pyarrow", by_pyarrow)
measure("DuckDB", lambda: db.execute(query).fetchone()[0])
