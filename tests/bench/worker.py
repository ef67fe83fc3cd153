"""The process around one engine: its memory is its own, and nobody else's threads disturb it.

    worker.py ADDRESS ENGINE SET FOLDER QUERIES     answers (operation, keywords) that come over the socket at ADDRESS
"""
import os
import sys
import time
import traceback
from multiprocessing.connection import Client

import numpy as np

import sets
from engines import engines
from families import FAMILIES


def resident():
    """Bytes of this process in memory, mapped files included."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


class Worker:
    engines = staticmethod(engines)

    def __init__(self, name, set_name, folder, queries):
        self.set = sets.load(set_name, int(queries))
        self.engine = self.engines()[name](self.set, folder)
        self.engine.prepare(self.set.queries)

    def build(self, family, params, threads):
        seconds = self.engine.build(self.set, FAMILIES[family], params, threads)
        self.engine.save()
        return {"build_s": seconds, "version": self.engine.version(), "size": self.engine.size(), "raw": self.engine.raw}

    def point(self, k, params, threads):
        """Recall at these parameters."""
        self.engine.use(k, params, threads)
        return {"recall": float(sets.recall(self.set, self.engine.batch(), k))}

    def singles(self, k, params, seconds):
        """One query at a time on one thread."""
        self.engine.use(k, params, 1)
        one, count, clock, times = self.engine.one, len(self.set.queries), time.perf_counter_ns, []
        for i in range(min(50, count)):
            one(i)
        end = clock() + seconds * 1e9
        i = 0
        while clock() < end or len(times) < 50:
            start = clock()
            one(i)
            times.append(clock() - start)
            i = (i + 1) % count
        us = np.array(times) / 1e3
        return {"qps": float(1e6 / us.mean()), "p50_us": float(np.median(us)), "p99_us": float(np.percentile(us, 99)),
                "call_us": self.engine.call_us()}

    def batches(self, k, params, threads, seconds):
        self.engine.use(k, params, threads)
        self.engine.batch()
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.engine.batch()
            done += len(self.set.queries)
        return {"qps": done / (time.perf_counter() - start)}

    def reopen(self, family, k, params):
        """In a process that never built: opening to the first answer, what is then in memory, and what is after all queries
        (pages of mapped files count as soon as they were read, though the system may take them back)."""
        before, start = resident(), time.perf_counter()
        self.engine.load(self.set, FAMILIES[family])
        self.engine.use(k, params, 2)
        self.engine.one(0)
        opened, rows = time.perf_counter() - start, len(self.set.base)
        loaded = (resident() - before) / rows
        self.engine.batch()
        return {"open_ms": opened * 1e3, "bytes": loaded, "busy_bytes": (resident() - before) / rows}


def main(address, *arguments, make=Worker):
    pipe, worker = Client(address), None
    while True:
        request = pipe.recv()
        if request is None:
            os._exit(0)  # without the engines' destructors, which may take long
        try:
            worker = worker or make(*arguments)
            operation, keywords = request
            pipe.send((True, getattr(worker, operation)(**keywords)))
        except BaseException as e:
            pipe.send((False, f"{type(e).__name__}: {e}\n{traceback.format_exc(limit=-2)}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
