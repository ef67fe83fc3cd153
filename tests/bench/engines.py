"""Every engine behind one face, ours here and the peers' in peers.py and disks.py. A worker process holds one of them.

    build(s, family, params, threads) -> seconds   training and adding; loading Python objects before it is not counted
    save() / load(s, family)                       load runs in another process than build, and counts as opening
    size() -> bytes                                of the index in files, after save(); `raw` says whether the vectors are in them
    use(k, params, threads)                        search parameters for the calls that follow
    one(i) / batch()                               the ids of query i / of all queries that prepare() was given

COSINE goes to engines that have none as inner product (or L2) over normalised vectors, which is how their users get it.
"""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def normalised(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


def tree_bytes(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(path) for f in fs)


class Engine:
    families = ()
    metrics = ("l2", "ip", "cosine")  # of those families' own, what this engine can measure
    normalises = False  # whether cosine is inner product over normalised vectors here
    raw = True  # whether size() holds the vectors themselves

    def __init__(self, s, folder):
        self.set, self.metric, self.folder = s, s.metric, folder
        self.path = os.path.join(folder, "index")

    @classmethod
    def takes(cls, family_name, metric):
        return family_name in cls.families and metric in cls.metrics

    def vectors(self, x):
        if x.dtype == np.uint8:
            return np.ascontiguousarray(x)
        if self.normalises and self.metric == "cosine":
            x = normalised(x)
        return np.ascontiguousarray(x, np.float32)

    def prepare(self, queries):
        self.queries = self.vectors(queries)
        self.rows = list(self.queries)

    def save(self):
        pass

    def size(self):
        return tree_bytes(self.path)

    def call_us(self):
        """What a call through this engine's binding costs when it does nothing, where that is known."""
        return None

    def each(self, threads):
        """A batch for engines that have none: one query a call, on a pool of threads."""
        if threads == 1:
            return padded(map(self.one, range(len(self.rows))), self.k)
        if getattr(self, "pool", None) is None:
            self.pool = ThreadPoolExecutor(threads)
        return padded(self.pool.map(self.one, range(len(self.rows))), self.k)


def padded(found, k):
    """Rows of k ids, -1 where there were fewer."""
    found = list(found)
    out = np.full((len(found), k), -1, np.int64)
    for i, ids in enumerate(found):
        out[i, :len(ids)] = ids
    return out


class Elanus(Engine):
    name, raw = "elanus", False

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import elanus

        self.elanus = elanus
        self.library = elanus.Library(os.environ["ELANUS_LIBRARY"])
        self.database = None

    @classmethod
    def takes(cls, family_name, metric):
        return True

    def version(self):
        return f"{self.library.version().decode()} {self.library.info().get('simd', '')}"

    def open(self, threads, **options):
        """The pool belongs to the database: another number of threads is another open."""
        if self.database is not None:
            self.collection.free()
            self.database.close()
        self.threads = threads
        self.database = self.elanus.Database(self.library, self.path, threads=threads, segment_size_mb=2048, **options)

    def build(self, s, family, params, threads):
        self.open(threads, durability="async")
        self.collection = self.database.create("c", s.dim, s.binary)
        for first in range(0, len(s.base), 5000):
            self.collection.insert(first, s.base[first:first + 5000])
        self.collection.flush()
        start = time.perf_counter()
        self.collection.index(family.index_type, self.metric.upper(), params)
        return time.perf_counter() - start

    def size(self):
        """Of the index files; the rows lie in files of their own."""
        walk = [os.path.join(r, f) for r, _, fs in os.walk(self.path) for f in fs if f.startswith("index-")]
        return sum(os.path.getsize(f) for f in walk)

    def load(self, s, family):
        self.open(2)
        self.collection = self.database.open("c", s.dim, s.binary)

    def use(self, k, params, threads):
        if threads != self.threads:
            self.open(threads)
            self.collection = self.database.open("c", self.set.dim, self.set.binary)
        self.collection.use(k, params)
        self.addresses = [row.ctypes.data for row in self.rows]

    def one(self, i):
        return self.collection.search(self.addresses[i], 1)[0]

    def batch(self):
        return self.collection.search(self.queries.ctypes.data, len(self.queries))

    def call_us(self):
        start = time.perf_counter()
        for _ in range(10_000):
            self.library.result_count(None)
        return (time.perf_counter() - start) * 100


def engines():
    """All of them by name, ours first. Their libraries are imported when one is made."""
    import disks
    import peers

    found = (Elanus, peers.Faiss, peers.Hnswlib, peers.Usearch, peers.Zvec, peers.Annoy, disks.DiskAnnMemory, disks.DiskAnn)
    return {e.name: e for e in found}
