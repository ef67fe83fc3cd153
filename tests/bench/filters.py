"""Topic `filters` of bench.py: searches behind the real predicates of predicates.py, beside the peers and beside our own
search without a filter.

Ours reads the text of the predicate in each call, as its users do, and searches with its default parameters. It remembers what a
filter said of rows that do not change (`our_way` kept), so it is timed with a filter that was never asked before, too (each_call). A peer gets the
cheapest parameters that reach a recall of 0.95 (`at` 0.95) and those that reach ours (`at` ours), or where it reaches neither its
highest (`at` most). Engines that only take a set of rows have it made before the calls (`way` prebuilt), and once more in each of
them from the predicate by pyarrow (`way` each_call): the first is compared with our kept, the second with our each_call, and an engine that
reads predicates with both. All build first, each in its own process; then each opens its index anew with
one thread, and the timed rounds alternate. The median over queries and rounds counts.
"""
import json
import os
import shutil
import statistics

import predicates
import sets
from bench import K, Engine
from families import FAMILIES
from filtered import filtered_engines

TYPES = ("FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW", "DISKANN")
# A predicate asks for more than a search without one does.
MOST = {"ef": 4096, "search_list": 1000}
REFUSES_MORE = {("zvec", "ef"): 2048}
TARGET = 0.95
# What a peer's way is compared with.
ALIKE = {"kept": "prebuilt", "each_call": "each_call"}
EQUAL = 0.001  # of recall
EXACT_QUERIES = 20  # tell whether a peer is exact; some take a second for each


def run(options, record):
    if predicates.SET not in options.sets:
        print(f"filters: only {predicates.SET} has predicates, and it is not there")
        return
    os.environ["BENCH_SCALAR_INDEXES"] = "1" if options.scalar_indexes else ""
    names = [n for n in options.predicates or predicates.PREDICATES]
    for family in [f for f in TYPES if f in options.families]:
        one_family(options, family, names, record)


def folder_of(options, family, name):
    return os.path.join(options.work, "filters-indexed" if options.scalar_indexes else "filters", f"{family}-{name}")


def one_family(options, name, names, record):
    s, family = sets.load(predicates.SET, options.queries), FAMILIES[name]
    params = family.build(s)
    print(f"\nfilters, {name} {s.name}: {len(s.base)} x {s.dim}, {s.metric}, {len(s.queries)} queries, {params}", flush=True)
    live = []
    for engine_name, cls in filtered_engines().items():
        if engine_name != "elanus" and engine_name not in options.peers or not cls.takes(name, s.metric):
            continue
        try:
            live.append(opened(options, cls, s, name, params))
        except Exception as e:
            print(f"  {engine_name} FAILED: {e}", flush=True)
            if engine_name == "elanus":
                break
    if live and live[0].name == "elanus":
        about = {"index_type": name, "metric": s.metric.upper(), "data": s.name, "build_params": params,
                 "scalar_indexes": options.scalar_indexes}
        free = Knob(options, live[0], family, None).recall({})["recall"]
        jobs = [chosen(options, live, s, family, predicate) for predicate in names]
        times = rounds(options, live, jobs)
        for job, found in zip(jobs, times[1:]):
            write(record, about, s, job, found, times[0][("elanus", None, "kept")], free)
    for engine in live:
        engine.close()
        if not options.keep:
            shutil.rmtree(engine.folder, ignore_errors=True)


def opened(options, cls, s, name, params):
    """The engine in a process that has its index and one thread."""
    folder = folder_of(options, name, cls.name)
    ready = os.path.join(folder, "ready")
    if not os.path.exists(ready):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        builder = Engine(cls, s.name, folder, options.queries, "filtered.py")
        built = builder.call("build", family=name, params=params, threads=options.threads)
        print(f"  {cls.name} {built['version']}: built in {built['build_s']:.1f} s", flush=True)
        builder.close()
        open(ready, "w").close()
    before = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        engine = Engine(cls, s.name, folder, options.queries, "filtered.py")
    finally:
        os.environ.update(before)
    engine.call("load", family=name, k=K)
    engine.ways = cls.ways
    return engine


