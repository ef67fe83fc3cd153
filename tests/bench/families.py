"""What is compared: an index type with its build parameters for a set, and the knob that trades speed for recall."""
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    index_type: str  # ours
    kind: str = "float"
    build: Callable = lambda s: {}  # of a set
    knob: str | None = None  # None: it is exact and has none
    low: int = 1
    high: Callable = lambda s: 1  # the most that the knob is turned up
    search: Callable = lambda s: {}  # other search parameters
    metrics: tuple = ("l2", "ip", "cosine")
    codes: bool = False  # compared at equal knobs too: what matters is what the codes lose


def lists(s):
    return {"nlist": s.nlist}


def quarter(s):
    """The sub-vectors of IVF_PQ: four dimensions each."""
    return {"nlist": s.nlist, "m": s.dim // 4, "nbits": 8}


FAMILIES = {
    "FLAT": Family("FLAT"),
    "IVF_FLAT": Family("IVF_FLAT", build=lists, knob="nprobe", high=lambda s: s.nlist),
    "IVF_SQ8": Family("IVF_SQ8", build=lists, knob="nprobe", high=lambda s: s.nlist, codes=True),
    "IVF_SQ8H": Family("IVF_SQ8H", build=lists, knob="nprobe", high=lambda s: s.nlist, codes=True),
    "IVF_PQ": Family("IVF_PQ", build=quarter, knob="nprobe", high=lambda s: s.nlist, codes=True),
    # The best 40 by their codes are ranked again by their raw vectors.
    "IVF_PQ_REFINE": Family("IVF_PQ", build=quarter, knob="nprobe", high=lambda s: s.nlist, search=lambda s: {"refine_k": 4}),
    "HNSW": Family("HNSW", build=lambda s: {"M": 16, "efConstruction": 200}, knob="ef", low=10, high=lambda s: 512),
    "RNSG": Family("RNSG", build=lambda s: {"search_length": 64, "out_degree": 32, "candidate_pool_size": 132, "knng": 64},
                   knob="search_length", low=10, high=lambda s: 300, metrics=("l2", "cosine")),
    "ANNOY": Family("ANNOY", build=lambda s: {"n_trees": 50}, knob="search_k", low=10, high=lambda s: len(s.base)),
    "DISKANN": Family("DISKANN", build=lambda s: {"max_degree": 56, "search_list_size": 100}, knob="search_list", low=10,
                      high=lambda s: 400),
    "BIN_FLAT": Family("BIN_FLAT", kind="binary", metrics=("hamming", "jaccard")),
    "BIN_IVF_FLAT": Family("BIN_IVF_FLAT", kind="binary", build=lists, knob="nprobe", high=lambda s: s.nlist,
                           metrics=("hamming", "jaccard")),
    "BIN_HNSW": Family("HNSW", kind="binary", build=lambda s: {"M": 16, "efConstruction": 200}, knob="ef", low=10,
                       high=lambda s: 2048, metrics=("hamming", "jaccard")),
}
