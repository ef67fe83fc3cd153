#!/usr/bin/env python3
"""Elanus beside its peers, in one run on one machine. `make bench` calls it through run.sh.

    bench.py [--sets minilm-10k,...] [--families FLAT,IVF_FLAT,HNSW] [--peers faiss,hnswlib,usearch,zvec] [--topics indexes,database,size]

Each engine lives in a process of its own. They build one after another; each finds the cheapest parameters that reach a recall;
then the timed rounds alternate (ours, peer, peer, ... and back), so that all share the machine's drift, and the median of the
rounds counts. Every comparison is one JSON line in results/DATE-TOPIC.jsonl; ratio above 1 means that ours is better.
"""
import argparse
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time

import databases
import sets
import worker
from engines import ENGINES, FAMILIES

HERE = os.path.dirname(os.path.abspath(__file__))
K = 10
TARGETS = (0.95, 0.99)
LOWER_IS_BETTER = {"build_s", "bytes", "busy_bytes", "open_ms", "p99_us", "file_bytes"}


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


class Record:
    """Appends comparisons to a file of today's."""

    def __init__(self, topic, results):
        os.makedirs(results, exist_ok=True)
        self.topic = topic
        self.file = open(os.path.join(results, f"{time.strftime('%Y-%m-%d')}-{topic}.jsonl"), "a", encoding="utf-8")
        self.fixed = {"command": "bench.py " + " ".join(sys.argv[1:]), "machine": machine(), "time": time.strftime("%FT%TZ", time.gmtime())}

    def add(self, what, ours, peer, peer_name, unit, **about):
        if ours is None or peer is None:
            return
        ratio = peer / ours if what in LOWER_IS_BETTER else ours / peer
        line = {"topic": self.topic, "index_type": None, "metric": None, "data": None, "recall": None, "threads": None, **about,
                "what": what, "ours": round(ours, 4), "peer": round(peer, 4), "peer_name": peer_name, "ratio": round(ratio, 3),
                "unit": unit, **self.fixed}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        print(f"  {what:10} {peer_name:8} recall {about.get('recall')} threads {about.get('threads')}: "
              f"ours {ours:.6g} {unit}, peer {peer:.6g}, ratio {ratio:.2f}", flush=True)


class Engine:
    """One engine in its process."""

    def __init__(self, name, set_name, folder, queries):
        here, there = multiprocessing.Pipe()
        self.name, self.folder, self.pipe = name, folder, here
        self.process = multiprocessing.Process(target=worker.main, args=(there, name, set_name, folder, queries), daemon=True)
        self.process.start()
        there.close()

    def call(self, operation, **keywords):
        self.pipe.send((operation, keywords))
        if not self.pipe.poll(3600):
            raise TimeoutError(f"{self.name}: {operation} took more than an hour")
        good, answer = self.pipe.recv()
        if not good:
            raise RuntimeError(f"{self.name}: {answer}")
        return answer

    def close(self):
        try:
            self.pipe.send(None)
        except OSError:
            pass
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()


def cheapest(engine, knob, low, high, target, points, threads):
    """The smallest value of the knob that reaches the recall (recall grows with it), by bisection."""

    def at(value):
        if value not in points:
            points[value] = engine.call("point", k=K, params={knob: value}, threads=threads)["recall"]
        return points[value]

    if at(high) < target:
        return None
    while low < high:
        middle = (low + high) // 2
        if at(middle) >= target:
            high = middle
        else:
            low = middle + 1
    return {knob: low}


