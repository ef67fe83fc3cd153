#!/usr/bin/env python3
"""Ten times everything anew: all rows are deleted and inserted again in tenths, ten times over, beside a database that was just built.

    churn.py [--sets minilm-10k,sign-10k] [--families HNSW,...] [--rounds 10]

Recall with every default should be within half a point of the fresh build's, resident memory within 1.2 times, bytes on disk alike.
The "peer" of the records (results/DATE-churn.jsonl) is the fresh build. `bytes` is the memory of the process that did the work, `busy_bytes`
that of a process which opened the database and searched.
"""
import argparse
import multiprocessing
import os
import shutil
import tempfile
import time

import numpy as np

import sets
from bench import HERE, K, Record, in_process
from engines import Elanus, tree_bytes
from families import FAMILIES
from worker import resident

TENTHS = 10


def settled(collection, seconds=2.0):
    """Waits until the index is whole and stays so: segments seal, merge and are indexed in the background."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < seconds:
        if collection.state() != 3:
            quiet = time.monotonic()
        time.sleep(0.05)


def measure(engine, rows):
    engine.use(K, {}, engine.threads)
    found = engine.batch() % rows  # the row of a key is its remainder
    return float(sets.recall(engine.set, found, K))


def work(set_name, name, folder, rounds, threads):
    s, family = sets.load(set_name), FAMILIES[name]
    rows, before = len(s.base), resident()
    engine = Elanus(s, folder)
    engine.prepare(s.queries)
    # Small segments, so that there is something to merge.
    engine.threads = threads
    engine.database = engine.elanus.Database(
        engine.library, engine.path, threads=threads, durability="async", build_idle_ms=0)
    engine.collection = engine.database.create("c", s.dim, s.binary)
    engine.collection.insert(0, s.base)
    engine.collection.flush()
    engine.collection.index(family.index_type, s.metric.upper(), family.build(s))
    start = time.perf_counter()
    for round_ in range(1, rounds + 1):
        for tenth in range(TENTHS):
            part = np.arange(tenth * rows // TENTHS, (tenth + 1) * rows // TENTHS)
            engine.collection.delete(part + (round_ - 1) * rows)
            engine.collection.insert(int(part[0]) + round_ * rows, s.base[part[0]:part[-1] + 1])
        engine.collection.flush()
    settled(engine.collection)
    seconds = time.perf_counter() - start
    recall, memory = measure(engine, rows), (resident() - before) / rows
    engine.collection.free()
    engine.database.close()
    return {"recall": recall, "bytes": memory, "file_bytes": tree_bytes(engine.path), "seconds": seconds}


def reopened(set_name, name, folder, threads):
    s = sets.load(set_name)
    rows, before = len(s.base), resident()
    engine = Elanus(s, folder)
    engine.prepare(s.queries)
    engine.load(s, FAMILIES[name])
    return {"recall_again": measure(engine, rows), "busy_bytes": (resident() - before) / rows}


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [w for w in text.split(",") if w]
    parse.add_argument("--sets", type=words, default=["minilm-10k", "sign-10k"])
    parse.add_argument("--families", type=words, default=list(FAMILIES))
    parse.add_argument("--rounds", type=int, default=10)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--library", default=os.path.join(sets.ROOT, "target", "release", "libelanus.so"))
    parse.add_argument("--results", default=os.path.join(HERE, "results"))
    parse.add_argument("--work", default=os.path.join(sets.ROOT, "target", "bench-work"))
    options = parse.parse_args()
    os.environ["ELANUS_LIBRARY"] = os.path.abspath(options.library)
    os.makedirs(options.work, exist_ok=True)
    multiprocessing.set_start_method("spawn")
    record = Record("churn", options.results)
    for set_name in options.sets:
        s = sets.load(set_name)
        for name in options.families:
            family = FAMILIES[name]
            if (family.kind == "binary") != s.binary or s.metric not in family.metrics or name.endswith("_REFINE"):
                continue
            seen = []
            for rounds in (0, options.rounds):
                folder = tempfile.mkdtemp(dir=options.work)
                try:
                    seen.append(in_process(work, set_name, name, folder, rounds, options.threads))
                    seen[-1].update(in_process(reopened, set_name, name, folder, options.threads))
                except RuntimeError as e:
                    print(f"{name} {set_name} FAILED: {e}", flush=True)
                shutil.rmtree(folder, ignore_errors=True)
            if len(seen) < 2:
                continue
            fresh, churned = seen
            print(f"\n{name} {set_name}\n  fresh   {fresh}\n  churned {churned}", flush=True)
            about = {"metric": s.metric.upper(), "data": set_name, "index_type": name, "rounds": options.rounds}
            for what, unit in (("recall", f"recall@{K}"), ("bytes", "bytes/vector"), ("busy_bytes", "bytes/vector"), ("file_bytes", "bytes")):
                record.add(what, churned[what], fresh[what], "fresh build", unit, **about)


if __name__ == "__main__":
    main()
