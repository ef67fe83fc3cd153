"""Every engine behind one face, ours and the peers'. A worker process holds one of them (worker.py).

    build(x, family, params, threads) -> seconds   training and adding; loading Python objects before it is not counted
    save() / load(family, dim)                     load runs in another process than build, and counts as opening
    use(k, params, threads)                        search parameters for the calls that follow
    one(i) / batch()                               the ids of query i / of all queries that prepare() was given

COSINE goes to faiss and hnswlib as inner product over normalised vectors, which is how their users get it.
"""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

FAMILIES = ("FLAT", "IVF_FLAT", "HNSW")


def normalised(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)


class Engine:
    families = FAMILIES
    normalises = False  # whether cosine is inner product over normalised vectors here

    def __init__(self, metric, folder):
        self.metric, self.folder = metric, folder
        self.path = os.path.join(folder, "index")

    def vectors(self, x):
        if self.normalises and self.metric == "cosine":
            x = normalised(x)
        return np.ascontiguousarray(x, np.float32)

    def prepare(self, queries):
        self.queries = self.vectors(queries)
        self.rows = list(self.queries)

    def save(self):
        pass

    def call_us(self):
        """What a call through this engine's binding costs when it does nothing, where that is known."""
        return None


class Elanus(Engine):
    name = "elanus"
    metrics = {"l2": "L2", "ip": "IP", "cosine": "COSINE"}

    def __init__(self, metric, folder):
        super().__init__(metric, folder)
        import elanus

        self.elanus = elanus
        self.library = elanus.Library(os.environ["ELANUS_LIBRARY"])
        self.database = None

    def version(self):
        return f"{self.library.version().decode()} {self.library.info().get('simd', '')}"

    def open(self, threads, **options):
        """The pool belongs to the database: another number of threads is another open."""
        if self.database is not None:
            self.collection.free()
            self.database.close()
        self.threads = threads
        self.database = self.elanus.Database(self.library, self.path, threads=threads, segment_size_mb=2048, **options)

    def build(self, x, family, params, threads):
        self.open(threads, durability="async")
        self.dim = x.shape[1]
        self.collection = self.database.create("c", self.dim)
        for first in range(0, len(x), 5000):
            self.collection.insert(first, x[first:first + 5000])
        self.collection.flush()
        start = time.perf_counter()
        self.collection.index(family, self.metrics[self.metric], params)
        return time.perf_counter() - start

    def load(self, family, dim):
        self.dim = dim
        self.open(2)
        self.collection = self.database.open("c", dim)

    def use(self, k, params, threads):
        if threads != self.threads:
            self.open(threads)
            self.collection = self.database.open("c", self.dim)
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


class Faiss(Engine):
    name, normalises = "faiss", True

    def __init__(self, metric, folder):
        super().__init__(metric, folder)
        import faiss

        self.faiss = faiss

    def version(self):
        return f"{self.faiss.__version__} {self.faiss.get_compile_options().strip()}"

    def build(self, x, family, params, threads):
        f = self.faiss
        f.omp_set_num_threads(threads)
        x = self.vectors(x)
        metric = f.METRIC_L2 if self.metric == "l2" else f.METRIC_INNER_PRODUCT
        start = time.perf_counter()
        self.index = f.IndexFlat(x.shape[1], metric)
        if family == "IVF_FLAT":
            self.coarse = self.index
            self.index = f.IndexIVFFlat(self.coarse, x.shape[1], params["nlist"], metric)
            self.index.train(x)
        elif family == "HNSW":
            self.index = f.IndexHNSWFlat(x.shape[1], params["M"], metric)
            self.index.hnsw.efConstruction = params["efConstruction"]
        self.index.add(x)
        return time.perf_counter() - start

    def save(self):
        self.faiss.write_index(self.index, self.path)

    def load(self, family, dim):
        self.index = self.faiss.read_index(self.path)

    def use(self, k, params, threads):
        self.faiss.omp_set_num_threads(threads)
        self.k = k
        if "nprobe" in params:
            self.index.nprobe = params["nprobe"]
        if "ef" in params:
            self.index.hnsw.efSearch = params["ef"]
        pointer = self.faiss.swig_ptr
        self.ids, self.scores = np.empty((1, k), np.int64), np.empty((1, k), np.float32)
        self.pointers = [pointer(row) for row in self.rows], pointer(self.scores), pointer(self.ids)

    def one(self, i):
        rows, scores, ids = self.pointers
        self.index.search_c(1, rows[i], self.k, scores, ids)
        return self.ids[0]

    def batch(self):
        return self.index.search(self.queries, self.k)[1]


