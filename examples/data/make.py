#!/usr/bin/env python3
"""Makes the files of this folder from the large sets, byte for byte the same each time. Needs numpy.

    make.py EXPANDED     EXPANDED/minilm-text-384-cos/base.f32 ... as the large sets' own expand.py writes them
    make.py --check      compares what is here with SHA256SUMS (needs no numpy and no large sets)

Formats: README.md beside this file. Ground truth is exact: dot products and distances are computed on the stored integers in
float64, where they are exact; only the division by the norms rounds. Equal scores are ordered by the lower row.
"""
import csv, hashlib, json, os, sys
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
SUMS = os.path.join(HERE, "SHA256SUMS")
SCALE = 4096          # stored integer = value * 4096
TOP = 100             # ids a query in every ground truth file
MINILM_ROWS, MINILM_QUERIES = 10_000, 400
W2V_ROWS, W2V_QUERIES = 4_000, 200
TAG_ROWS, TAG_QUERIES, TAG_BITS, TAG_LEAST = 4_000, 200, 256, 3


def check():
    """Exits with 1 when a listed file is absent or differs."""
    bad = 0
    for line in open(SUMS, encoding="utf-8"):
        want, name = line.split()
        with open(os.path.join(HERE, name), "rb") as f:
            got = hashlib.sha256(f.read()).hexdigest()
        if got != want:
            bad += 1
            print(f"{name}: differs from SHA256SUMS")
    print("examples/data:", "as listed" if not bad else f"{bad} files differ")
    return 1 if bad else 0


def integers(folder, name, dim):
    """A set's float32 file as the int16 values it was made from."""
    values = np.fromfile(os.path.join(folder, name), "<f4").reshape(-1, dim)
    whole = np.rint(values * SCALE)
    assert (whole == values * SCALE).all(), f"{name}: not multiples of 1/{SCALE}"
    return whole.astype(np.int16)


def pack12(values):
    """Two signed 12-bit numbers in three bytes, the first in the low bits."""
    assert np.abs(values).max() < 2048
    pairs = (values.reshape(-1, 2).astype(np.int32) & 0xFFF).astype(np.uint32)
    word = pairs[:, 0] | pairs[:, 1] << 12
    return np.stack([word, word >> 8, word >> 16], axis=1).astype(np.uint8).tobytes()


def nearest(distance):
    """The TOP smallest of each row, ties by the lower column."""
    return np.argsort(distance, axis=1, kind="stable")[:, :TOP].astype("<i4").tobytes()


def truth(base, queries, metric):
    b, q = base.astype(np.float64), queries.astype(np.float64)
    dot = q @ b.T
    if metric == "ip":
        return nearest(-dot)
    if metric == "cosine":
        return nearest(-dot / np.sqrt((b * b).sum(1)) / np.sqrt((q * q).sum(1))[:, None])
    return nearest((q * q).sum(1)[:, None] + (b * b).sum(1) - 2 * dot)


def binary_truth(base, queries, metric):
    """Hamming: differing bits. Jaccard: 1 - |a and b| / |a or b|, 0 for two empty sets."""
    b, q = (np.unpackbits(x, axis=1).astype(np.float64) for x in (base, queries))
    both = q @ b.T
    either = q.sum(1)[:, None] + b.sum(1) - both
    if metric == "hamming":
        return nearest(either - both)
    return nearest(1 - np.where(either > 0, both / np.maximum(either, 1), 1.0))


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def put(name, data):
    path = os.path.join(HERE, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode("utf-8"))


def lines(texts):
    assert not any("\n" in t or "\r" in t for t in texts)
    return "".join(t + "\n" for t in texts)


def table(columns, records):
    """CSV of words and numbers without quotes: `row` first, then the columns."""
    assert not any("," in r[c] or '"' in r[c] for r in records for c in columns)
    return lines([",".join(["row", *columns])] + [",".join([str(i)] + [r[c] for c in columns]) for i, r in enumerate(records)])


