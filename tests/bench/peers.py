"""The peers that live in memory, each with what its users have."""
import os
import time

import numpy as np
from engines import Engine

CODED = ("IVF_SQ8", "IVF_SQ8H", "IVF_PQ", "IVF_PQ_REFINE")


class Faiss(Engine):
    name, normalises = "faiss", True
    families = ("FLAT", "IVF_FLAT", *CODED, "HNSW", "RNSG", "BIN_FLAT", "BIN_IVF_FLAT", "BIN_HNSW")
    metrics = ("l2", "ip", "cosine", "hamming")

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import faiss

        self.faiss = faiss

    def version(self):
        return f"{self.faiss.__version__} {self.faiss.get_compile_options().strip()}"

    def empty(self, dim, index_type, params):
        f = self.faiss
        metric = f.METRIC_L2 if self.metric == "l2" else f.METRIC_INNER_PRODUCT
        if self.set.binary:
            index = f.IndexBinaryFlat(dim)
            if index_type == "BIN_IVF_FLAT":
                self.coarse = index
                index = f.IndexBinaryIVF(self.coarse, dim, params["nlist"])
            elif index_type == "HNSW":
                index = f.IndexBinaryHNSW(dim, params["M"])
                index.hnsw.efConstruction = params["efConstruction"]
            return index
        if index_type == "RNSG":
            # Over normalised vectors the order of L2 is that of COSINE. NNDescent is its fast way to the neighbours.
            index = f.IndexNSGFlat(dim, params["out_degree"], f.METRIC_L2)
            index.build_type, index.GK = 1, params["knng"]
            index.nsg.L, index.nsg.C = params["search_length"], params["candidate_pool_size"]
            return index
        if index_type == "HNSW":
            index = f.IndexHNSWFlat(dim, params["M"], metric)
            index.hnsw.efConstruction = params["efConstruction"]
            return index
        flat = f.IndexFlat(dim, metric)
        if index_type == "FLAT":
            return flat
        self.coarse = flat
        if index_type == "IVF_FLAT":
            return f.IndexIVFFlat(flat, dim, params["nlist"], metric)
        if index_type == "IVF_PQ":
            return f.IndexIVFPQ(flat, dim, params["nlist"], params["m"], params["nbits"], metric)
        return f.IndexIVFScalarQuantizer(flat, dim, params["nlist"], f.ScalarQuantizer.QT_8bit, metric)

    def build(self, s, family, params, threads):
        self.faiss.omp_set_num_threads(threads)
        x = self.vectors(s.base)
        self.index_type, self.refines = family.index_type, "refine_k" in family.search(s)
        start = time.perf_counter()
        self.index = self.empty(s.dim, family.index_type, params)
        if self.refines:
            self.base = self.index
            self.index = self.faiss.IndexRefineFlat(self.base)
        if not self.index.is_trained:
            self.index.train(x)
        self.index.add(x)
        return time.perf_counter() - start

    @property
    def raw(self):
        return self.index_type not in ("IVF_SQ8", "IVF_SQ8H", "IVF_PQ") or self.refines

    def save(self):
        (self.faiss.write_index_binary if self.set.binary else self.faiss.write_index)(self.index, self.path)

    def load(self, s, family):
        self.index = (self.faiss.read_index_binary if self.set.binary else self.faiss.read_index)(self.path)

    def use(self, k, params, threads):
        self.faiss.omp_set_num_threads(threads)
        index = self.faiss.downcast_index(self.index) if not self.set.binary else self.index
        if "refine_k" in params:
            index.k_factor = params["refine_k"]
            index = self.faiss.downcast_index(index.base_index)
        if "nprobe" in params:
            index.nprobe = params["nprobe"]
        if "ef" in params:
            index.hnsw.efSearch = params["ef"]
        if "search_length" in params:
            index.nsg.search_L = params["search_length"]
        self.k, pointer = k, self.faiss.swig_ptr
        self.ids = np.empty((1, k), np.int64)
        self.scores = np.empty((1, k), np.int32 if self.set.binary else np.float32)
        self.pointers = [pointer(row) for row in self.rows], pointer(self.scores), pointer(self.ids)

    def one(self, i):
        rows, scores, ids = self.pointers
        self.index.search_c(1, rows[i], self.k, scores, ids)
        return self.ids[0]

    def batch(self):
        return self.index.search(self.queries, self.k)[1]


