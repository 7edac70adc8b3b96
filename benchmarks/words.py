"""Exact words: SQLite's full-text table beside ChromaDB's document filter.

    python benchmarks/words.py [--passages 20000]

Passages are made of made-up words by a Zipf law; each is put into both stores, and the
same queries of one and of two words are asked of both: time of a query, and whether both find the
same. Chroma looks for a part of the text as it is written, without an order by relevance; FTS5
knows words and their stems, and ranks them (BM25).
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe_machine

VOCABULARY = 20_000
LENGTH = 80  # words of a passage
QUERIES = 60


def made_words(rng: np.random.Generator, count: int) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choice(letters, int(rng.integers(4, 10))))] = None
    return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--passages", type=int, default=20_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vocabulary = made_words(rng, VOCABULARY)
    ranks = np.minimum(rng.zipf(1.2, (options.passages, LENGTH)), VOCABULARY) - 1
    passages = [" ".join(vocabulary[i] for i in row) for row in ranks]
    middling = rng.integers(50, 3000, (QUERIES, 2))
    queries = [[vocabulary[i] for i in row] for row in middling]

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = sqlite3.connect(Path(folder) / "words.sqlite3")
        table.execute(
            'CREATE VIRTUAL TABLE words USING fts5 (passage, tokenize = "porter unicode61")'
        )
        table.executemany("INSERT INTO words VALUES (?)", [(text,) for text in passages])
        table.commit()
        filled = {"FTS5": time.perf_counter() - start}

        import chromadb

        start = time.perf_counter()
        client = chromadb.PersistentClient(Path(folder) / "chroma")
        collection = client.create_collection("words", embedding_function=None)
        at_once = client.get_max_batch_size()
        vectors = rng.standard_normal((options.passages, 8)).astype(np.float32)
        for at in range(0, options.passages, at_once):
            chunk = slice(at, at + at_once)
            collection.add(
                ids=[str(n) for n in range(options.passages)][chunk],
                embeddings=vectors[chunk],
                documents=passages[chunk],
            )
        filled["Chroma"] = time.perf_counter() - start

        def ask_table(words: list[str]) -> set[int]:
            query = " ".join(f'"{word}"' for word in words)
            rows = table.execute(
                "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT 1000", (query,)
            )
            return {row[0] - 1 for row in rows}

        def ask_chroma(words: list[str]) -> set[int]:
            asked = [{"$contains": word} for word in words]
            chosen = asked[0] if len(asked) == 1 else {"$and": asked}
            return {int(id) for id in collection.get(where_document=chosen, include=[])["ids"]}

        print(describe_machine())
        print(f"{options.passages:,} passages of {LENGTH} words, {QUERIES} queries, milliseconds")
        print(f"{'store':8}{'filled, s':>10}{'words':>7}{'p50':>8}{'p95':>8}{'found':>8}")
        found: dict[tuple[str, int], list[set[int]]] = {}
        for name, ask in (("FTS5", ask_table), ("Chroma", ask_chroma)):
            for count in (1, 2):
                times, answers = [], []
                for words in queries:
                    start = time.perf_counter()
                    answers.append(ask(words[:count]))
                    times.append(1000 * (time.perf_counter() - start))
                found[name, count] = answers
                p50, p95 = np.percentile(times, [50, 95])
                mean = np.mean([len(answer) for answer in answers])
                print(f"{name:8}{filled[name]:>10.1f}{count:>7}{p50:>8.2f}{p95:>8.2f}{mean:>8.1f}")
        for count in (1, 2):
            pairs = zip(found["FTS5", count], found["Chroma", count], strict=True)
            inside = np.mean([a <= b for a, b in pairs])
            print(f"{count} words: what FTS5 finds, Chroma finds as well: {inside:.2f} of queries")


if __name__ == "__main__":
    main()
