#!/usr/bin/env python3
"""How each index type grows: build time, memory, recall and speed on synthetic vectors of 100 thousand rows and more.

    scale.py --rows 100000,1000000                                       every type, 1,000,000 x 128
    scale.py --data s10m --rows 1000000,10000000 --dim 96 --families IVF_PQ,DISKANN --memory-limit-mb 2048

The rows come from ../shared/data/gen_synthetic.py (into target/bench-data/NAME, or --data with a path that has them). They are
inserted once, in batches; then each type is built, searched and dropped, each step in a process of its own, so that its memory is
its own. Each result is a line in results/DATE-scale.jsonl; render.py makes a table of them. Synthetic: no claim about real data.
"""
import argparse
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import time

import numpy as np

import sets
from bench import HERE, K, in_process, machine
from engines import Elanus
from families import FAMILIES

MIB = 1 << 20
QUERIES = 1000
BATCH = 10_000
TYPES = ("FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_SQ8H", "IVF_PQ", "HNSW", "RNSG", "ANNOY", "DISKANN", "BIN_FLAT", "BIN_IVF_FLAT", "BIN_HNSW")
TARGETS = (0.90, 0.95, 0.99)


def status(*names):
    """MiB of these lines of this process' status."""
    with open("/proc/self/status") as text:
        lines = dict(line.split(":", 1) for line in text)
    return [int(lines[name].split()[0]) / 1024 for name in names]


def as_bits(x):
    return np.packbits(x > 0, axis=1, bitorder="little")


def load(options, rows, binary):
    """The set without its truth; a batch of it at a time is read."""
    base = np.memmap(os.path.join(options.data, "base.f32"), "<f4", "r").reshape(-1, options.dim)[:rows]
    queries = np.fromfile(os.path.join(options.data, "queries.f32"), "<f4", QUERIES * options.dim).reshape(-1, options.dim)
    if binary:
        base = np.concatenate([as_bits(base[first:first + BATCH]) for first in range(0, rows, BATCH)])
        queries = as_bits(queries)
    return sets.Set("synthetic", "hamming" if binary else "l2", base, queries, None)


def truth(options, rows, binary):
    """The exact nearest K of each query, computed once."""
    path = os.path.join(options.work, f"truth-{rows}-{options.dim}-{'hamming' if binary else 'l2'}.npy")
    if os.path.exists(path):
        return np.load(path)
    s = load(options, rows, binary)
    floats = (lambda x: np.unpackbits(x, axis=1).astype(np.float32) * 2 - 1) if binary else (lambda x: x)
    queries, best, ids = floats(s.queries), np.full((QUERIES, 0), 0, np.float32), np.full((QUERIES, 0), 0, np.int64)
    for first in range(0, rows, 50_000):
        x = floats(s.base[first:first + 50_000])
        near = (x * x).sum(1)[None] - 2 * (queries @ x.T)  # of bits as -1 and 1: twice the Hamming distance, shifted
        some = np.argpartition(near, 2 * K, axis=1)[:, :2 * K]
        best = np.concatenate([best, np.take_along_axis(near, some, 1)], 1)
        ids = np.concatenate([ids, some + first], 1)
        keep = np.argpartition(best, 2 * K - 1, axis=1)[:, :2 * K]
        best, ids = np.take_along_axis(best, keep, 1), np.take_along_axis(ids, keep, 1)
    found = np.empty((QUERIES, K), np.int64)
    for i in range(QUERIES):  # float32 chose twice as many; float64 puts them in order
        exact = sets.distances(s, i, ids[i])
        found[i] = ids[i][np.lexsort((ids[i], exact))][:K]
    np.save(path, found)
    return found


def opened(options, s, folder, **more):
    engine = Elanus(s, folder)
    engine.open(options.threads, **more)
    return engine


def insert(options, rows, binary, folder):
    s = load(options, rows, binary)
    engine = Elanus(s, folder)
    start = time.perf_counter()
    engine.database = engine.elanus.Database(
        engine.library, engine.path, threads=options.threads, segment_size_mb=options.segment_mb, durability="async")
    collection = engine.database.create("c", s.dim, binary)
    for first in range(0, rows, BATCH):
        collection.insert(first, s.base[first:first + BATCH])
    collection.flush()
    engine.database.close()
    return {"insert_s": time.perf_counter() - start, "insert_peak_mib": status("VmHWM")[0]}


def build(options, rows, binary, folder, name, params):
    s, family = load(options, rows, binary), FAMILIES[name]
    engine = Elanus(s, folder)
    limit = {"memory_limit": options.memory_limit_mb * MIB} if name == "DISKANN" and options.memory_limit_mb else {}
    before = status("VmRSS")[0]
    engine.open(options.threads, **limit)
    collection = engine.database.open("c", s.dim, binary)
    start, cpu = time.perf_counter(), time.process_time()
    collection.index(family.index_type, s.metric.upper(), params)
    seconds, cpu, peak = time.perf_counter() - start, time.process_time() - cpu, status("VmHWM")[0] - before
    while collection.state() == 2:
        time.sleep(0.1)
    return {"build_s": seconds, "build_cpu_s": cpu, "build_peak_mib": peak, "index_mib": engine.size() / MIB}


def search(options, rows, binary, folder, name, params):
    """The recall that a knob gives, the speed of one query on one thread, and what is then in memory."""
    s = load(options, rows, binary)
    s.truth = truth(options, rows, binary)
    before = status("VmRSS", "RssAnon")
    engine = Elanus(s, folder)
    engine.prepare(s.queries)
    engine.load(s, FAMILIES[name])
    engine.use(K, params, options.threads)
    recall = sets.recall(s, engine.batch(), K)
    engine.use(K, params, 1)
    done, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < options.seconds:
        engine.one(done % QUERIES)
        done += 1
    qps, cpu, after = done / (time.perf_counter() - start), time.process_time() - cpu, status("VmRSS", "RssAnon")
    # The processor's time of a query tells more than the clock's where the machine has other work.
    return {"recall": float(recall), "qps": qps, "cpu_us": 1e6 * cpu / done, "resident_mib": after[0] - before[0], "anon_mib": after[1] - before[1]}


