#!/usr/bin/env python3
"""Renders results/*.jsonl: into results/README.md for each measured thing the newest record of each peer, and into
docs/choosing-an-index.md what our index types do on each set. `--check` writes nothing and fails where a page is outdated."""
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")
GUIDE = os.path.join(HERE, "..", "..", "docs", "choosing-an-index.md")
KEY = ("topic", "data", "index_type", "metric", "what", "recall", "threads", "unit")
BEGIN, END = "<!-- measured: written by tests/bench/render.py, do not edit -->\n", "<!-- end of measured -->\n"


def number(x):
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def records():
    """Every line of every file with the file's name, oldest first."""
    for path in sorted(glob.glob(os.path.join(RESULTS, "*.jsonl"))):
        for line in open(path, encoding="utf-8"):
            yield json.loads(line), os.path.basename(path)


def newest_curves():
    """Of each set, index type and engine the points of its newest run: a run's points carry the time of its start."""
    newest = {}
    for r, _ in records():
        if r["topic"] == "curves":
            key = (r["data"], r["index_type"], r["engine"])
            if key in newest and newest[key][0]["time"] == r["time"]:
                newest[key].append(r)
            else:
                newest[key] = [r]
    return newest


def comparisons():
    newest = {}
    for r, source in records():
        if "ratio" in r and r["topic"] != "filters":
            group = newest.setdefault(tuple(str(r.get(k) if r.get(k) is not None else "") for k in KEY), {})
            group[r["peer_name"]] = (r, source)
    rows = []
    for key, peers in sorted(newest.items()):
        worst = min(r["ratio"] for r, _ in peers.values())
        r, source = next(v for v in peers.values() if v[0]["ratio"] == worst)
        others = ", ".join(f"{n} {number(p['peer'])} ({p['ratio']:.2f})" for n, (p, _) in sorted(peers.items()))
        _, data, index, metric, what, recall, threads, _ = key
        rows.append(f"| {data} | {index} {metric} | {what} | {recall} | {threads} | {number(r['ours'])} {r['unit']} | {others} | {worst:.2f} | {source} |")
    text = "# Measured beside the peers\n\n"
    text += "Rendered by `tests/bench/render.py` from the records in this folder (generated, do not edit): the newest of each comparison.\n"
    text += "A ratio above 1 means that Elanus is better; `least` is the ratio to the best peer. Each pair of figures comes from one run\n"
    text += "on one machine, in alternating rounds; the machine and the command are in the record. `recall` 1.0 means exact.\n\n"
    text += "Where a ratio is below 1: `index_bytes` counts our raw vectors with every index whose peer holds them itself, though ours lie in\n"
    text += "the segment once for all; beside them lie the seven-bit codes that make the searches fast. `busy_bytes` counts mapped pages of\n"
    text += "those vectors. diskann-memory has all in memory, more than four times what ours keeps there (`bytes`); where ours spends its time\n"
    text += "(perf record, one thread, w2v IP, search_list 27): sums of 8-bit codes 35 %, the search's own state 14 %, the rest mostly reading and\n"
    text += "checking blocks. diskann-disk reads past the system's cache, ours through it, which is most of that difference where the disk is\n"
    text += "slow. Peers whose recall ends low with a metric are compared at that recall.\n\n"
    if not rows:
        return text + "No record yet.\n"
    if os.path.exists(os.path.join(RESULTS, "recall-speed.png")):
        text += "![Recall against speed](recall-speed.png)\n\n"
    text += "| data | index | what | recall | threads | ours | peers (ratio) | least | record |\n"
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    return text + "\n".join(rows) + "\n" + filters() + scale()


def newest_filters():
    """Searches behind predicates (results/*-filters.jsonl, written by filters.py): of each index type, predicate and way of
    ours the newest record of each peer's way."""
    newest = {}
    for r, _ in records():
        if r["topic"] == "filters":
            key = (r["index_type"], r["allowed"], r["filter"], r["scalar_indexes"], r["our_way"])
            newest.setdefault(key, {})[(r["peer_name"], r.get("at"), r.get("way"))] = r
    return newest


def filters():
    """Beside the peers."""
    newest = newest_filters()
    if not newest:
        return ""
    text = "\n## Behind filters\n\nReal predicates of minilm-text-384-cos with exact ground truth; median us of a query, one at a time on one thread. Ours has its\n"
    text += "default parameters and reads the text of the predicate in each call; it remembers what a filter said of its rows (`kept`), and was\n"
    text += "timed with filters that it had not seen, too (`each_call`). A peer has the cheapest parameters that reach the recall named (`most`: its\n"
    text += "highest reaches neither 0.95 nor ours). Of those that only take a set of rows it was made beforehand (`prebuilt`), or in each\n"
    text += "call by pyarrow. In brackets the ratio, above 1 where ours is faster, and for `unfiltered` our own search without a filter. Below 1 beside\n"
    text += "faiss: only FLAT with 68 rows, where a call is all: one of ours from Python takes 20 to 30 us over 68 rows in all, without a filter, too.\n\n"
    text += "| index | filter | rows | ours: recall@10 | filter | us | way | unfiltered us | peers |\n"
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    for (index, allowed, name, indexed, our_way), peers in sorted(newest.items(), key=lambda item: (*item[0][:4], item[0][4] != "kept")):
        r = max(peers.values(), key=lambda r: r["time"])
        free = peers.pop(("unfiltered", None, None), None)
        cells = [f"{n} {way}, recall {p['peer_recall']:.3f} ({at}) {number(p['peer'])} ({p['ratio']:.2f})" for (n, at, way), p in peers.items()]
        own = f"{number(free['peer'])} ({free['ratio']:.2f})" if free else ""
        text += (f"| {index}{' and scalar indexes' if indexed else ''} | `{r['expression']}` | {allowed:,} | {r['our_recall']:.3f} | {our_way} | "
                 f"{number(r['ours'])} | {r['our_choice']} | {own} | {'; '.join(cells)} |\n")
    return text