class Hnswlib(Engine):
    name, families, normalises = "hnswlib", ("FLAT", "HNSW"), True

    def __init__(self, metric, folder):
        super().__init__(metric, folder)
        import hnswlib

        self.hnswlib, self.space = hnswlib, {"l2": "l2", "ip": "ip", "cosine": "ip"}[metric]

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("hnswlib") + " -march=native"

    def build(self, x, family, params, threads):
        x = self.vectors(x)
        start = time.perf_counter()
        if family == "FLAT":
            self.index = self.hnswlib.BFIndex(self.space, x.shape[1])
            self.index.init_index(len(x))
            self.index.add_items(x)
            return time.perf_counter() - start
        self.index = self.hnswlib.Index(self.space, x.shape[1])
        self.index.init_index(len(x), M=params["M"], ef_construction=params["efConstruction"], random_seed=1)
        self.index.add_items(x, num_threads=threads)
        return time.perf_counter() - start

    def save(self):
        self.index.save_index(self.path)

    def load(self, family, dim):
        self.index = (self.hnswlib.BFIndex if family == "FLAT" else self.hnswlib.Index)(self.space, dim)
        self.index.load_index(self.path)

    def use(self, k, params, threads):
        self.k, self.threads = k, threads
        if "ef" in params:
            self.index.set_ef(max(k, params["ef"]))

    def one(self, i):
        return self.index.knn_query(self.rows[i], self.k, num_threads=1)[0][0]

    def batch(self):
        return self.index.knn_query(self.queries, self.k, num_threads=self.threads)[0]


class Usearch(Engine):
    name, families = "usearch", ("FLAT", "HNSW")

    def __init__(self, metric, folder):
        super().__init__(metric, folder)
        import usearch.index

        self.usearch = usearch

    def version(self):
        return self.usearch.__version__

    def empty(self, dim, params):
        metric = {"l2": "l2sq", "ip": "ip", "cosine": "cos"}[self.metric]
        return self.usearch.index.Index(
            ndim=dim, metric=metric, dtype="f32", connectivity=params["M"], expansion_add=params["efConstruction"])

    def build(self, x, family, params, threads):
        params = {"M": 16, "efConstruction": 1, **params}  # FLAT has none, and its graph is not searched
        start = time.perf_counter()
        self.index = self.empty(x.shape[1], params)
        self.index.add(np.arange(len(x), dtype=np.uint64), np.ascontiguousarray(x), threads=threads)
        return time.perf_counter() - start

    def save(self):
        self.index.save(self.path)

    def load(self, family, dim):
        self.index = self.usearch.index.Index.restore(self.path)

    def use(self, k, params, threads):
        self.k, self.threads, self.exact = k, threads, "ef" not in params
        if not self.exact:
            self.index.expansion_search = params["ef"]

    def one(self, i):
        return self.index.search(self.rows[i], self.k, threads=1, exact=self.exact).keys.astype(np.int64)

    def batch(self):
        found = self.index.search(self.queries, self.k, threads=self.threads, exact=self.exact)
        return found.keys.astype(np.int64).reshape(-1, self.k)


class Zvec(Engine):
    name = "zvec"

    def __init__(self, metric, folder):
        super().__init__(metric, folder)
        import zvec

        threads = int(os.environ["OMP_NUM_THREADS"])  # once a process
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=threads, optimize_threads=threads)
        self.zvec = zvec

    def version(self):
        return self.zvec.__version__

    def build(self, x, family, params, threads):
        z = self.zvec
        metric = {"l2": z.MetricType.L2, "ip": z.MetricType.IP, "cosine": z.MetricType.COSINE}[self.metric]
        index = {
            "FLAT": lambda: z.FlatIndexParam(metric_type=metric),
            "IVF_FLAT": lambda: z.IVFIndexParam(metric_type=metric, n_list=params["nlist"]),
            "HNSW": lambda: z.HnswIndexParam(metric_type=metric, m=params["M"], ef_construction=params["efConstruction"]),
        }[family]()
        vectors = z.VectorSchema("v", z.DataType.VECTOR_FP32, x.shape[1], index_param=index)
        self.family = family
        self.index = z.create_and_open(self.path, z.CollectionSchema(name="c", vectors=vectors))
        for first in range(0, len(x), 1000):
            rows = x[first:first + 1000].tolist()
            self.index.insert([z.Doc(id=str(first + i), vectors={"v": v}) for i, v in enumerate(rows)])
        self.index.flush()
        start = time.perf_counter()
        self.index.optimize()
        self.index.flush()
        return time.perf_counter() - start

    def load(self, family, dim):
        self.family = family
        self.index = self.zvec.open(self.path)

    def prepare(self, queries):
        self.rows = queries.tolist()

    def use(self, k, params, threads):
        z = self.zvec
        self.k, self.pool = k, ThreadPoolExecutor(threads) if threads > 1 else None
        self.param = {"IVF_FLAT": lambda: z.IVFQueryParam(nprobe=params["nprobe"]),
                      "HNSW": lambda: z.HnswQueryParam(ef=params["ef"])}.get(self.family, lambda: None)()

    def one(self, i):
        query = self.zvec.Query("v", vector=self.rows[i], param=self.param)
        return np.array([int(d.id) for d in self.index.query(query, topk=self.k, output_fields=[])])

    def batch(self):
        found = list((self.pool.map if self.pool else map)(self.one, range(len(self.rows))))
        out = np.full((len(found), self.k), -1, np.int64)
        for i, ids in enumerate(found):
            out[i, :len(ids)] = ids
        return out


ENGINES = {e.name: e for e in (Elanus, Faiss, Hnswlib, Usearch, Zvec)}
