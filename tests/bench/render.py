#!/usr/bin/env python3
"""Renders results/*.jsonl into results/README.md: for each measured thing the newest record of each peer."""
import glob
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")
KEY = ("topic", "data", "index_type", "metric", "what", "recall", "threads")


def number(x):
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def main():
    newest = {}
    for path in sorted(glob.glob(os.path.join(RESULTS, "*.jsonl"))):
        for line in open(path, encoding="utf-8"):
            r = json.loads(line)
            group = newest.setdefault(tuple(str(r[k] if r[k] is not None else "") for k in KEY), {})
            group[r["peer_name"]] = (r, os.path.basename(path))
    rows = []
    for key, peers in sorted(newest.items()):
        worst = min(r["ratio"] for r, _ in peers.values())
        r, source = next(v for v in peers.values() if v[0]["ratio"] == worst)
        others = ", ".join(f"{n} {number(p['peer'])} ({p['ratio']:.2f})" for n, (p, _) in sorted(peers.items()))
        _, data, index, metric, what, recall, threads = key
        rows.append(f"| {data} | {index} {metric} | {what} | {recall} | {threads} | {number(r['ours'])} {r['unit']} | {others} | {worst:.2f} | {source} |")
    with open(os.path.join(RESULTS, "README.md"), "w", encoding="utf-8") as out:
        out.write("# Measured beside the peers\n\n")
        out.write("Rendered by `tests/bench/render.py` from the records in this folder (generated, do not edit): the newest of each comparison.\n")
        out.write("A ratio above 1 means that Elanus is better; `least` is the ratio to the best peer. Each pair of figures comes from one run\n")
        out.write("on one machine, in alternating rounds; the machine and the command are in the record. `recall` 1.0 means exact.\n\n")
        if not rows:
            out.write("No record yet.\n")
            return
        out.write("| data | index | what | recall | threads | ours | peers (ratio) | least | record |\n")
        out.write("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
        out.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
