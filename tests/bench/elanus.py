"""libelanus through its C interface (ctypes): as much of it as a benchmark needs."""
import ctypes as c
import json
import os

import numpy as np

INT32, INT64, VARCHAR, ARRAY, BINARY_VECTOR, FLOAT_VECTOR = 4, 5, 21, 22, 100, 101
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NUMBERS = {"bool": c.c_bool, "float": c.c_float, "double": c.c_double, "size_t": c.c_size_t}
NUMBERS |= {f"{sign}int{bits}_t": getattr(c, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)}


def described():
    """The structures and functions of bindings/elanus.json."""
    with open(os.path.join(ROOT, "bindings", "elanus.json"), encoding="utf-8") as file:
        objects = json.load(file)["objects"]
    structures = {kind["name"]: kind["fields"] for each in objects for kind in each["types"] if kind.get("fields")}
    return structures, [function for each in objects for function in each["functions"]]


def ctype(of):
    """The type of a value, field or parameter. Only texts that are lent, and pointers to pointers, are more than an address."""
    if isinstance(of, str):
        return NUMBERS.get(of)
    if "named" in of:
        return c.c_uint32  # enumerations
    pointee = of.get("pointer")
    if pointee == "char" and of["const"]:
        return c.c_char_p
    return c.POINTER(c.c_void_p) if isinstance(pointee, dict) and "pointer" in pointee else c.c_void_p


def structure(name, fields):
    return type(name, (c.Structure,), {"_fields_": [(field["name"], ctype(field["type"])) for field in fields]})


STRUCTURES, FUNCTIONS = described()
Column = structure("Column", STRUCTURES["elanus_column"])
SearchOptions = structure("SearchOptions", STRUCTURES["elanus_search_options"])


class Failed(Exception):
    pass


class Library:
    def __init__(self, path):
        self.path = path
        self.so = c.CDLL(path)
        for each in FUNCTIONS:
            function = getattr(self.so, each["name"])
            function.restype = ctype(each["returns"])
            function.argtypes = [ctype(parameter["type"]) for parameter in each["parameters"]]
            setattr(self, each["name"].removeprefix("elanus_"), function)

    def call(self, function, *arguments):
        """Calls with an error at the end and raises it."""
        error = c.c_void_p()
        result = function(*arguments, c.byref(error))
        if error.value:
            text = f"{self.error_message(error).decode()} (code {self.error_code(error)})"
            self.error_free(error)
            raise Failed(text)
        return result

    def info(self):
        text = self.call(self.build_info)
        info = json.loads(c.string_at(text))
        self.string_free(text)
        return info


class Database:
    def __init__(self, library, path, **options):
        self.library = library
        self.handle = library.call(library.database_open, os.fsencode(path), json.dumps(options).encode())

    def create(self, name, dim, binary=False, fields=()):
        vector = {"name": "v", "data_type": "BINARY_VECTOR" if binary else "FLOAT_VECTOR", "dim": dim}
        schema = json.dumps({"fields": [{"name": "id", "data_type": "INT64", "is_primary": True}, vector, *fields]}).encode()
        handle = self.library.call(self.library.collection_create, self.handle, name.encode(), schema)
        return Collection(self.library, handle, dim, binary)

    def open(self, name, dim, binary=False):
        return Collection(self.library, self.library.call(self.library.collection_open, self.handle, name.encode()), dim, binary)

    def close(self):
        self.library.database_free(self.handle)
        self.handle = None


def numbers(name, values):
    """A column of INT64; None is null. With what keeps its memory."""
    data = np.array([value or 0 for value in values], np.int64)
    valid = np.array([value is not None for value in values], np.uint8)
    column = Column(c.sizeof(Column), INT64, name.encode(), data.ctypes.data, count=len(data), valid=valid.ctypes.data)
    return column, (data, valid)


def integers(name, values):
    """A column of an array of int32 or int64, none null."""
    kind = {np.dtype(np.int32): INT32, np.dtype(np.int64): INT64}[values.dtype]
    return Column(c.sizeof(Column), kind, name.encode(), values.ctypes.data, count=len(values)), values


