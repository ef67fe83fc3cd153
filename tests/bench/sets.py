"""The sets a benchmark can run on: those of examples/data always, the large ones where they are unpacked."""
import os
from dataclasses import dataclass

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = os.path.join(ROOT, "examples", "data")
LARGE = os.environ.get("BENCH_DATA", os.path.join(ROOT, "target", "bench-data"))
BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


@dataclass
class Set:
    name: str
    metric: str  # l2, ip, cosine, hamming or jaccard
    base: np.ndarray  # float32, n x dim; or uint8, n x dim / 8
    queries: np.ndarray
    truth: np.ndarray  # int32, nq x 100, exact, nearest first

    @property
    def binary(self):
        return self.base.dtype == np.uint8

    @property
    def dim(self):
        return self.base.shape[1] * (8 if self.binary else 1)

    @property
    def row_bytes(self):
        return self.base.shape[1] * self.base.dtype.itemsize

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


def bits(path, dim):
    return np.fromfile(path, np.uint8).reshape(-1, dim // 8)


# Name: folder, dimension, metric, how its vectors are stored.
SETS_SMALL = {
    "minilm-10k": ("minilm", 384, "cosine", "i12", unpack12),
    "w2v-4k": ("w2v", 100, "l2", "i16", unpack16),
    "w2v-4k-ip": ("w2v", 100, "ip", "i16", unpack16),
    "sign-10k": ("sign", 384, "hamming", "u8", bits),
    "tags-4k": ("tags", 256, "jaccard", "u8", bits),
}
SETS_LARGE = {
    "minilm-text-384-cos": ("minilm-text-384-cos", 384, "cosine"),
    "fashion-mnist-784-l2": ("fashion-mnist-784-l2", 784, "l2"),
    "w2v-en-100-ip": ("w2v-en-100-ip", 100, "ip"),
    "morgan-2048-jaccard": ("morgan-2048-jaccard", 2048, "jaccard"),
    "morgan-2048-hamming": ("morgan-2048-jaccard", 2048, "hamming"),
}


def large(name):
    """A large set's folder holds base.f32 (or .u8), queries.f32, gt_<metric>.i32."""
    folder, dim, metric = SETS_LARGE[name]
    path = lambda f: os.path.join(LARGE, folder, f)
    near = truth(path(f"gt_{metric}.i32"))
    if metric in ("hamming", "jaccard"):
        base = np.memmap(path("base.u8"), np.uint8, "r").reshape(-1, dim // 8)
        return Set(name, metric, base, bits(path("queries.u8"), dim), near)
    base = np.memmap(path("base.f32"), "<f4", "r").reshape(-1, dim)
    return Set(name, metric, base, np.fromfile(path("queries.f32"), "<f4").reshape(-1, dim), near)


def truth(path):
    return np.fromfile(path, "<i4").reshape(-1, 100)


def names():
    there = [n for n, (folder, *_) in SETS_LARGE.items() if os.path.isdir(os.path.join(LARGE, folder))]
    return [*SETS_SMALL, *there]


def load(name, queries=1000):
    if name in SETS_SMALL:
        folder, dim, metric, stored, unpack = SETS_SMALL[name]
        path = lambda f: os.path.join(SMALL, folder, f)
        s = Set(name, metric, unpack(path(f"base.{stored}"), dim), unpack(path(f"queries.{stored}"), dim), truth(path(f"gt_{metric}.i32")))
    else:
        s = large(name)
    s.queries, s.truth = s.queries[:queries], s.truth[:queries]
    return s


def distances(s, query, rows):
    """Exact distances of base rows to a query; smaller is nearer."""
    if s.binary:
        q, x = s.queries[query], s.base[rows]
        if s.metric == "hamming":
            return BITS[q ^ x].sum(1, dtype=np.float64)
        either = BITS[q | x].sum(1, dtype=np.float64)
        return np.where(either > 0, 1 - BITS[q & x].sum(1, dtype=np.float64) / np.maximum(either, 1), 1.0)
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
        ids = ids[(ids >= 0) & (ids < len(s.base))].astype(np.int64)
        right += min(k, int((distances(s, i, ids) <= worst + 1e-6 * abs(worst) + 1e-9).sum()))
    return right / (k * len(found))
