"""Databases as databases, one process a step: durable inserts in batches, then opening to the first answer."""
import os
import shutil
import tempfile
import time

import numpy as np

import sets


class Elanus:
    durable = "sync: each batch is on the disk when the call returns"

    def __init__(self, path, dim):
        import elanus

        self.elanus, self.path, self.dim = elanus, path, dim
        self.library = elanus.Library(os.environ["ELANUS_LIBRARY"])

    def create(self):
        self.database = self.elanus.Database(self.library, self.path)
        self.collection = self.database.create("c", self.dim)

    def insert(self, first, x):
        self.collection.insert(first, x)

    def index(self):
        self.collection.flush()
        self.collection.index("HNSW", "COSINE", {"M": 16, "efConstruction": 200})
        self.database.close()

    def open(self):
        self.collection = self.elanus.Database(self.library, self.path).open("c", self.dim)
        self.collection.use(10, {"ef": 64})

    def search(self, q):
        return self.collection.search(q.ctypes.data, 1)[0].copy()


class Zvec:
    durable = "each batch to its log; flush() after each, its only way to ask for more"

    def __init__(self, path, dim):
        import zvec

        self.z, self.path, self.dim = zvec, path, dim
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def create(self):
        z = self.z
        index = z.HnswIndexParam(metric_type=z.MetricType.COSINE, m=16, ef_construction=200)
        vectors = z.VectorSchema("v", z.DataType.VECTOR_FP32, self.dim, index_param=index)
        self.c = z.create_and_open(self.path, z.CollectionSchema(name="c", vectors=vectors))

    def insert(self, first, x):
        self.c.insert([self.z.Doc(id=str(first + i), vectors={"v": v}) for i, v in enumerate(x.tolist())])
        self.c.flush()

    def index(self):
        self.c.optimize()
        self.c.flush()

    def open(self):
        self.c = self.z.open(self.path)

    def search(self, q):
        query = self.z.Query("v", vector=q.tolist(), param=self.z.HnswQueryParam(ef=64))
        return [int(d.id) for d in self.c.query(query, topk=10, output_fields=[])]


class LanceDB:
    durable = "each add() commits a version; no fsync is documented"

    def __init__(self, path, dim):
        import lancedb
        import pyarrow

        self.pa, self.dim, self.db = pyarrow, dim, lancedb.connect(path)

    def create(self):
        pa = self.pa
        schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), self.dim))])
        self.t = self.db.create_table("c", schema=schema)

    def insert(self, first, x):
        pa = self.pa
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), self.dim)
        self.t.add(pa.table({"id": pa.array(np.arange(first, first + len(x))), "vector": vectors}))

    def index(self):
        from lancedb.index import HnswSq

        config = HnswSq(distance_type="cosine", num_partitions=1, m=16, ef_construction=200)
        self.t.create_index("vector", config=config)

    def open(self):
        self.t = self.db.open_table("c")

    def search(self, q):
        return self.t.search(q).distance_type("cosine").ef(64).limit(10).to_arrow()["id"].to_pylist()


DATABASES = {"elanus": Elanus, "zvec": Zvec, "lancedb": LanceDB}


def write(name, set_name, path, batch, indexed):
    s = sets.load(set_name)
    db = DATABASES[name](path, s.base.shape[1])
    db.create()
    start = time.perf_counter()
    for first in range(0, len(s.base), batch):
        db.insert(first, np.ascontiguousarray(s.base[first:first + batch]))
    seconds = time.perf_counter() - start
    if indexed:
        db.index()
    return {"rows_s": len(s.base) / seconds, "durable": db.durable}


def reopen(name, set_name, path):
    s = sets.load(set_name)
    db = DATABASES[name](path, s.base.shape[1])
    start = time.perf_counter()
    db.open()
    first = db.search(s.queries[0])
    opened = time.perf_counter() - start
    found = [first] + [db.search(q) for q in s.queries[1:200]]
    return {"open_ms": opened * 1e3, "recall": sets.recall(s, found, 10)}


def plain_fsync(folder, row_bytes, batch):
    """Rows a second of a program that only writes the same bytes and fsyncs: what this disk allows."""
    path = tempfile.mkdtemp(dir=folder)
    block, count = os.urandom(row_bytes * batch), 20
    with open(os.path.join(path, "f"), "wb", buffering=0) as f:
        start = time.perf_counter()
        for _ in range(count):
            f.write(block)
            os.fdatasync(f.fileno())
        seconds = time.perf_counter() - start
    shutil.rmtree(path)
    return batch * count / seconds
