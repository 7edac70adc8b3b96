"""Every metric beside a plain twin that says it in the simplest words."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from store.evaluation import evaluate, read_pairs, retrieval_metrics
from store.library import LibraryError
from tests.fakes import FakeSpace
from tests.media.makers import make_film, make_jpeg, make_tone


def ranking(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))


def twins(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """The same measures, one query and one rank at a time."""
    rows = []
    for row, right in zip(scores.tolist(), relevant.tolist(), strict=True):
        found = [right[place] for place in ranking(row)]
        first = next(rank for rank, hit in enumerate(found, start=1) if hit)
        precisions = [sum(found[:rank]) / rank for rank in range(1, len(found) + 1)]
        rows.append(
            {
                "chance": sum(right) / len(right),
                **{f"recall@{k}": 1.0 if any(found[:k]) else 0.0 for k in (1, 5, 10)},
                "mrr": 1 / first,
                "map": sum(p for p, hit in zip(precisions, found, strict=True) if hit) / sum(right),
                "precision@1": float(found[0]),
                "precision@10": sum(found[:10]) / 10,
            }
        )
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return {"queries": len(rows), "gallery": scores.shape[1], **means}


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_their_twins(seed):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(1, 12), rng.integers(1, 40)
    scores = rng.integers(0, 6, (queries, gallery)).astype(np.float32)  # with many ties
    relevant = rng.random((queries, gallery)) < 0.2
    relevant[:, rng.integers(gallery)] = True
    ours = retrieval_metrics(scores, relevant)
    assert ours == pytest.approx(twins(scores, relevant))


def test_a_perfect_and_a_worst_ranking():
    relevant = np.eye(4, dtype=bool)
    best = retrieval_metrics(np.eye(4), relevant)
    worst = retrieval_metrics(-np.eye(4), relevant)
    assert best["map"] == best["recall@1"] == best["mrr"] == 1
    assert best["chance"] == 0.25
    assert (worst["map"], worst["recall@1"], worst["recall@5"]) == (0.25, 0, 1)


@pytest.fixture
def manifest(tmp_path) -> Path:
    make_jpeg(tmp_path / "sky.jpg", "blue")
    make_jpeg(tmp_path / "grass.jpg", "lime")
    make_tone(tmp_path / "whistle.wav", 3000, 1)
    make_tone(tmp_path / "long hum.wav", 100, 31)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    rows = [
        ("sky.jpg", "blue"),
        ("grass.jpg", "green"),
        ("whistle.wav", "high"),
        ("long hum.wav", "low"),
        ("long hum.wav", "low"),
        ("broken.jpg", "red"),
        ("gone.jpg", "red"),
    ]
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "text"), *rows])
    return path


def test_evaluate_measures_each_medium_and_names_what_it_left_out(manifest):
    result = evaluate(manifest, FakeSpace())
    assert list(result.media) == ["image", "audio"]
    for metrics in result.media.values():
        assert metrics["queries"] == metrics["gallery"] == 2
        assert metrics["recall@1"] == metrics["map"] == metrics["zero_shot_top1"] == 1
        assert metrics["chance"] == 0.5
    assert [path.name for path, _ in result.skipped] == ["broken.jpg", "gone.jpg"]


def test_a_file_with_two_texts_leaves_zero_shot_out(manifest):
    with manifest.open("a", encoding="utf-8") as file:
        file.write("sky.jpg,white\n")
    image = evaluate(manifest, FakeSpace()).media["image"]
    assert image["queries"] == 3
    assert "zero_shot_top1" not in image


def test_the_template_words_the_queries(manifest):
    heard = []

    class Listening(FakeSpace):
        def encode_texts(self, texts):
            heard.extend(texts)
            return super().encode_texts(texts)

    evaluate(manifest, Listening(), template="a photo of {}")
    assert "a photo of blue" in heard


def test_unusable_manifests_are_one_sentence(tmp_path):
    for name, content in {
        "columns.csv": "file,label\na,b\n",
        "empty.csv": "path,text\n",
        "binary.csv": b"\xff\xfe\x00\x81",
    }.items():
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(LibraryError, match=name):
            read_pairs(path)
    with pytest.raises(LibraryError, match="cannot be read"):
        read_pairs(tmp_path / "gone.csv")
    with pytest.raises(LibraryError, match="template"):
        evaluate(tmp_path / "columns.csv", FakeSpace(), template="no place")


def test_a_file_without_a_usable_vector_is_left_out(manifest):
    class Picky(FakeSpace):
        def encode(self, modality, prepared):
            if modality == "audio" and any(len(p) < 10 * 44_100 - 1 for p in prepared):
                raise ValueError("no usable vector")
            return super().encode(modality, prepared)

    result = evaluate(manifest, Picky())
    assert [path.name for path, _ in result.skipped] == ["broken.jpg", "gone.jpg", "whistle.wav"]
    assert result.media["audio"]["gallery"] == 1
    assert result.media["image"]["gallery"] == 2


def test_texts_and_films_are_measured_too(tmp_path):
    (tmp_path / "low.txt").write_text("A low low low voice.")
    (tmp_path / "noise.md").write_text("# Noise\n\nNothing but noise noise noise.")
    make_film(tmp_path / "red.mp4", [("red", 1.0)], sound=None)
    make_film(tmp_path / "blue.mp4", [("blue", 1.0)])
    rows = ["low.txt,low", "noise.md,noise", "red.mp4,red", "blue.mp4,blue"]
    (tmp_path / "pairs.csv").write_text("\n".join(["path,text", *rows]))
    result = evaluate(tmp_path / "pairs.csv", FakeSpace())
    assert set(result.media) == {"text", "film"}
    assert result.media["text"]["recall@1"] == result.media["film"]["recall@1"] == 1
