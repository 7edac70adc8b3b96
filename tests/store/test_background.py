"""How items stand to a bank of everyday queries, beside plain twins; and that it is kept."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from store import search as search_module
from store.background import (
    MEAN,
    NEAR,
    NEAREST,
    SD,
    Background,
    above,
    correct,
    read_background,
    typical,
)
from store.catalogue import Catalogue
from store.library import Library
from store.matrix import Matrix
from store.scores import moments
from tests.fakes import FakeSpace
from tests.store.test_search import entry, unit

DIM = FakeSpace.dim
random = np.random.default_rng(5)


class CountingSpace(FakeSpace):
    """Counts how often it reads."""

    def __init__(self) -> None:
        self.calls = 0

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return super().encode_texts(texts)


def twin(row: np.ndarray, bank: np.ndarray) -> tuple[float, float, float]:
    """The same for one item, in plain Python."""
    cosines = sorted((float(query @ row) for query in bank), reverse=True)
    mean = sum(cosines) / len(cosines)
    variance = sum((c - mean) ** 2 for c in cosines) / len(cosines)
    return sum(cosines[:NEAREST]) / NEAREST, mean, variance**0.5


def test_the_bank_is_a_thousand_different_queries() -> None:
    texts = read_background()
    assert 900 < len(texts) < 1500
    assert len(set(texts)) == len(texts)
    assert all(text == text.strip() and len(text) < 60 and "#" not in text for text in texts)


def test_standings_equal_their_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.background.AT_ONCE", 7)
    background = Background(FakeSpace())
    rows = unit(random.standard_normal((20, DIM)))
    found = background.standing("audio", rows)
    for row, standing in zip(rows, found, strict=True):
        near, mean, sd = twin(row, background.vectors("audio"))
        assert standing[[NEAR, MEAN, SD]] == pytest.approx((near, mean, sd), abs=1e-5)
    query = unit(random.standard_normal(DIM))
    cosines = rows @ query
    for n in range(20):
        near, mean, sd = twin(rows[n], background.vectors("audio"))
        assert correct(cosines, found)[n] == pytest.approx(float(cosines[n]) - near / 2, abs=1e-5)
        assert above(cosines, found)[n] == pytest.approx((float(cosines[n]) - mean) / sd, rel=1e-3)
    everything = correct(background.vectors("audio") @ rows.T, found)
    assert typical(found)[0] == pytest.approx(everything.mean(), abs=1e-5)
    assert background.standing("audio", rows[:0]).shape == (0, 3)


def test_the_bank_is_read_once_and_kept(tmp_path: Path) -> None:
    space = CountingSpace()
    first = Background(space, tmp_path)
    assert space.calls == 0, "not before it is needed"
    first.vectors("image")
    first.vectors("audio")
    assert space.calls == 1
    again = Background(space, tmp_path)
    np.testing.assert_array_equal(again.vectors("audio"), first.vectors("audio"))
    assert space.calls == 1
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])  # torn
    np.testing.assert_array_equal(
        Background(space, tmp_path).vectors("image"), first.vectors("image")
    )
    assert space.calls == 2
    other = Background(space, tmp_path, wordings={"image": ["my {}"], "audio": ["{}"]})
    assert other.key != first.key
    other.vectors("image")
    assert space.calls == 3
    assert len(list(tmp_path.iterdir())) == 1, "that of other wordings is gone"


def plain_twin(
    vectors: np.ndarray, query: np.ndarray, background: Background, k: int
) -> list[tuple[int, float, float]]:
    """The words' answer, one item at a time: (place, score, standard deviations above)."""
    bank = background.vectors("audio")
    standings = [twin(row, bank) for row in vectors]
    plain = [float(row @ query) for row in vectors]
    corrected = [p - near / 2 for p, (near, _, _) in zip(plain, standings, strict=True)]
    middle = float(np.mean([mean - near / 2 for near, mean, _ in standings]))
    spread = float(np.sqrt(np.mean([sd**2 for _, _, sd in standings])))
    mean, sd = moments(np.array(corrected), (middle, spread))
    order = sorted(range(len(vectors)), key=lambda n: -corrected[n])[:k]
    return [
        (n, (corrected[n] - mean) / sd, (plain[n] - standings[n][1]) / standings[n][2])
        for n in order
    ]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def test_words_are_answered_as_by_the_twin(catalogue: Catalogue, tmp_path: Path) -> None:
    background = Background(FakeSpace(), tmp_path)
    entries = [entry(number, 1) for number in range(50)]
    matrix = Matrix(tmp_path / "vectors", "audio", DIM, background)
    matrix.open(catalogue)
    for start in (0, 20, 40):  # rows that come later stand to the bank as well
        catalogue.commit(entries[start : start + 20])
        matrix.catch_up(catalogue)
    vectors = np.concatenate([e.vectors for e in entries])
    reopened = Matrix(tmp_path / "vectors", "audio", DIM, background)
    reopened.open(catalogue)
    for query in FakeSpace().encode_texts(["red", "a low hum", "the quick brown fox"]):
        for m in (matrix, reopened):
            found = m.search(query, 7, words=True)
            ours = [
                (match.item - 1, (match.cosine - found.mean) / found.sd, match.above)
                for match in found.matches
            ]
            for mine, theirs in zip(ours, plain_twin(vectors, query, background, 7), strict=True):
                assert mine[0] == theirs[0]
                assert mine[1:] == pytest.approx(theirs[1:], rel=1e-3, abs=1e-3)
            plain = m.search(query, 7)
            assert [match.above for match in plain.matches] == [None] * 7
            nearest = np.argsort(-(vectors @ query), kind="stable")[:7]
            assert [match.item - 1 for match in plain.matches] == nearest.tolist()