def places(lengths):
    """Where each of them starts, one after the other, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)


def texts(name, values):
    encoded = [value.encode() for value in values]
    data, offsets = b"".join(encoded), places([len(value) for value in encoded])
    column = Column(c.sizeof(Column), VARCHAR, name.encode(), c.cast(c.c_char_p(data), c.c_void_p), offsets.ctypes.data, len(encoded))
    return column, (data, offsets)


def lists(name, values):
    """A column of ARRAY of VARCHAR."""
    elements, kept = texts(name, [text for value in values for text in value])
    offsets = places([len(value) for value in values])
    column = Column(c.sizeof(Column), ARRAY, name.encode(), elements.data, offsets.ctypes.data, len(values),
                    element_type=VARCHAR, element_offsets=elements.offsets)
    return column, (kept, offsets)


class Collection:
    """Rows of an int64 key `id`, a vector `v` and what `fields` were created with."""

    def __init__(self, library, handle, dim, binary=False):
        self.library, self.handle, self.dim, self.binary = library, handle, dim, binary
        self.searches = library.collection_search_binary if binary else library.collection_search
        self.options = SearchOptions(size=c.sizeof(SearchOptions), topk=10, round_decimal=-1)
        self.asked = c.byref(self.options)
        self.error = c.c_void_p()
        self.ids = np.empty((0, 0), np.int64)

    def insert(self, first, vectors, columns=()):
        """`columns`: of the other fields, made by numbers(), texts() and lists()."""
        ids = np.arange(first, first + len(vectors), dtype=np.int64)
        vectors = np.ascontiguousarray(vectors, np.uint8 if self.binary else np.float32)
        size, vector = c.sizeof(Column), BINARY_VECTOR if self.binary else FLOAT_VECTOR
        all_columns = (Column * (2 + len(columns)))(
            Column(size, INT64, b"id", ids.ctypes.data, count=len(ids)),
            Column(size, vector, b"v", vectors.ctypes.data, count=len(ids), dim=self.dim),
            *[column for column, _ in columns])
        self.library.call(self.library.collection_insert, self.handle, all_columns, len(all_columns), None)

    def flush(self):
        self.library.call(self.library.collection_flush, self.handle)

    def index(self, index_type, metric, params):
        text = json.dumps({"index_type": index_type, "metric_type": metric, "params": params}).encode()
        self.library.call(self.library.index_create, self.handle, b"v", text, None)

    def scalar_index(self, field):
        """Of the type that suits the field."""
        self.library.call(self.library.index_create, self.handle, field.encode(), b"{}", None)

    def delete(self, ids):
        ids = np.ascontiguousarray(ids, np.int64)
        self.library.call(self.library.collection_delete_int64, self.handle, ids.ctypes.data, len(ids), None)

    def state(self):
        """2 as long as the index is being built, 3 when it is whole (elanus_index_state)."""
        state = c.c_uint32()
        self.library.call(self.library.index_get_state, self.handle, b"v", c.byref(state), None)
        return state.value

    def use(self, k, params, filter=None):
        self.options.topk, self.options.params = k, json.dumps(params).encode()
        self.filter(filter)

    def filter(self, text):
        self.options.filter = text.encode() if text else None

    def count(self, filter):
        count = c.c_uint64()
        self.library.call(self.library.collection_count_matching, self.handle, filter.encode(), None, c.byref(count))
        return count.value

    def explain(self):
        """How a search goes through the segments."""
        text = self.library.call(self.library.collection_explain, self.handle, b"v", c.byref(self.options))
        plan = json.loads(c.string_at(text))
        self.library.string_free(text)
        return plan

    def search(self, address, nq):
        """The ids of `nq` queries at `address`: an array, nq x k, -1 where there were fewer. The next call overwrites it."""
        library, k = self.library, self.options.topk
        found = self.searches(self.handle, b"v", address, nq, self.dim, self.asked, self.error)
        if not found:
            text = library.error_message(self.error).decode()
            library.error_free(self.error)
            self.error = c.c_void_p()
            raise Failed(text)
        if self.ids.shape != (nq, k):
            self.ids = np.empty((nq, k), np.int64)
            self.ids_address = self.ids.ctypes.data
        count = library.result_count(found)
        if count == nq * k:
            c.memmove(self.ids_address, library.result_ids_int64(found), 8 * count)
        else:
            self.ids[:] = -1
            ids = np.frombuffer(c.string_at(library.result_ids_int64(found), 8 * count), np.int64)
            at = np.frombuffer(c.string_at(library.result_offsets(found), 8 * (nq + 1)), np.uint64).astype(np.int64)
            for i in range(nq):
                self.ids[i, :at[i + 1] - at[i]] = ids[at[i]:at[i + 1]]
        library.result_free(found)
        return self.ids

    def free(self):
        self.library.collection_free(self.handle)
        self.handle = None
