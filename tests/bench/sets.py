"""The sets a benchmark can run on: those of examples/data always, the large ones where they are unpacked."""
import os
from dataclasses import dataclass

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = os.path.join(ROOT, "examples", "data")
LARGE = os.environ.get("BENCH_DATA", os.path.join(ROOT, "target", "bench-data"))


@dataclass
class Set:
    name: str
    metric: str  # l2, ip or cosine
    base: np.ndarray  # float32, n x dim
    queries: np.ndarray
    truth: np.ndarray  # int32, nq x 100, exact, nearest first

    @property
    def nlist(self):
        return 1024 if len(self.base) >= 50_000 else 128


def unpack12(path, dim):
    """Two signed 12-bit integers in three bytes, times 1/4096 (examples/data/README.md)."""
    b = np.fromfile(path, np.uint8).reshape(-1, 3).astype(np.int32)
    pair = np.stack([b[:, 0] | (b[:, 1] & 15) << 8, b[:, 1] >> 4 | b[:, 2] << 4], axis=1)
    return (((pair ^ 0x800) - 0x800) / 4096).astype(np.float32).reshape(-1, dim)


def unpack16(path, dim):
    return (np.fromfile(path, "<i2") / 4096).astype(np.float32).reshape(-1, dim)


def large(name):
    """A large set's folder holds base.f32, queries.f32, gt_<metric>.i32."""
    folder, dim = os.path.join(LARGE, name), int(name.split("-")[-2])
    metric = {"cos": "cosine"}.get(name.split("-")[-1], name.split("-")[-1])
    base = np.memmap(os.path.join(folder, "base.f32"), "<f4", "r").reshape(-1, dim)
    queries = np.fromfile(os.path.join(folder, "queries.f32"), "<f4").reshape(-1, dim)
    return Set(name, metric, base, queries, truth(os.path.join(folder, f"gt_{metric}.i32")))


def truth(path):
    return np.fromfile(path, "<i4").reshape(-1, 100)


def names():
    found = ["minilm-10k", "w2v-4k"]
    for name in ("minilm-text-384-cos", "fashion-mnist-784-l2"):
        if os.path.exists(os.path.join(LARGE, name, "base.f32")):
            found.append(name)
    return found


def load(name, queries=1000):
    if name == "minilm-10k":
        path = lambda f: os.path.join(SMALL, "minilm", f)
        s = Set(name, "cosine", unpack12(path("base.i12"), 384), unpack12(path("queries.i12"), 384), truth(path("gt_cosine.i32")))
    elif name == "w2v-4k":
        path = lambda f: os.path.join(SMALL, "w2v", f)
        s = Set(name, "l2", unpack16(path("base.i16"), 100), unpack16(path("queries.i16"), 100), truth(path("gt_l2.i32")))
    else:
        s = large(name)
    s.queries, s.truth = s.queries[:queries], s.truth[:queries]
    return s


def distances(s, query, rows):
    """Exact distances of base rows to a query; smaller is nearer."""
    q, x = s.queries[query].astype(np.float64), s.base[rows].astype(np.float64)
    if s.metric == "l2":
        return ((x - q) ** 2).sum(1)
    dot = x @ q
    return -dot if s.metric == "ip" else -dot / (np.linalg.norm(x, axis=1) * np.linalg.norm(q))


def recall(s, found, k):
    """The share of hits that are at least as near as the k-th true neighbour: an equally near row is no error."""
    right = 0
    for i, ids in enumerate(found):
        worst = distances(s, i, s.truth[i, :k]).max()
        ids = np.unique(np.asarray(ids)[:k])
        ids = ids[(ids >= 0) & (ids < len(s.base))]
        right += min(k, int((distances(s, i, ids) <= worst + 1e-6 * abs(worst) + 1e-9).sum()))
    return right / (k * len(found))
