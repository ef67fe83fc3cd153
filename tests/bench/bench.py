#!/usr/bin/env python3
"""Elanus beside its peers, in one run on one machine. `make bench` calls it through run.sh.

    bench.py [--topics ivf,graphs] [--sets minilm-10k,...] [--families IVF_SQ8,...] [--peers faiss,...] [--small]

Topics: indexes (FLAT, IVF_FLAT, HNSW), ivf, graphs, trees, disk, binary, filters, database, size. --small takes the sets of examples/data and
little time: it shows that all works, its figures say nothing.

Each engine lives in a process of its own. They build one after another; each finds the cheapest parameters that reach a recall
(0.95 and 0.99, or the highest that both reach); then the timed rounds alternate (ours, peer, peer, ... and back), so that all share
the machine's drift, and the median of the rounds counts. Every comparison is one JSON line in results/DATE-TOPIC.jsonl; ratio above 1
means that ours is better.
"""
import argparse
import json
import math
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Listener

import databases
import sets
from engines import engines
from families import FAMILIES

HERE = os.path.dirname(os.path.abspath(__file__))
K = 10
TARGETS = (0.95, 0.99)
LOWER_IS_BETTER = {"build_s", "bytes", "busy_bytes", "index_bytes", "open_ms", "p99_us", "file_bytes", "filtered_us", "filter_ms"}
TOPICS = {
    "indexes": ("FLAT", "IVF_FLAT", "HNSW"),
    "ivf": ("IVF_SQ8", "IVF_SQ8H", "IVF_PQ", "IVF_PQ_REFINE"),
    "graphs": ("RNSG",),
    "trees": ("ANNOY",),
    "disk": ("DISKANN",),
    "binary": ("BIN_FLAT", "BIN_IVF_FLAT", "BIN_HNSW"),
}


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
        self.fixed = {"command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]), "machine": machine(), "time": time.strftime("%FT%TZ", time.gmtime())}

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

    def __init__(self, cls, set_name, folder, queries, worker="worker.py"):
        self.name, self.folder = cls.name, folder
        python = os.environ.get(getattr(cls, "python", ""), sys.executable)
        self.home = tempfile.mkdtemp(prefix="bench-")
        address = os.path.join(self.home, "socket")
        with Listener(address) as listener:
            command = [python, os.path.join(HERE, worker), address, cls.name, set_name, folder, str(queries)]
            with open(os.path.join(self.home, "log"), "wb") as log:  # libraries chatter
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
            # A worker that dies before it calls would be waited for without end.
            listener._listener._socket.settimeout(60)
            try:
                self.pipe = listener.accept()
            except TimeoutError as e:
                self.process.kill()
                raise RuntimeError(self.last_words()) from e

    def last_words(self):
        with open(os.path.join(self.home, "log"), errors="replace") as log:
            return log.read()[-500:]

    def call(self, operation, **keywords):
        try:
            self.pipe.send((operation, keywords))
            if not self.pipe.poll(3600):
                raise TimeoutError(f"{operation} took more than an hour")
            good, answer = self.pipe.recv()
        except (EOFError, OSError) as e:
            raise RuntimeError(f"{operation}: the process is gone ({self.process.poll()}): {self.last_words()}") from e
        if not good:
            raise RuntimeError(answer)
        return answer

    def close(self):
        try:
            self.pipe.send(None)
        except OSError:
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


class Sweep:
    """One engine's recall for each value of the knob."""

    def __init__(self, options, engine, family, s):
        self.engine, self.family, self.threads = engine, family, options.threads
        self.low, self.high, self.search = family.low, family.high(s), family.search(s)
        self.points = {}

    def params(self, value):
        return self.search if self.family.knob is None else {self.family.knob: value, **self.search}

    def at(self, value):
        if value not in self.points:
            self.points[value] = self.engine.call("point", k=K, params=self.params(value), threads=self.threads)["recall"]
        return self.points[value]

    def most(self):
        """The best recall that this engine reaches."""
        return self.at(self.high)

    def cheapest(self, target):
        """The smallest value of the knob that reaches the recall (which grows with it), by bisection."""
        if self.family.knob is None or self.most() < target:
            return None
        low, high = self.low, self.high
        while low < high:
            middle = (low + high) // 2
            if self.at(middle) >= target:
                high = middle
            else:
                low = middle + 1
        return low


def family_run(options, set_name, name, record):
    """One index type on one set: ours and every peer that has it."""
    s, family, all_engines = sets.load(set_name, options.queries), FAMILIES[name], engines()
    if (family.kind == "binary") != s.binary or s.metric not in family.metrics:
        return
    params = family.build(s)
    about = {"index_type": name, "metric": s.metric.upper(), "data": set_name, "build_params": params}
    print(f"\n{name} {set_name}: {len(s.base)} x {s.dim}, {s.metric}, {len(s.queries)} queries, {params}", flush=True)
    work = tempfile.mkdtemp(dir=options.work)
    live, sweeps, built = [], {}, {}
    for engine_name in [*([] if options.peers_only else ["elanus"]), *options.peers]:
        cls = all_engines.get(engine_name)
        if cls is None or not cls.takes(name, s.metric):
            continue
        folder = os.path.join(work, engine_name)
        os.makedirs(folder)
        engine = None
        try:
            engine = Engine(cls, set_name, folder, options.queries)
            built[engine_name] = engine.call("build", family=name, params=params, threads=options.threads)
            sweep = Sweep(options, engine, family, s)
            print(f"  {engine_name} {built[engine_name]['version']}: built in {built[engine_name]['build_s']:.2f} s, "
                  f"{built[engine_name]['size'] / len(s.base):.0f} bytes a vector, recall at most {sweep.most():.4f}", flush=True)
            sweeps[engine_name] = sweep
            live.append(engine)
        except Exception as e:
            print(f"  {engine_name} FAILED: {e}", flush=True)
            if engine is not None:
                engine.close()
            if engine_name == "elanus":
                break
    params = {name: sweep.params(sweep.cheapest(min(TARGETS[0], sweep.most()))) for name, sweep in sweeps.items()}
    if options.peers_only:
        for engine in live:
            one = engine.call("singles", k=K, params=params[engine.name], seconds=options.seconds)
            print(f"  {engine.name} {params[engine.name]}: {one['qps']:.0f} queries/s", flush=True)
    elif live and live[0].name == "elanus":
        compare(options, s, family, live, sweeps, built, record, about)
    else:
        print("  nothing of ours to compare")
    for engine in live:
        engine.close()  # a database lets in one process at a time
    if "elanus" in sweeps:
        reopened(options, s, name, work, params, record, about)
    shutil.rmtree(work, ignore_errors=True)


def compare(options, s, family, live, sweeps, built, record, about):
    targets = {}  # of each peer: recalls that both reach
    for name, sweep in sweeps.items():
        if name != "elanus":
            both = min(sweep.most(), sweeps["elanus"].most())
            reached = [t for t in (TARGETS if family.knob else (1.0,)) if t <= both + 1e-4]
            # Codes may end below: then the best that both reach, downwards to thousandths.
            targets[name] = reached if len(reached) == len(TARGETS) or not family.knob else [*reached, math.floor(both * 1000) / 1000]
    rounds(options, live, sweeps, targets, record, about)
    ours = built["elanus"]
    for name in [n for n in built if n != "elanus" and n in sweeps]:
        peer = built[name]
        if family.index_type not in ("FLAT", "BIN_FLAT"):
            record.add("build_s", ours["build_s"], peer["build_s"], name, "s", threads=options.threads, **about)
        # Where the peer's index holds the vectors, ours counts with them.
        size = ours["size"] + (len(s.base) * s.row_bytes if peer["raw"] else 0)
        record.add("index_bytes", size / len(s.base), peer["size"] / len(s.base), name, "bytes/vector", **about,
                   ours_without_vectors=round(ours["size"] / len(s.base), 1), peer_holds_vectors=peer["raw"])
        if family.codes:
            for value in sorted({max(1, family.high(s) // part) for part in (64, 16, 4)}):
                record.add("recall", sweeps["elanus"].at(value), sweeps[name].at(value), name, f"recall@{K} at {family.knob} {value}", **about)
    if options.curves:
        curves(options, s, sweeps, built, about)


def rounds(options, live, sweeps, targets, record, about):
    """The timed part: for each recall, every engine in turn, forth and back."""
    for target in sorted({t for ts in targets.values() for t in ts}):
        chosen = {}
        for engine in live:
            if engine.name == "elanus" or target in targets[engine.name]:
                sweep = sweeps[engine.name]
                chosen[engine.name] = sweep.params(sweep.cheapest(target))
        racing = [e for e in live if e.name in chosen]
        seen = {e.name: [] for e in racing}
        for r in range(options.rounds):
            for engine in racing if r % 2 == 0 else racing[::-1]:
                params = chosen[engine.name]
                one = engine.call("singles", k=K, params=params, seconds=options.seconds)
                many = engine.call("batches", k=K, params=params, threads=options.threads, seconds=options.seconds)
                seen[engine.name].append({"one": one["qps"], "p99_us": one["p99_us"], "many": many["qps"], "call_us": one["call_us"]})
        median = {n: {key: statistics.median([x[key] for x in xs]) if xs[0][key] is not None else None for key in xs[0]} for n, xs in seen.items()}
        ours = median["elanus"]
        for name in median:
            if name == "elanus":
                continue
            peer, call = median[name], {"our_call_us": ours["call_us"]}
            params = {"ours_params": chosen["elanus"], "peer_params": chosen[name]}
            record.add("qps", ours["one"], peer["one"], name, "queries/s", recall=target, threads=1, **about, **params, **call)
            record.add("p99_us", ours["p99_us"], peer["p99_us"], name, "us", recall=target, threads=1, **about, **params)
            record.add("qps", ours["many"], peer["many"], name, "queries/s", recall=target, threads=options.threads, **about, **params)


def curves(options, s, sweeps, built, about):
    """Speed at some values of the knob, for the plot and the guide: to results/DATE-curves.jsonl."""
    start = {"machine": machine(), "time": time.strftime("%FT%TZ", time.gmtime())}
    with open(os.path.join(options.results, f"{time.strftime('%Y-%m-%d')}-curves.jsonl"), "a", encoding="utf-8") as out:
        for name, sweep in sweeps.items():
            values = [None]
            if sweep.family.knob is not None:
                end, steps = sweep.cheapest(0.998) or sweep.high, 7
                values = {round(sweep.low * (end / sweep.low) ** (i / (steps - 1))) for i in range(steps)}
                values = sorted(values | {v for v in map(sweep.cheapest, TARGETS) if v is not None})
            size = {"rows": len(s.base), "dim": s.dim, "build_s": round(built[name]["build_s"], 3), "index_bytes": round(built[name]["size"] / len(s.base), 1),
                    "most": round(sweep.most(), 4)}
            for value in values:
                one = sweep.engine.call("singles", k=K, params=sweep.params(value), seconds=options.seconds)
                line = {"topic": "curves", **about, "engine": name, **size, "params": sweep.params(value), "threads": 1,
                        "recall": round(sweep.at(sweep.high if value is None else value), 4), "qps": round(one["qps"], 1), **start}
                out.write(json.dumps(line) + "\n")


def reopened(options, s, family, work, params, record, about):
    """Memory and opening, each in a process that only reads."""
    seen = {}
    for name in params:
        engine = Engine(engines()[name], s.name, os.path.join(work, name), options.queries)
        try:
            seen[name] = engine.call("reopen", family=family, k=K, params=params[name])
        except Exception as e:
            print(f"  {name} reopen FAILED: {e}", flush=True)
        engine.close()
    for name in seen:
        if name != "elanus" and "elanus" in seen:
            if len(s.base) >= 50_000:  # below, the pages of the libraries themselves outweigh the vectors
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
    parse.add_argument("--topics", type=words, default=[*TOPICS, "filters", "database", "size"])
    parse.add_argument("--sets", type=words, default=None, help="default: all there are")
    parse.add_argument("--families", type=words, default=list(FAMILIES), help="of the topics', only these")
    parse.add_argument("--peers", type=words, default=[*(n for n in engines() if n != "elanus"), "lancedb"])
    parse.add_argument("--peers-only", action="store_true", help="shows that the peers work; records nothing")
    parse.add_argument("--small", action="store_true", help="the sets of examples/data, in little time")
    parse.add_argument("--threads", type=int, default=2, help="of builds and batches")
    parse.add_argument("--queries", type=int, default=1000)
    parse.add_argument("--rounds", type=int, default=None, help="5; 1 with --small")
    parse.add_argument("--seconds", type=float, default=None, help="of one timing: 0.5; 0.05 with --small")
    parse.add_argument("--predicates", type=words, default=None, help="of the filters, only these")
    parse.add_argument("--scalar-indexes", action="store_true", help="filters: indexes on the attributes too, where an engine has them")
    parse.add_argument("--keep", action="store_true", help="filters: leave indexes and chosen parameters in --work for the next run")
    parse.add_argument("--no-curves", dest="curves", action="store_false", help="no points for the plot")
    parse.add_argument("--library", default=os.path.join(sets.ROOT, "target", "release", "libelanus.so"))
    parse.add_argument("--results", default=os.path.join(HERE, "results"))
    parse.add_argument("--work", default=os.path.join(sets.ROOT, "target", "bench-work"))
    options = parse.parse_args()
    options.rounds = options.rounds or (1 if options.small else 5)
    options.seconds = options.seconds or (0.05 if options.small else 0.5)
    options.sets = options.sets or [n for n in sets.names() if not options.small or n in sets.SETS_SMALL]
    os.makedirs(options.work, exist_ok=True)
    os.environ["ELANUS_LIBRARY"] = os.path.abspath(options.library)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    multiprocessing.set_start_method("spawn")
    for topic, families in TOPICS.items():
        if topic in options.topics:
            record = Record(topic, options.results)
            for set_name in options.sets:
                for family in [f for f in families if f in options.families]:
                    family_run(options, set_name, family, record)
    if "filters" in options.topics:
        import filters

        filters.run(options, Record("filters", options.results))
    if "database" in options.topics:
        database_run(options, Record("database", options.results))
    if "size" in options.topics:
        size_run(Record("size", options.results))


if __name__ == "__main__":
    main()