def family_run(options, set_name, family, record):
    s = sets.load(set_name, options.queries)
    knob, low, high, params = {
        "FLAT": (None, 0, 0, {}),
        "IVF_FLAT": ("nprobe", 1, s.nlist, {"nlist": s.nlist}),
        "HNSW": ("ef", K, 512, {"M": 16, "efConstruction": 200}),
    }[family]
    about = {"index_type": family, "metric": s.metric.upper(), "data": set_name}
    print(f"\n{family} {set_name}: {len(s.base)} x {s.base.shape[1]}, {s.metric}, {len(s.queries)} queries", flush=True)
    work = tempfile.mkdtemp(dir=options.work)
    live, chosen, built = [], {}, {}
    for name in ["elanus", *options.peers]:
        if family not in ENGINES[name].families:
            continue
        os.makedirs(os.path.join(work, name))
        engine = Engine(name, set_name, os.path.join(work, name), options.queries)
        try:
            built[name] = engine.call("build", family=family, params=params, threads=options.threads)
            points = {}
            if knob is None:
                found = engine.call("point", k=K, params={}, threads=options.threads)["recall"]
                chosen[name] = {1.0: {}} if found > 0.9999 else {}
            else:
                chosen[name] = {t: cheapest(engine, knob, low, high, t, points, options.threads) for t in TARGETS}
            print(f"  {name} {built[name]['version']}: built in {built[name]['build_s']:.2f} s, {chosen[name]}", flush=True)
            live.append(engine)
        except Exception as e:
            print(f"  {name} FAILED: {e}", flush=True)
            engine.close()
    if not live or live[0].name != "elanus":
        print("  nothing of ours to compare")
        for engine in live:
            engine.close()
        return
    rounds(options, live, chosen, record, about)
    for engine in live:
        engine.close()
    if family != "FLAT":
        for name in [n for n in built if n != "elanus"]:
            record.add("build_s", built["elanus"]["build_s"], built[name]["build_s"], name, "s", threads=options.threads, **about)
    reopened(options, set_name, len(s.base), family, [e.name for e in live], work, chosen, record, about)
    shutil.rmtree(work, ignore_errors=True)


def rounds(options, live, chosen, record, about):
    """The timed part: for each recall, every engine in turn, forth and back."""
    for target in sorted({t for c in chosen.values() for t in c}):
        racing = [e for e in live if chosen[e.name].get(target) is not None]
        seen = {e.name: [] for e in racing}
        for r in range(options.rounds):
            for engine in racing if r % 2 == 0 else racing[::-1]:
                params = chosen[engine.name][target]
                one = engine.call("singles", k=K, params=params, seconds=options.seconds)
                many = engine.call("batches", k=K, params=params, threads=options.threads, seconds=options.seconds)
                seen[engine.name].append({"one": one["qps"], "p99_us": one["p99_us"], "many": many["qps"], "call_us": one["call_us"]})
        median = {n: {key: statistics.median([x[key] for x in xs]) if xs[0][key] is not None else None for key in xs[0]} for n, xs in seen.items()}
        if "elanus" not in median:
            print(f"  ours does not reach recall {target}")
            continue
        ours = median["elanus"]
        for name in median:
            if name == "elanus":
                continue
            peer, call = median[name], {"our_call_us": ours["call_us"]}
            params = {"ours_params": chosen["elanus"][target], "peer_params": chosen[name][target]}
            record.add("qps", ours["one"], peer["one"], name, "queries/s", recall=target, threads=1, **about, **params, **call)
            record.add("p99_us", ours["p99_us"], peer["p99_us"], name, "us", recall=target, threads=1, **about, **params)
            record.add("qps", ours["many"], peer["many"], name, "queries/s", recall=target, threads=options.threads, **about, **params)


def reopened(options, set_name, rows, family, names, work, chosen, record, about):
    """Memory and opening, each in a process that only reads."""
    seen = {}
    for name in names:
        params = next((p for p in chosen[name].values() if p is not None), None)
        if params is None:
            continue
        engine = Engine(name, set_name, os.path.join(work, name), options.queries)
        try:
            seen[name] = engine.call("reopen", family=family, k=K, params=params)
        except Exception as e:
            print(f"  {name} reopen FAILED: {e}", flush=True)
        engine.close()
    for name in seen:
        if name != "elanus" and "elanus" in seen:
            if rows >= 50_000:  # below, the pages of the libraries themselves outweigh the vectors
                for what in ("bytes", "busy_bytes"):
                    record.add(what, seen["elanus"][what], seen[name][what], name, "bytes/vector", **about)
            record.add("open_ms", seen["elanus"]["open_ms"], seen[name]["open_ms"], name, "ms", **about)


