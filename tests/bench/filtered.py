"""The engines of engines.py with rows' attributes beside their vectors, searched behind a predicate of predicates.py.

A worker process of filters.py (see worker.py, whose operations it extends) when it is run.

    filter(name)       the predicate of the calls that follow; None for none
    one(i)             behind it. Engines that read predicates read the text in each call
    make_selector()    of engines that only take a set of rows (`ways` says which): evaluates the predicate, and makes the
                       selector of it. Once before the calls, or with "each_call" in each of them

LanceDB has what it needs for this topic only.
"""
import os
import sys
import time

import numpy as np

import peers
import predicates
import sets
import worker
from engines import Elanus, Engine, padded
from families import FAMILIES

BATCH = 5000


class FilteredElanus(Elanus):
    # It remembers what filters said of its rows: as they are asked again, and (`each_call`) as none was asked before.
    ways, way = ("kept", "each_call"), "kept"
    asked = 0
    fields = {
        "text": {"data_type": "VARCHAR", "max_length": 100},
        "number": {"data_type": "INT64", "nullable": True},
        "texts": {"data_type": "ARRAY", "element_type": "VARCHAR", "max_capacity": 100, "max_length": 100},
    }
    text = None

    def build(self, s, family, params, threads):
        e = self.elanus
        self.open(threads, durability="async")
        fields = [{"name": name, **self.fields[kind]} for name, kind in predicates.COLUMNS.items()]
        self.collection = self.database.create("c", s.dim, fields=fields)
        make, columns = {"text": e.texts, "number": e.numbers, "texts": e.lists}, predicates.columns()
        for first in range(0, len(s.base), BATCH):
            rows = slice(first, first + BATCH)
            self.collection.insert(first, s.base[rows], [make[predicates.COLUMNS[n]](n, v[rows]) for n, v in columns.items()])
        self.collection.flush()
        start = time.perf_counter()
        self.collection.index(family.index_type, self.metric.upper(), params)
        if os.environ.get("BENCH_SCALAR_INDEXES"):
            for name, kind in predicates.COLUMNS.items():
                if kind != "texts":
                    self.collection.scalar_index(name)
        return time.perf_counter() - start

    def filter(self, name):
        self.text = predicates.PREDICATES[name].elanus if name else None

    def use(self, k, params, threads):
        super().use(k, params, threads)
        self.collection.use(k, params, self.text)

    def one(self, i):
        if self.way == "each_call" and self.text:
            # Another filter, of the same rows and one condition more.
            self.asked += 1
            self.collection.filter(f"({self.text}) and id >= -{self.asked}")
        return super().one(i)

    def choice(self):
        """How the planner goes about it, of the largest segment."""
        return max(self.collection.explain()["segments"], key=lambda segment: segment["rows"])["choice"]


class FilteredFaiss(peers.Faiss):
    ways, way = ("prebuilt", "each_call"), "prebuilt"
    selector = name_ = None

    def load(self, s, family):
        super().load(s, family)
        self.index_type, self.table = family.index_type, predicates.table()

    def make_selector(self):
        f, mask = self.faiss, predicates.mask(self.table, self.name_)
        if self.index_type == "FLAT":  # the list of rows is scored as it is, where a bitmap is asked of every row
            return f.IDSelectorArray(np.flatnonzero(mask))
        return f.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def filter(self, name):
        self.name_, self.selector = name, None
        if name is not None:
            self.selector = self.make_selector()

    def use(self, k, params, threads):
        super().use(k, params, threads)
        f = self.faiss
        if "nprobe" in params:
            self.parameters = f.SearchParametersIVF(sel=self.selector, nprobe=params["nprobe"])
        elif "ef" in params:
            self.parameters = f.SearchParametersHNSW(sel=self.selector, efSearch=params["ef"])
        else:
            self.parameters = f.SearchParameters(sel=self.selector)

    def one(self, i):
        rows, scores, ids = self.pointers
        if self.way == "each_call":
            selector = self.make_selector()
            self.parameters.sel = selector
        self.index.search_c(1, rows[i], self.k, scores, ids, self.parameters)
        return self.ids[0]


class FilteredHnswlib(peers.Hnswlib):
    ways, way = ("prebuilt", "each_call"), "prebuilt"
    selector = name_ = None

    def load(self, s, family):
        super().load(s, family)
        self.table = predicates.table()

    def make_selector(self):
        """Its filter is a function of a row. That of a list has no frame of Python's to set up, and it is asked only of rows
        that would be hits: nothing else that Python can make is faster."""
        return predicates.mask(self.table, self.name_).tolist().__getitem__

    def filter(self, name):
        self.name_ = name
        self.selector = None if name is None else self.make_selector()

    def one(self, i):
        selector = self.make_selector() if self.way == "each_call" else self.selector
        return self.index.knn_query(self.rows[i], self.k, num_threads=1, filter=selector)[0][0]


