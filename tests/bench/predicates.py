"""The attributes of a set's rows, and the real predicates over them that the set has exact ground truth for.

A predicate is written for each engine in that engine's own language: ours, LanceDB's SQL, zvec's (None where its language
cannot say it), and pyarrow.compute for the engines that only take a set of rows.
"""
import csv
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import sets

SET = "minilm-text-384-cos"
# Name: what its column is. The key `id` is in the schema anyway.
COLUMNS = {"source": "text", "category": "text", "chars": "number", "links": "number", "size_kb": "number", "tags": "texts"}
LANGUAGES = ("python", "perl", "ruby", "rust", "golang", "haskell", "javascript", "java")


@dataclass(frozen=True)
class Predicate:
    elanus: str
    lancedb: str
    zvec: str | None
    compute: Callable  # of pyarrow.compute and the columns: a boolean array, where null is no match


def quoted(values, quote):
    return ",".join(quote + v + quote for v in values)


PREDICATES = {
    "source_debian": Predicate(
        'source == "debian"', "source = 'debian'", "source = 'debian'", lambda pc, t: pc.equal(t["source"], "debian")),
    "cat_animal": Predicate(
        'category == "noun.animal"', "category = 'noun.animal'", "category = 'noun.animal'",
        lambda pc, t: pc.equal(t["category"], "noun.animal")),
    "cat_lang_in": Predicate(
        f"category in [{quoted(LANGUAGES, chr(34))}]", f"category IN ({quoted(LANGUAGES, chr(39))})",
        f"category in ({quoted(LANGUAGES, chr(39))})", lambda pc, t: pc.is_in(t["category"], LANGUAGES_OF(t))),
    "chars_lt_50": Predicate("chars < 50", "chars < 50", "chars < 50", lambda pc, t: pc.less(t["chars"], 50)),
    "tag_program": Predicate(
        'array_contains(tags, "role::program")', "array_has(tags, 'role::program')", "tags contain_any ('role::program')",
        lambda pc, t: in_lists(pc, t["tags"], "role::program")),
    "size_range": Predicate(
        "100 <= size_kb < 200", "size_kb >= 100 AND size_kb < 200", "size_kb >= 100 and size_kb < 200",
        lambda pc, t: pc.and_(pc.greater_equal(t["size_kb"], 100), pc.less(t["size_kb"], 200))),
    "cat_weather": Predicate(
        'category == "verb.weather"', "category = 'verb.weather'", "category = 'verb.weather'",
        lambda pc, t: pc.equal(t["category"], "verb.weather")),
    "id_mod100": Predicate(
        "id % 100 == 7", "id % 100 = 7", None,
        # pyarrow has no remainder.
        lambda pc, t: pc.equal(pc.subtract(t["id"], pc.multiply(pc.divide(t["id"], 100), 100)), 7)),
    # zvec has no `not`: the categories of the set's texts that are no nouns are these.
    "not_nouns_links": Predicate(
        'source == "wordnet" and not (category like "noun.%") and links >= 5',
        "source = 'wordnet' AND category NOT LIKE 'noun.%' AND links >= 5",
        "source = 'wordnet' and (category like 'verb.%' or category like 'adj.%' or category like 'adv.%') and links >= 5",
        lambda pc, t: pc.and_(pc.and_(pc.equal(t["source"], "wordnet"), pc.invert(pc.starts_with(t["category"], "noun."))),
                              pc.greater_equal(t["links"], 5))),
}


def LANGUAGES_OF(table):
    import pyarrow

    return pyarrow.array(LANGUAGES, table["category"].type)


def in_lists(pc, lists, text):
    """Rows whose list has the text: the parents of the elements that are it."""
    import pyarrow

    found = np.zeros(len(lists), bool)
    found[pc.filter(pc.list_parent_indices(lists), pc.equal(lists.flatten(), text)).to_numpy()] = True
    return pyarrow.array(found)


def columns():
    """Each column's values by its name: texts, numbers (None for null), lists of texts."""
    with open(os.path.join(sets.LARGE, sets.SETS_LARGE[SET][0], "attrs.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    number = lambda text: int(text) if text else None
    tags = lambda text: text.split(";") if text else []
    read = {"text": str, "number": number, "texts": tags}
    return {name: [read[kind](row[name]) for row in rows] for name, kind in COLUMNS.items()}


def table():
    """The same as an Arrow table, with the key."""
    import pyarrow as pa

    kinds = {"text": pa.string(), "number": pa.int64(), "texts": pa.list_(pa.string())}
    arrays = {name: pa.array(values, kinds[COLUMNS[name]]) for name, values in columns().items()}
    return {"id": pa.array(np.arange(len(arrays["chars"]))), **arrays}


def mask(table, name):
    """Which rows match, by pyarrow."""
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(PREDICATES[name].compute(pc, table), False).to_numpy(zero_copy_only=False))


def truth(name):
    """The exact nearest rows that match, of the first 1,000 queries; -1 where fewer than 100 match."""
    return sets.truth(os.path.join(sets.LARGE, sets.SETS_LARGE[SET][0], f"gt_filter_{name}.i32"))
