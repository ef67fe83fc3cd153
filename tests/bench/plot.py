#!/usr/bin/env python3
"""Draws results/*-curves.jsonl into results/recall-speed.png: recall against speed, ours and the peers', a panel a set
(the large ones, where there are any)."""
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from render import RESULTS, newest_curves
from sets import SETS_SMALL

MARKS = {"elanus": "o", "faiss": "s", "hnswlib": "^", "usearch": "v", "zvec": "D", "annoy": "P", "diskann-memory": "X", "diskann-disk": "x"}


def main():
    curves = newest_curves()
    if not curves:
        print("no curves yet")
        return
    names = sorted({data for data, *_ in curves if data not in SETS_SMALL} or {data for data, *_ in curves})
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(9 * columns, 6.5 * rows), squeeze=False)
    for panel in panels.flat[len(names):]:
        panel.set_axis_off()
    for name, panel in zip(names, panels.flat):
        metric, types = "", sorted({index for data, index, _ in curves if data == name})
        color = {index: plt.get_cmap("tab10")(i % 10) for i, index in enumerate(types)}
        for (data, index, engine), lines in sorted(curves.items()):
            if data != name:
                continue
            metric = lines[0]["metric"]
            points = sorted((r["recall"], r["qps"]) for r in lines)
            # Only points that no other beats in both.
            points = [p for p in points if not any(q[0] >= p[0] and q[1] > p[1] for q in points)]
            ours = engine == "elanus"
            panel.plot(*zip(*points), color=color[index], marker=MARKS.get(engine, "."), markersize=6 if ours else 4,
                       linestyle="-" if ours else ":", linewidth=2.2 if ours else 1.2, alpha=1 if ours else 0.75,
                       label=f"{index} {'Elanus' if ours else engine}")
        panel.set(title=f"{name} ({metric})", xlabel="recall@10", ylabel="queries a second, one thread", yscale="log")
        panel.set_xlim(0.8, 1.002)
        panel.grid(alpha=0.3, which="both")
        panel.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    figure.savefig(os.path.join(RESULTS, "recall-speed.png"), dpi=80)


if __name__ == "__main__":
    main()