def minilm(folder):
    """The first WordNet rows of the set (its order is random) with their texts; the first WordNet queries."""
    texts = {(r["split"], r["id"]): r["text"] for r in rows(os.path.join(folder, "texts_wordnet.csv"))}
    vectors = {}
    for split, file, attrs, count in (
        ("base", "base.f32", "attrs.csv", MINILM_ROWS),
        ("query", "queries.f32", "query_attrs.csv", MINILM_QUERIES),
    ):
        records = [r for r in rows(os.path.join(folder, attrs)) if r["source"] == "wordnet"][:count]
        vectors[split] = integers(folder, file, 384)[[int(r["id"]) for r in records]]
        prefix = "" if split == "base" else "query_"
        put(f"minilm/{'base' if split == 'base' else 'queries'}.i12", pack12(vectors[split]))
        put(f"minilm/{prefix}texts.txt", lines([texts[split, r["id"]] for r in records]))
        put(f"minilm/{prefix}attrs.csv", table(["key", "category", "chars", "tokens", "links", "n_words"], records))
    base, queries = vectors["base"], vectors["query"]
    put("minilm/gt_cosine.i32", truth(base, queries, "cosine"))
    signs = [np.packbits(v > 0, axis=1, bitorder="little") for v in (base, queries)]
    put("sign/base.u8", signs[0].tobytes())
    put("sign/queries.u8", signs[1].tobytes())
    for metric in ("hamming", "jaccard"):
        put(f"sign/gt_{metric}.i32", binary_truth(*signs, metric))


def w2v(folder):
    """The first rows (random order, words of every frequency, so of every norm)."""
    base = integers(folder, "base.f32", 100)[:W2V_ROWS]
    queries = integers(folder, "queries.f32", 100)[:W2V_QUERIES]
    put("w2v/base.i16", base.astype("<i2").tobytes())
    put("w2v/queries.i16", queries.astype("<i2").tobytes())
    put("w2v/words.txt", lines([r["word"] for r in rows(os.path.join(folder, "attrs.csv"))[:W2V_ROWS]]))
    put("w2v/query_words.txt", lines([r["word"] for r in rows(os.path.join(folder, "query_attrs.csv"))[:W2V_QUERIES]]))
    for metric in ("ip", "cosine", "l2"):
        put(f"w2v/gt_{metric}.i32", truth(base, queries, metric))


def tags(folder):
    """Sets of debtags: a bit for each of the most frequent tags, rows that have a few of them."""
    tagged = [r for r in rows(os.path.join(folder, "attrs.csv")) if r["tags"]]
    count = Counter(t for r in tagged for t in r["tags"].split(";"))
    names = sorted(sorted(count, key=lambda t: (-count[t], t))[:TAG_BITS])
    number = {t: i for i, t in enumerate(names)}
    bits, keys = [], []
    for r in tagged:
        have = [number[t] for t in r["tags"].split(";") if t in number]
        if len(have) >= TAG_LEAST and len(bits) < TAG_ROWS + TAG_QUERIES:
            bits.append(np.isin(np.arange(TAG_BITS), have))
            keys.append(r["key"])
    packed = np.packbits(np.array(bits), axis=1, bitorder="little")
    base, queries = packed[:TAG_ROWS], packed[TAG_ROWS:]
    put("tags/base.u8", base.tobytes())
    put("tags/queries.u8", queries.tobytes())
    put("tags/names.txt", lines(names))
    put("tags/packages.txt", lines(keys[:TAG_ROWS]))
    put("tags/query_packages.txt", lines(keys[TAG_ROWS:]))
    for metric in ("jaccard", "hamming"):
        put(f"tags/gt_{metric}.i32", binary_truth(base, queries, metric))


def describe():
    shape = lambda n, nq, dim, stored, metrics: {"n": n, "nq": nq, "dim": dim, "stored": stored, "top": TOP, "metrics": metrics}
    sets = {
        "minilm": shape(MINILM_ROWS, MINILM_QUERIES, 384, "i12", ["cosine"]),
        "w2v": shape(W2V_ROWS, W2V_QUERIES, 100, "i16", ["ip", "cosine", "l2"]),
        "sign": shape(MINILM_ROWS, MINILM_QUERIES, 384, "bits", ["hamming", "jaccard"]),
        "tags": shape(TAG_ROWS, TAG_QUERIES, TAG_BITS, "bits", ["jaccard", "hamming"]),
    }
    put("sets.json", json.dumps(sets, indent=1) + "\n")
    made = sorted(os.path.relpath(os.path.join(r, f), HERE) for s in sets for r, _, fs in os.walk(os.path.join(HERE, s)) for f in fs)
    digest = lambda name: hashlib.sha256(open(os.path.join(HERE, name), "rb").read()).hexdigest()
    put("SHA256SUMS", lines([f"{digest(name)}  {name}" for name in ["sets.json", *made]]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--check":
        sys.exit(check())
    import numpy as np

    large = sys.argv[1]
    minilm(os.path.join(large, "minilm-text-384-cos"))
    w2v(os.path.join(large, "w2v-en-100-ip"))
    tags(os.path.join(large, "minilm-text-384-cos"))
    describe()
