"""diskannpy, in memory and on disk. It wants numpy 1, and so an interpreter of its own (run.sh makes it)."""
import os
import time

import numpy as np
from engines import Engine, tree_bytes


class DiskAnnMemory(Engine):
    name, families, normalises = "diskann-memory", ("DISKANN",), True
    python = "BENCH_PYTHON_NUMPY1"  # the variable that names its interpreter

    def __init__(self, s, folder):
        super().__init__(s, folder)
        import diskannpy

        self.diskannpy = diskannpy
        # Over normalised vectors the order of L2 is that of COSINE.
        self.distance = "mips" if self.metric == "ip" else "l2"

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("diskannpy")

    def save(self):
        pass  # it builds into its folder

    def build(self, s, family, params, threads):
        x = self.vectors(s.base)
        os.makedirs(self.path)
        start = time.perf_counter()
        self.diskannpy.build_memory_index(
            x, self.distance, self.path, complexity=params["search_list_size"], graph_degree=params["max_degree"],
            num_threads=threads, alpha=1.2)
        seconds = time.perf_counter() - start
        self.load(s, family)
        return seconds

    def load(self, s, family):
        self.index = self.diskannpy.StaticMemoryIndex(self.path, num_threads=2, initial_search_complexity=400)

    def use(self, k, params, threads):
        self.k, self.threads, self.complexity = k, threads, max(k, params["search_list"])

    def one(self, i):
        return self.index.search(self.rows[i], self.k, self.complexity).identifiers

    def batch(self):
        found = self.index.batch_search(self.queries, self.k, self.complexity, self.threads)
        return found.identifiers.astype(np.int64)


class DiskAnn(DiskAnnMemory):
    """Milvus' settings: codes of an eighth of the vectors' bytes in memory, a twentieth of the rows cached."""

    name = "diskann-disk"

    def build(self, s, family, params, threads):
        x = self.vectors(s.base)
        os.makedirs(self.path)
        start = time.perf_counter()
        self.diskannpy.build_disk_index(
            x, self.distance, self.path, complexity=params["search_list_size"], graph_degree=params["max_degree"],
            search_memory_maximum=x.nbytes / 8 / 2**30, build_memory_maximum=8.0, num_threads=threads, pq_disk_bytes=0)
        seconds = time.perf_counter() - start
        self.load(s, family)
        return seconds

    def size(self):
        return tree_bytes(self.path)

    def load(self, s, family):
        self.index = self.diskannpy.StaticDiskIndex(
            self.path, num_threads=2, num_nodes_to_cache=len(s.base) // 20, cache_mechanism=2)

    def use(self, k, params, threads):
        super().use(k, params, threads)
        self.beamwidth = params.get("beamwidth", 4)

    def one(self, i):
        return self.index.search(self.rows[i], self.k, self.complexity, beam_width=self.beamwidth).identifiers

    def batch(self):
        found = self.index.batch_search(self.queries, self.k, self.complexity, self.threads, beam_width=self.beamwidth)
        return found.identifiers.astype(np.int64)