class Hnswlib(Engine):
    name, families, normalises = "hnswlib", ("FLAT", "HNSW"), True

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import hnswlib

        self.hnswlib, self.space = hnswlib, {"l2": "l2", "ip": "ip", "cosine": "ip"}[self.metric]

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("hnswlib") + " -march=native"

    def build(self, s, family, params, threads):
        x = self.vectors(s.base)
        start = time.perf_counter()
        if family.index_type == "FLAT":
            self.index = self.hnswlib.BFIndex(self.space, s.dim)
            self.index.init_index(len(x))
            self.index.add_items(x)
            return time.perf_counter() - start
        self.index = self.hnswlib.Index(self.space, s.dim)
        self.index.init_index(len(x), M=params["M"], ef_construction=params["efConstruction"], random_seed=1)
        self.index.add_items(x, num_threads=threads)
        return time.perf_counter() - start

    def save(self):
        self.index.save_index(self.path)

    def load(self, s, family):
        self.index = (self.hnswlib.BFIndex if family.index_type == "FLAT" else self.hnswlib.Index)(self.space, s.dim)
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
    name, families = "usearch", ("FLAT", "HNSW", "BIN_FLAT", "BIN_HNSW")
    metrics = ("l2", "ip", "cosine", "hamming", "jaccard")

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import usearch.index

        self.usearch = usearch

    def version(self):
        return self.usearch.__version__

    def build(self, s, family, params, threads):
        params = {"M": 16, "efConstruction": 1, **params}  # FLAT has none, and its graph is not searched
        # Its bits are those of numpy.packbits; which of the eight comes first changes no distance. TANIMOTO of bits is
        # what others call JACCARD.
        metric = {"l2": "l2sq", "ip": "ip", "cosine": "cos", "hamming": "hamming", "jaccard": "tanimoto"}[self.metric]
        start = time.perf_counter()
        self.index = self.usearch.index.Index(
            ndim=s.dim, metric=metric, dtype="b1" if s.binary else "f32", connectivity=params["M"],
            expansion_add=params["efConstruction"])
        self.index.add(np.arange(len(s.base), dtype=np.uint64), self.vectors(s.base), threads=threads)
        return time.perf_counter() - start

    def save(self):
        self.index.save(self.path)

    def load(self, s, family):
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
    name, families = "zvec", ("FLAT", "IVF_FLAT", "HNSW", "DISKANN")

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import zvec

        threads = int(os.environ["OMP_NUM_THREADS"])  # once a process
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=threads, optimize_threads=threads)
        self.zvec = zvec

    def version(self):
        return self.zvec.__version__

    def build(self, s, family, params, threads):
        z, x = self.zvec, s.base
        metric = {"l2": z.MetricType.L2, "ip": z.MetricType.IP, "cosine": z.MetricType.COSINE}[self.metric]
        index = {
            "FLAT": lambda: z.FlatIndexParam(metric_type=metric),
            "IVF_FLAT": lambda: z.IVFIndexParam(metric_type=metric, n_list=params["nlist"]),
            "HNSW": lambda: z.HnswIndexParam(metric_type=metric, m=params["M"], ef_construction=params["efConstruction"]),
            "DISKANN": lambda: z.DiskAnnIndexParam(
                metric_type=metric, max_degree=params["max_degree"], list_size=params["search_list_size"]),
        }[family.index_type]()
        vectors = z.VectorSchema("v", z.DataType.VECTOR_FP32, s.dim, index_param=index)
        self.index_type = family.index_type
        self.index = z.create_and_open(self.path, self.schema("c", vectors))
        for first in range(0, len(x), 1000):
            rows = x[first:first + 1000].tolist()
            self.index.insert([z.Doc(id=str(first + i), vectors={"v": v}, fields=self.attributes(first + i)) for i, v in enumerate(rows)])
        self.index.flush()
        start = time.perf_counter()
        self.index.optimize()
        self.index.flush()
        return time.perf_counter() - start

    def schema(self, name, vectors):
        return self.zvec.CollectionSchema(name=name, vectors=vectors)

    def attributes(self, row):
        """What a row has beside its vector."""
        return {}

    def load(self, s, family):
        self.index_type = family.index_type
        self.index = self.zvec.open(self.path)

    def prepare(self, queries):
        self.rows = queries.tolist()

    def use(self, k, params, threads):
        z = self.zvec
        self.k, self.threads = k, threads
        self.param = {
            "IVF_FLAT": lambda: z.IVFQueryParam(nprobe=params["nprobe"]),
            "HNSW": lambda: z.HnswQueryParam(ef=params["ef"]),
            "DISKANN": lambda: z.DiskAnnQueryParam(list_size=params["search_list"]),
        }.get(self.index_type, lambda: None)()

    def one(self, i):
        query = self.zvec.Query("v", vector=self.rows[i], param=self.param)
        return np.array([int(d.id) for d in self.index.query(query, topk=self.k, output_fields=[])])

    def batch(self):
        return self.each(self.threads)


class Annoy(Engine):
    name, families = "annoy", ("ANNOY",)

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import annoy

        self.index = annoy.AnnoyIndex(s.dim, {"l2": "euclidean", "ip": "dot", "cosine": "angular"}[self.metric])
        self.index.set_seed(1)

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("annoy") + " -march=native"

    def build(self, s, family, params, threads):
        for i, row in enumerate(s.base):  # one call a row: Python's cost, and not counted
            self.index.add_item(i, row.tolist())
        start = time.perf_counter()
        self.index.build(params["n_trees"], n_jobs=threads)
        return time.perf_counter() - start

    def save(self):
        self.index.save(self.path)

    def load(self, s, family):
        self.index.load(self.path)

    def prepare(self, queries):
        self.rows = queries.tolist()

    def use(self, k, params, threads):
        self.k, self.threads, self.search_k = k, threads, params["search_k"]

    def one(self, i):
        return np.array(self.index.get_nns_by_vector(self.rows[i], self.k, self.search_k))

    def batch(self):
        return self.each(self.threads)