def scale():
    """How each type grows: results/*-scale.jsonl, written by scale.py."""
    newest = {}
    for r, _ in records():
        if r["topic"] == "scale":
            newest[(r["index_type"], r["rows"], r["dim"], json.dumps(r["search_params"]))] = r
    if not newest:
        return ""
    text = "\n## Scale\n\nSynthetic clustered vectors (`tests/bench/scale.py`): how each type grows, not how good it is on real data. Build on two\n"
    text += "threads (CPU s: of both together), one query on one thread (CPU us: the processor's time of it); memory is the process' peak while\n"
    text += "building (mapped rows are in it) and resident while searching. * the machine did other work meanwhile: the clock and the speed say\n"
    text += "little, the processor's time is the work.\n\n"
    text += "| index | rows | build s | CPU s | build peak MiB | index MiB | search | recall@10 | queries/s | CPU us | resident MiB |\n"
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    for _, r in sorted(newest.items()):
        star = "*" if "remark" in r else ""
        text += (f"| {r['index_type']} | {r['rows']:,} x {r['dim']} | {number(r['build_s'])}{star} | {number(r['build_cpu_s'])} | "
                 f"{number(r['build_peak_mib'])} | {number(r['index_mib'])} | {knobs(r['search_params'])} | {r['recall']:.4f} | "
                 f"{number(r['qps'])}{star} | {number(r['cpu_us']) if 'cpu_us' in r else ''} | {number(r['resident_mib'])} |\n")
    return text


def knobs(params):
    return ", ".join(f"{name} {value}" for name, value in params.items())


def measured():
    """Our own figures on each set: the cheapest measured point that reaches a recall."""
    by_set = {}
    for (data, index, engine), points in newest_curves().items():
        if engine == "elanus":
            by_set.setdefault((data, points[0]["metric"]), {})[index] = points
    if not by_set:
        return "No record yet.\n"
    text = ""
    for (data, metric), types in sorted(by_set.items()):
        first = next(iter(types.values()))[0]
        text += f"\n**{data}**: {first['rows']:,} x {first['dim']}, {metric}, k = 10\n\n"
        text += "| index type | build parameters | recall 0.95: queries/s | recall 0.99: queries/s | build s | bytes a vector |\n"
        text += "| --- | --- | --- | --- | --- | --- |\n"
        for index, points in sorted(types.items()):
            cells = []
            for target in (0.95, 0.99):
                reached = [r for r in points if r["recall"] >= target]
                best = max(reached, key=lambda r: r["qps"], default=None)
                most = f"at most {points[0]['most']:.3f}"
                cells.append(most if best is None else f"{number(best['qps'])} ({knobs(best['params']) or 'exact'})")
            r = points[0]
            build = knobs(r["build_params"])
            text += (f"| {index} | {build} | {cells[0]} | {cells[1]} | "
                     f"{number(r['build_s'])} | {number(r['index_bytes'])} |\n")
    return text


def behind_filters():
    """Our own searches behind predicates."""
    types, rows = {}, {}
    for (index, allowed, name, indexed, our_way), peers in newest_filters().items():
        free = peers.get(("unfiltered", None, None))
        if free and not indexed:
            types[index] = free["peer"]
            row = rows.setdefault((allowed, free["expression"]), {}).setdefault(index, {"recall": free["our_recall"]})
            row[our_way] = free["ours"]
    if not rows:
        return ""
    text = "\n**Behind filters** (minilm-text-384-cos: 150,000 x 384, COSINE, k = 10, default parameters): recall@10, microseconds of a query on one\n"
    text += "thread with a filter that was asked before / never\n\n"
    text += f"| filter | rows | {' | '.join(types)} |\n| --- | --- |{' --- |' * len(types)}\n"
    text += f"| none | 150,000 | {' | '.join(number(us) for us in types.values())} |\n"
    for (allowed, expression), row in sorted(rows.items()):
        cells = [f"{r['recall']:.3f}, {number(r['kept'])} / {number(r['each_call'])}" for r in (row[t] for t in types)]
        text += f"| `{expression}` | {allowed:,} | {' | '.join(cells)} |\n"
    return text


def write(path, text, check):
    old = open(path, encoding="utf-8").read() if os.path.exists(path) else None
    if old == text:
        return True
    if check:
        print(f"{os.path.relpath(path, os.path.join(HERE, '..', '..'))} is outdated: run tests/bench/render.py")
        return False
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return True


def main():
    check = sys.argv[1:] == ["--check"]
    fresh = write(os.path.join(RESULTS, "README.md"), comparisons(), check)
    page = open(GUIDE, encoding="utf-8").read()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    fresh &= write(GUIDE, before + BEGIN + measured() + behind_filters() + END + after, check)
    sys.exit(0 if fresh else 1)


if __name__ == "__main__":
    main()