class Knob:
    """An engine's recall behind a predicate for each value of its knob, kept in its folder."""

    def __init__(self, options, engine, family, predicate, s=None):
        self.engine, self.family, self.predicate = engine, family, predicate
        self.path = os.path.join(engine.folder, f"recall-{predicate}-{options.queries}.json")
        self.points = json.load(open(self.path)) if os.path.exists(self.path) and engine.name != "elanus" else {}
        exact = family.knob is None and engine.name != "elanus"
        self.queries = min(options.queries, EXACT_QUERIES) if exact else options.queries
        self.low = family.low
        most = MOST.get(family.knob) or (family.high(s) if s else None)
        self.high = REFUSES_MORE.get((engine.name, family.knob), most)

    def recall(self, params):
        key = json.dumps(params)
        if key not in self.points:
            self.points[key] = self.engine.call("recall", predicate=self.predicate, params=params, queries=self.queries)
            if self.points[key]["wrong"]:
                print(f"  {self.engine.name} {self.predicate} {key}: {self.points[key]['wrong']} hits DO NOT MATCH", flush=True)
            with open(self.path, "w", encoding="utf-8") as out:
                json.dump(self.points, out)
        return self.points[key]

    def params(self, value):
        return {} if self.family.knob is None else {self.family.knob: value}

    def at(self, value):
        return self.recall(self.params(value))["recall"]

    def cheapest(self, target):
        """The smallest value that reaches the recall; None where the highest does not."""
        low, high = self.low, self.high
        if self.family.knob is None:
            return high if self.at(high) >= target else None
        # Upwards first: what a filter costs at the highest may be much.
        value = low
        while value < high and self.at(value) < target:
            low, value = value + 1, min(2 * value, high)
        if self.at(value) < target:
            return None
        high = value
        while low < high:
            middle = (low + high) // 2
            if self.at(middle) >= target:
                high = middle
            else:
                low = middle + 1
        return low


def chosen(options, live, s, family, predicate):
    """What is timed behind a predicate: of each engine (name, at, way) its parameters and its recall."""
    ours = Knob(options, live[0], family, predicate).recall({})
    job = {"predicate": predicate, "ours": ours, "runs": {("elanus", None, way): ({}, ours["recall"]) for way in live[0].ways}}
    for engine in live[1:]:
        if engine.name == "zvec" and predicates.PREDICATES[predicate].zvec is None:
            continue
        try:
            knob = Knob(options, engine, family, predicate, s)
            values = {"0.95": knob.cheapest(TARGET), "ours": knob.cheapest(ours["recall"] - EQUAL)}
            if family.knob is None or values["0.95"] == values["ours"]:
                values.pop("0.95")
            if all(value is None for value in values.values()):
                values = {"most": knob.high}
            for at, value in values.items():
                if value is not None:
                    for way in engine.ways if at == next(a for a, v in values.items() if v is not None) else engine.ways[:1]:
                        job["runs"][(engine.name, at, way)] = (knob.params(value), knob.at(value))
        except Exception as e:
            print(f"  {engine.name} {predicate} FAILED: {e}", flush=True)
    shown = ", ".join(f"{n} {at} {params} {recall:.3f}" for (n, at, _), (params, recall) in job["runs"].items())
    print(f"  {predicate}: {ours['choice']}, {shown}", flush=True)
    return job


def rounds(options, live, jobs):
    """Median microseconds: of our search without a filter, then of the runs of each job."""
    jobs = [{"predicate": None, "runs": {("elanus", None, "kept"): ({}, None)}}, *jobs]
    seen = [{run: [] for run in job["runs"]} for job in jobs]
    by_name = {engine.name: engine for engine in live}
    for r in range(options.rounds):
        for job, times in zip(jobs, seen):
            for run in list(job["runs"])[::1 if r % 2 == 0 else -1]:
                name, _, way = run
                params, _ = job["runs"][run]
                one = by_name[name].call("time", predicate=job["predicate"], params=params, way=way, seconds=options.seconds)
                times[run].append(one["us"])
    return [{run: statistics.median(us) for run, us in times.items()} for times in seen]


def write(record, about, s, job, times, free_us, free_recall):
    ours, us = job["ours"], {way: us for (name, _, way), us in times.items() if name == "elanus"}
    allowed = int((predicates.mask(predicates.table(), job["predicate"])).sum())
    about = {**about, "threads": 1, "filter": job["predicate"], "expression": predicates.PREDICATES[job["predicate"]].elanus,
             "allowed": allowed, "our_recall": round(ours["recall"], 4), "our_choice": ours["choice"]}
    for our_way, our_us in us.items():
        record.add("filtered_us", our_us, free_us, "unfiltered", "us", **about, our_way=our_way, peer_recall=round(free_recall, 4))
        for (name, at, way), (params, recall) in job["runs"].items():
            if name != "elanus" and way in (ALIKE[our_way], "itself"):
                record.add("filtered_us", our_us, times[(name, at, way)], name, "us", **about, our_way=our_way, at=at, way=way,
                           peer_params=params, peer_recall=round(recall, 4))