def in_process(target, *arguments):
    """Runs a function in a process of its own and gives back what it returned."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=relay, args=(there, target, arguments), daemon=True)
    process.start()
    there.close()
    good, answer = here.recv()
    process.join(20)
    if process.is_alive():
        process.kill()
    if not good:
        raise RuntimeError(answer)
    return answer


def relay(pipe, target, arguments):
    os.dup2(2, 1)
    try:
        pipe.send((True, target(*arguments)))
    except BaseException as e:
        pipe.send((False, f"{type(e).__name__}: {e}"))
    os._exit(0)


def database_run(options, record):
    """Durable inserts and opening with HNSW on the largest cosine set."""
    set_name = next(n for n in ("minilm-text-384-cos", "minilm-10k") if n in options.sets)
    s, batch = sets.load(set_name), 1000
    print(f"\ndatabases, {set_name}, batches of {batch}", flush=True)
    print(f"  plain write and fdatasync of the same bytes: {databases.plain_fsync(options.work, s.base.shape[1] * 4, batch):.0f} rows/s")
    seen = {}
    for name in databases.DATABASES:
        folder = tempfile.mkdtemp(dir=options.work)
        path = os.path.join(folder, "db")
        try:
            seen[name] = in_process(databases.write, name, set_name, path, batch, True)
            seen[name].update(in_process(databases.reopen, name, set_name, path))
            print(f"  {name}: {seen[name]}", flush=True)
        except Exception as e:
            print(f"  {name} FAILED: {e}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    if "elanus" not in seen:
        return
    about = {"metric": "COSINE", "data": set_name, "index_type": "HNSW"}
    for name, peer in seen.items():
        if name != "elanus":
            how = {"ours_durable": seen["elanus"]["durable"], "peer_durable": peer["durable"]}
            record.add("rows_s", seen["elanus"]["rows_s"], peer["rows_s"], name, "rows/s", **about, **how)
            if "open_ms" in peer and "open_ms" in seen["elanus"]:
                record.add("open_ms", seen["elanus"]["open_ms"], peer["open_ms"], name, "ms", **about)


def size_run(record):
    """The library beside the shared objects that the peers' wheels install."""
    import importlib.util

    ours = os.path.getsize(os.path.realpath(os.environ["ELANUS_LIBRARY"]))
    print(f"\nsize: libelanus.so {ours} bytes", flush=True)
    for name in ("faiss", "usearch", "zvec", "lancedb", "hnswlib"):
        spec = importlib.util.find_spec(name)
        if spec is None:
            continue
        places = list(spec.submodule_search_locations or []) or [spec.origin]
        places += [p + suffix for p in places for suffix in ("_cpu.libs", ".libs") if os.path.isdir(p + suffix)]
        walk = [os.path.join(r, f) for p in places if os.path.isdir(p) for r, _, fs in os.walk(p) for f in fs]
        size = sum(os.path.getsize(f) for f in [*walk, *[p for p in places if os.path.isfile(p)]] if ".so" in os.path.basename(f))
        if size:
            record.add("file_bytes", ours, size, name, "bytes")


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [w for w in text.split(",") if w]
    parse.add_argument("--topics", type=words, default=["indexes", "database", "size"])
    parse.add_argument("--sets", type=words, default=None, help="default: all there are")
    parse.add_argument("--families", type=words, default=list(FAMILIES))
    parse.add_argument("--peers", type=words, default=[n for n in ENGINES if n != "elanus"])
    parse.add_argument("--threads", type=int, default=2, help="of builds and batches")
    parse.add_argument("--queries", type=int, default=1000)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--seconds", type=float, default=0.5, help="of one timing")
    parse.add_argument("--library", default=os.path.join(sets.ROOT, "target", "release", "libelanus.so"))
    parse.add_argument("--results", default=os.path.join(HERE, "results"))
    parse.add_argument("--work", default=os.path.join(sets.ROOT, "target", "bench-work"))
    options = parse.parse_args()
    options.sets = options.sets or sets.names()
    os.makedirs(options.work, exist_ok=True)
    os.environ["ELANUS_LIBRARY"] = os.path.abspath(options.library)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    multiprocessing.set_start_method("spawn")
    if "indexes" in options.topics:
        record = Record("indexes", options.results)
        for set_name in options.sets:
            for family in options.families:
                family_run(options, set_name, family, record)
    if "database" in options.topics:
        database_run(options, Record("database", options.results))
    if "size" in options.topics:
        size_run(Record("size", options.results))


if __name__ == "__main__":
    main()