class FilteredZvec(peers.Zvec):
    ways = ("itself",)
    text = None

    def schema(self, name, index):
        z, indexed = self.zvec, {}
        kinds = {"text": z.DataType.STRING, "number": z.DataType.INT64, "texts": z.DataType.ARRAY_STRING}
        if os.environ.get("BENCH_SCALAR_INDEXES"):
            indexed = {"index_param": z.InvertIndexParam(enable_range_optimization=True)}
        fields = [z.FieldSchema(n, kinds[kind], nullable=kind == "number", **indexed) for n, kind in predicates.COLUMNS.items()]
        return z.CollectionSchema(name=name, fields=fields, vectors=index)

    def build(self, s, family, params, threads):
        self.columns = predicates.columns()
        return super().build(s, family, params, threads)

    def attributes(self, row):
        return {name: values[row] for name, values in self.columns.items()}

    def filter(self, name):
        self.text = predicates.PREDICATES[name].zvec if name else None

    def one(self, i):
        query = self.zvec.Query("v", vector=self.rows[i], param=self.param)
        return np.array([int(d.id) for d in self.index.query(query, topk=self.k, filter=self.text, output_fields=[])])


class LanceDB(Engine):
    name, families, ways = "lancedb", ("FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW"), ("itself",)
    text = None

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import lancedb

        self.lancedb, self.database = lancedb, lancedb.connect(self.path)

    def version(self):
        return self.lancedb.__version__

    def build(self, s, family, params, threads):
        import pyarrow as pa
        from lancedb import index

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.asarray(s.base).reshape(-1)), s.dim)
        self.table = self.database.create_table("c", pa.table({**predicates.table(), "vector": vectors}))
        start = time.perf_counter()
        config = {
            "IVF_FLAT": lambda: index.IvfFlat(distance_type=self.metric, num_partitions=params["nlist"]),
            "IVF_SQ8": lambda: index.IvfSq(distance_type=self.metric, num_partitions=params["nlist"]),
            "HNSW": lambda: index.HnswFlat(
                distance_type=self.metric, num_partitions=1, m=params["M"], ef_construction=params["efConstruction"]),
        }.get(family.index_type)
        if config:
            self.table.create_index("vector", config=config())
        if os.environ.get("BENCH_SCALAR_INDEXES"):
            suited = {"text": index.Bitmap, "number": index.BTree, "texts": index.LabelList}
            for name, kind in [*predicates.COLUMNS.items(), ("id", "number")]:
                self.table.create_index(name, config=suited[kind]())
        return time.perf_counter() - start

    def load(self, s, family):
        self.table = self.database.open_table("c")

    def filter(self, name):
        self.text = predicates.PREDICATES[name].lancedb if name else None

    def use(self, k, params, threads):
        self.k, self.params = k, params

    def one(self, i):
        query = self.table.search(self.rows[i], vector_column_name="vector").distance_type(self.metric).limit(self.k).select(["id", "_distance"])
        if self.text:
            query = query.where(self.text, prefilter=True)
        if "nprobe" in self.params:
            query = query.nprobes(self.params["nprobe"])
        if "ef" in self.params:
            query = query.ef(self.params["ef"])
        return query.to_arrow()["id"].to_numpy()


def filtered_engines():
    return {e.name: e for e in (FilteredElanus, FilteredFaiss, FilteredHnswlib, FilteredZvec, LanceDB)}


class Worker(worker.Worker):
    engines = staticmethod(filtered_engines)

    def load(self, family, k):
        self.engine.load(self.set, FAMILIES[family])
        self.k = k
        return {"version": self.engine.version()}

    def use(self, predicate, params, way=None):
        self.engine.way = way
        self.engine.filter(predicate)
        self.engine.use(self.k, params, 1)

    def recall(self, predicate, params, queries):
        """Of the first so many queries, counting only rows that match, and how many hits did not."""
        self.use(predicate, params)
        s, k, wrong = self.set, self.k, 0
        found = padded((self.engine.one(i).copy() for i in range(queries)), k)
        if predicate is not None:
            near = predicates.truth(predicate)[:queries]
            s = sets.Set(s.name, s.metric, s.base, s.queries[:queries], near)
            right = predicates.mask(self.table(), predicate)[found] & (found >= 0)
            wrong, found = int(((found >= 0) & ~right).sum()), np.where(right, found, -1)
        choice = self.engine.choice() if hasattr(self.engine, "choice") else None
        return {"recall": float(sets.recall(s, found, k)), "wrong": wrong, "choice": choice}

    def table(self):
        if getattr(self, "attributes", None) is None:
            self.attributes = predicates.table()
        return self.attributes

    def time(self, predicate, params, way, seconds):
        """The median time of a query, one at a time on one thread."""
        self.use(predicate, params, way)
        one, count, clock, times, i = self.engine.one, len(self.set.queries), time.perf_counter_ns, [], 0
        for i in range(3):
            one(i)
        end = clock() + seconds * 1e9
        while clock() < end or len(times) < 5:
            start = clock()
            one(i)
            times.append(clock() - start)
            i = (i + 1) % count
        return {"us": float(np.median(times)) / 1e3}


if __name__ == "__main__":
    worker.main(*sys.argv[1:], make=Worker)