def test_what_was_not_written_is_found_out_again(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    background = Background(FakeSpace(), tmp_path)
    catalogue.commit([entry(number, 2) for number in range(30)])
    query = FakeSpace().encode_texts(["a low hum"])[0]

    def answer(bank: Background) -> list[tuple[int, float]]:
        matrix = Matrix(folder, "audio", DIM, bank)
        matrix.open(catalogue)
        matches = matrix.search(query, 10, words=True).matches
        return [(match.segment, pytest.approx(match.cosine, abs=1e-6)) for match in matches]

    before = answer(background)
    (kept,) = folder.glob(f"*.{background.key}")
    for damage in (kept.unlink, lambda: kept.write_bytes(kept.read_bytes()[:100])):
        damage()
        assert answer(background) == before
        assert kept.stat().st_size == 60 * 12
    other = Background(FakeSpace(), tmp_path, wordings={"image": ["{}"], "audio": ["low {}"]})
    assert answer(other) != before
    assert not kept.exists(), "standings to another bank are gone"
    assert len(list(folder.iterdir())) == 3


class ScatteredSpace(FakeSpace):
    """Every text its own direction, all of them leaning the same way."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        seeds = [zlib.crc32(text.encode()) for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]
        return unit(np.array(rows) + 2 * np.eye(DIM)[0])


def test_a_hub_gives_way(catalogue: Catalogue, tmp_path: Path) -> None:
    """What lies near every query of the bank is not the answer to each of them."""
    background = Background(ScatteredSpace(), tmp_path)
    bank = background.vectors("audio")
    hub, *others = [entry(number, 1) for number in range(300)]
    hub.vectors[:] = unit(bank.mean(axis=0))
    for e, query in zip(others, bank, strict=False):
        e.vectors[:] = unit(query + 0.1 * random.standard_normal(DIM))
    catalogue.commit([hub, *others])
    matrix = Matrix(tmp_path / "vectors", "audio", DIM, background)
    matrix.open(catalogue)

    def occurrence(words: bool) -> int:
        return sum(
            1 in {match.item for match in matrix.search(query, 10, words=words).matches}
            for query in bank[-200:]
        )

    assert occurrence(words=True) < occurrence(words=False) / 2


def test_chroma_and_the_matrix_answer_words_alike(
    open_library: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "RERANKED", 60)
    library = open_library(exact_limit=0)
    entries = [entry(number, int(random.integers(1, 4))) for number in range(60)]
    entries += [entry(number, 1, "image") for number in range(60, 140)]
    library._catalogue.commit(entries)
    library._follow([])
    library.remove([e.sighting.id for e in entries[::7]])
    assert library.settle()
    for text in ("red", "a low hum", "white noise", "the quick brown fox"):
        for k in (1, 10):
            assert library._keeper.query("audio", entries[0].vectors[0], 1) is not None
            library.exact_limit = 0
            approximate = library.search(text, k=k)
            library.exact_limit = 10**9
            exact = library.search(text, k=k)
            assert [(hit.id, hit.start) for hit in approximate] == [
                (hit.id, hit.start) for hit in exact
            ]
            assert [hit.score for hit in approximate] == pytest.approx(
                [hit.score for hit in exact], abs=1e-3
            )


def test_similar_knows_nothing_of_the_bank(
    open_library: Callable[..., Library], folder: Path
) -> None:
    library = open_library()
    library.add([folder])
    item = library.items("image")[0]
    assert all(hit.sure is None for hit in library.similar(item.id))
    red = FakeSpace().encode_texts(["red"])[0]
    assert all(hit.sure is None for hit in library.nearest(red))


def test_libraries_share_the_bank_of_a_space(tmp_path: Path) -> None:
    space = CountingSpace()
    space.folder = tmp_path / "of the space"
    Background(space).vectors("image")
    assert not space.folder.exists(), "nothing is kept where no folder is given"
    Background(space, tmp_path / "one").vectors("image")
    Background(space, tmp_path / "other").vectors("image")
    assert space.calls == 2
    assert [path.name for path in tmp_path.iterdir()] == ["of the space"]
    newer = CountingSpace()
    newer.folder, newer.version = space.folder, "2"
    Background(newer, tmp_path / "one").vectors("image")
    assert newer.calls == 1
    assert len(list(space.folder.iterdir())) == 1, "that of the version before is gone"
