#!/usr/bin/env python3
"""How fast a filter is evaluated: the rows of 10,000,000 for which `a > x and b in [...]` holds are counted, on one thread, beside
pyarrow's compute functions and DuckDB on the same rows. `run.sh evaluation` (make filter-speed) calls it.

Ours goes through the C interface, the reading of the text included. Each call of each engine has another x, so that nobody can
remember an answer; the rounds alternate, the median counts, and all have to count alike. One JSON line a comparison in
results/DATE-evaluation.jsonl.
"""
import argparse
import os
import statistics
import tempfile
import time

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import elanus
import sets
from bench import HERE, Record

BATCH = 100_000


def rows(count):
    random = np.random.default_rng(20261121)
    return random.integers(0, 1000, count, np.int64), random.integers(0, 100, count, np.int32)


def of_elanus(library, path, a, b):
    database = elanus.Database(library, path, threads=1, segment_size_mb=2048, durability="async")
    collection = database.create("c", 1, fields=[{"name": "a", "data_type": "INT64"}, {"name": "b", "data_type": "INT32"}])
    vectors = np.zeros((BATCH, 1), np.float32)
    for first in range(0, len(a), BATCH):
        part = slice(first, min(first + BATCH, len(a)))
        columns = [elanus.integers("a", a[part]), elanus.integers("b", b[part])]
        collection.insert(first, vectors[:part.stop - first], columns)
    collection.flush()
    return lambda x, listed: collection.count(f"a > {x} and b in {listed}")


def of_pyarrow(a, b):
    a, b = pa.array(a), pa.array(b)
    pa.set_cpu_count(1)
    return lambda x, listed: pc.sum(pc.and_(pc.greater(a, x), pc.is_in(b, value_set=pa.array(listed, pa.int32())))).as_py()


def of_duckdb(a, b):
    database = duckdb.connect(config={"threads": 1})
    columns = pa.table({"a": a, "b": b})
    database.execute("CREATE TABLE t AS SELECT * FROM columns")
    return lambda x, listed: database.execute(f"SELECT count(*) FROM t WHERE a > {x} AND b IN ({str(listed)[1:-1]})").fetchone()[0]


def measured(engines, listed, rounds):
    """Median milliseconds of each."""
    times = {name: [] for name in engines}
    for x in range(500, 500 + rounds):
        found = set()
        for name in list(engines)[::1 if x % 2 == 0 else -1]:
            start = time.perf_counter()
            found.add(engines[name](x, listed))
            times[name].append(1e3 * (time.perf_counter() - start))
        if len(found) != 1:
            raise RuntimeError(f"they count differently: {found}")
    return {name: statistics.median(ms) for name, ms in times.items()}


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--rows", type=int, default=10_000_000)
    parse.add_argument("--rounds", type=int, default=21)
    parse.add_argument("--library", default=os.path.join(sets.ROOT, "target", "release", "libelanus.so"))
    parse.add_argument("--results", default=os.path.join(HERE, "results"))
    parse.add_argument("--work", default=os.path.join(sets.ROOT, "target", "bench-work"))
    options = parse.parse_args()
    os.makedirs(options.work, exist_ok=True)
    a, b = rows(options.rows)
    library = elanus.Library(os.path.abspath(options.library))
    record = Record("evaluation", options.results)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        engines = {"elanus": of_elanus(library, folder, a, b), "pyarrow": of_pyarrow(a, b), "duckdb": of_duckdb(a, b)}
        for listed in ([3, 7, 11, 19, 23], list(range(0, 100, 2))):
            ms = measured(engines, listed, options.rounds)
            data = f"{options.rows:,} rows, a > x and b in [{len(listed)} values]"
            for peer in ("pyarrow", "duckdb"):
                record.add("filter_ms", ms["elanus"], ms[peer], peer, "ms", data=data, threads=1)


if __name__ == "__main__":
    main()