def drop(options, rows, binary, folder):
    s = load(options, rows, binary)
    engine = opened(options, s, folder)
    collection = engine.database.open("c", s.dim, binary)
    engine.library.call(engine.library.index_drop, collection.handle, b"v")
    engine.database.close()
    return None


def lists(rows):
    """About four times the square root of the rows, a power of two."""
    return min(16_384, 2 ** round(math.log2(4 * math.sqrt(rows))))


def one_type(options, rows, folder, name, inserted, out):
    family = FAMILIES[name]
    binary = family.kind == "binary"
    s = load(options, rows, binary)
    params = {**family.build(s), **({"nlist": lists(rows)} if family.knob == "nprobe" else {})}
    ask = (options, rows, binary, folder)
    print(f"\n{name} {rows:,} x {options.dim}: {params}", flush=True)
    try:
        built = in_process(build, *ask, name, params)
    except RuntimeError as e:
        print(f"  FAILED: {e}", flush=True)
        return
    print(f"  {built}", flush=True)
    seen = {}

    def at(value):
        if value not in seen:
            found = in_process(search, *ask, name, {family.knob: value} if family.knob else {})
            seen[value] = found
            print(f"  {family.knob} {value}: {found}", flush=True)
        return seen[value]

    # The knob that reaches each recall, among steps of a half: a search of many rows is a minute.
    values, value = [None], family.low
    if family.knob:
        values, high = [], lists(rows) if family.knob == "nprobe" else family.high(s)
        while value < high:
            values.append(value)
            value = max(value + 1, int(value * 1.6))
        values.append(high)
    low, chosen = 0, set()
    # Codes end below the targets: then what comes within a fifth of a point of their most.
    most = at(values[-1])["recall"]
    for target in TARGETS:
        target, reached = min(target, most - 0.002), most >= target
        first, last = low, len(values) - 1
        while first < last:
            middle = (first + last) // 2
            if at(values[middle])["recall"] >= target:
                last = middle
            else:
                first = middle + 1
        low = first
        chosen.add(values[first])
        if not reached:
            break
    for value in sorted(chosen, key=lambda v: v or 0):
        line = {"topic": "scale", "index_type": name, "metric": s.metric.upper(), "data": "synthetic", "rows": rows, "dim": options.dim,
                "threads": options.threads, "build_params": params, **inserted, **built,
                "search_params": {family.knob: value} if family.knob else {}, **at(value),
                "memory_limit_mib": options.memory_limit_mb if name == "DISKANN" else 0,
                "command": "scale.py " + " ".join(sys.argv[1:]), "machine": machine(), "time": time.strftime("%FT%TZ", time.gmtime())}
        out.write(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}) + "\n")
    out.flush()
    in_process(drop, *ask)


def make(options, rows):
    if not os.path.exists(os.path.join(options.data, "base.f32")):
        script = os.path.join(sets.ROOT, "..", "shared", "data", "gen_synthetic.py")
        subprocess.run([sys.executable, script, options.data, "--n", str(rows), "--dim", str(options.dim), "--nq", str(QUERIES)], check=True)
    there = os.path.getsize(os.path.join(options.data, "base.f32")) // (4 * options.dim)
    if there < rows:
        sys.exit(f"{options.data} has {there} rows of {options.dim}, not {rows}")


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [w for w in text.split(",") if w]
    parse.add_argument("--data", default="s1m", help="a folder with base.f32 and queries.f32, or a name below target/bench-data")
    parse.add_argument("--rows", type=lambda text: [int(w) for w in words(text)], default=[100_000, 1_000_000])
    parse.add_argument("--dim", type=int, default=128)
    parse.add_argument("--families", type=words, default=list(TYPES))
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--seconds", type=float, default=3)
    parse.add_argument("--segment-mb", type=int, default=8192, help="one segment for all, if it is large enough")
    parse.add_argument("--memory-limit-mb", type=int, default=0, help="of the database while DISKANN is built; 0 for none")
    parse.add_argument("--library", default=os.path.join(sets.ROOT, "target", "release", "libelanus.so"))
    parse.add_argument("--results", default=os.path.join(HERE, "results"))
    parse.add_argument("--work", default=os.path.join(sets.ROOT, "target", "bench-work"))
    options = parse.parse_args()
    if os.sep not in options.data:
        options.data = os.path.join(sets.LARGE, options.data)
    os.environ["ELANUS_LIBRARY"] = os.path.abspath(options.library)
    os.makedirs(options.work, exist_ok=True)
    os.makedirs(options.results, exist_ok=True)
    multiprocessing.set_start_method("spawn")
    make(options, max(options.rows))
    with open(os.path.join(options.results, f"{time.strftime('%Y-%m-%d')}-scale.jsonl"), "a", encoding="utf-8") as out:
        for rows in options.rows:
            for kind in ("float", "binary"):
                names = [n for n in options.families if FAMILIES[n].kind == kind]
                if not names:
                    continue
                in_process(truth, options, rows, kind == "binary")
                folder = os.path.join(options.work, f"scale-{rows}-{options.dim}-{kind}")
                shutil.rmtree(folder, ignore_errors=True)
                os.makedirs(folder)
                inserted = in_process(insert, options, rows, kind == "binary", folder)
                print(f"\n{rows:,} rows inserted: {inserted}", flush=True)
                for name in names:
                    one_type(options, rows, folder, name, inserted, out)
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
