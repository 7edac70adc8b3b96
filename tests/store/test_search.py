"""The matrix, Chroma and a plain twin of both must agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from media import Segment
from store import coarse as coarse_module
from store import matrix as matrix_module
from store.catalogue import Catalogue, Entry, Sighting, segment_id
from store.index import Index, IndexBroken, Settings, collection_name
from store.library import Library
from store.matrix import Match, Matrix
from store.scores import PRIOR, PRIOR_ITEMS, moments
from store.search import Scored, compare_streams
from tests.fakes import FakeSpace

DIM = 16
random = np.random.default_rng(11)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def entry(number: int, windows: int, modality: str = "audio", dim: int = DIM) -> Entry:
    """An item of some windows near one direction."""
    centre = random.standard_normal(dim)
    vectors = unit(centre + 0.5 * random.standard_normal((windows, dim)))
    parts = [Segment(5.0 * n, 5.0 * n + 10, tower=modality) for n in range(windows)]
    seen = Sighting(Path(f"/{number}"), 1, number, f"{number:032x}")
    return Entry(seen, modality, f"item {number}", None, {"seconds": 1.0}, parts, vectors)


def twin(entries: list[Entry], query: np.ndarray, k: int) -> list[tuple[str, str, float]]:
    """The same, plainly: every window of every item, sorted, the first of each item."""
    everything = [
        (
            float(vector @ query),
            e.sighting.id,
            segment_id(e.sighting.id, "audio", part, len(e.parts)),
        )
        for e in entries
        for part, vector in zip(e.parts, e.vectors, strict=True)
    ]
    best: dict[str, tuple[str, str, float]] = {}
    for cosine, item, segment in sorted(everything, key=lambda row: -row[0]):
        best.setdefault(item, (item, segment, cosine))
    return list(best.values())[:k]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


def ask(
    catalogue: Catalogue, matrix: Matrix, query: np.ndarray, k: int
) -> list[tuple[str, str, float]]:
    matches = matrix.search(query, k).matches
    segments = catalogue.segments([match.segment for match in matches])
    return [
        (segments[m.segment].item.id, segments[m.segment].id, pytest.approx(m.cosine, abs=1e-5))
        for m in matches
    ]


def test_the_matrix_equals_its_twin(catalogue: Catalogue, tmp_path: Path) -> None:
    entries = [entry(number, int(random.integers(1, 30))) for number in range(60)]
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    assert matrix.search(unit(random.standard_normal(DIM)), 5).matches == []
    for start in range(0, 60, 7):
        catalogue.commit(entries[start : start + 7])
        matrix.catch_up(catalogue)
    for query in unit(random.standard_normal((20, DIM))):
        for k in (1, 3, 10, 60, 100):
            assert twin(entries, query, k) == ask(catalogue, matrix, query, k)
    removed = catalogue.remove([e.sighting.id for e in entries[::3]])
    matrix.drop([n for item in removed for n in item.segments["audio"]], catalogue)
    rest = [e for number, e in enumerate(entries) if number % 3]
    reopened = Matrix(tmp_path / "vectors", "audio", DIM)
    reopened.open(catalogue)
    assert len(matrix) == len(reopened) == sum(len(e.parts) for e in rest)
    for query in unit(random.standard_normal((20, DIM))):
        for m in (matrix, reopened):
            assert twin(rest, query, 10) == ask(catalogue, m, query, 10)


def test_an_item_can_be_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    entries = [entry(number, 9) for number in range(5)]
    catalogue.commit(entries)
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    query = entries[2].vectors[0]
    found = matrix.search(query, 10)
    without = matrix.search(query, 10, without=[found.matches[0].item])
    assert without.matches == found.matches[1:]


def test_a_matrix_of_many_dead_rows_is_written_anew(catalogue: Catalogue, tmp_path: Path) -> None:
    entries = [entry(number, 100) for number in range(25)]
    catalogue.commit(entries)
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    before = sum(path.stat().st_size for path in (tmp_path / "vectors").iterdir())
    query = entries[-1].vectors[3]
    for e in entries[:20]:
        (removed,) = catalogue.remove([e.sighting.id])
        matrix.drop(removed.segments["audio"], catalogue)
        assert twin(entries[20:], query, 1) == ask(catalogue, matrix, query, 1)
    assert sum(path.stat().st_size for path in (tmp_path / "vectors").iterdir()) < before / 2
    assert len(list((tmp_path / "vectors").iterdir())) == 2


def test_rows_half_written_are_written_over(catalogue: Catalogue, tmp_path: Path) -> None:
    entries = [entry(number, 3) for number in range(10)]
    catalogue.commit(entries[:5])
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    with open(next((tmp_path / "vectors").glob("*.f32")), "ab") as file:
        file.write(b"\7" * 100)
    with open(next((tmp_path / "vectors").glob("*.rows")), "ab") as file:
        file.write(b"\7" * 7)
    catalogue.commit(entries[5:])
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    query = entries[7].vectors[0]
    assert twin(entries, query, 10) == ask(catalogue, matrix, query, 10)


def test_moments_are_those_of_the_collection_with_the_prior() -> None:
    cosines = random.standard_normal(50).astype(np.float32) / 5
    share = PRIOR_ITEMS / (50 + PRIOR_ITEMS)
    for prior in (PRIOR, (-0.2, 0.07)):
        mean = (1 - share) * cosines.mean() + share * prior[0]
        spread = (1 - share) * ((cosines - mean) ** 2).mean()
        spread += share * (prior[1] ** 2 + (prior[0] - mean) ** 2)
        assert moments(cosines, prior) == pytest.approx((mean, spread**0.5), rel=1e-5)
        assert moments(np.empty(0), prior) == pytest.approx(prior)
    assert moments(cosines) == moments(cosines, PRIOR)


def test_scores_of_a_large_collection_come_from_a_sample(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_module, "SAMPLE", 200)
    entries = [entry(number, 1) for number in range(1000)]
    catalogue.commit(entries)
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    query = unit(random.standard_normal(DIM))
    found = matrix.search(query, 10)
    assert (found.mean, found.sd) == pytest.approx(matrix.moments(query))
    everything = np.concatenate([e.vectors for e in entries]) @ query
    assert (found.mean, found.sd) == pytest.approx(moments(everything), abs=0.06)


def test_chroma_and_the_matrix_find_the_same(
    open_library: Callable[..., Library],
) -> None:
    library = open_library(exact_limit=0)
    entries = [entry(number, int(random.integers(1, 30)), dim=16) for number in range(40)]
    entries += [entry(number, 1, "image", dim=16) for number in range(40, 140)]
    library._catalogue.commit(entries)
    library._follow([])
    assert library.settle()
    library.remove([e.sighting.id for e in entries[::4]])
    assert library.settle()
    for query in unit(random.standard_normal((20, 16))):
        for k in (1, 10, 50):
            assert library._keeper.query("audio", query, 1) is not None
            approximate = library.nearest(query, k=k)
            library.exact_limit = 10**9
            exact = library.nearest(query, k=k)
            library.exact_limit = 0
            assert [hit.id for hit in approximate] == [hit.id for hit in exact]
            assert [hit.start for hit in approximate] == [hit.start for hit in exact]
            assert [hit.score for hit in approximate] == pytest.approx(
                [hit.score for hit in exact], abs=1e-3
            )
    known = library.items("audio")[0].id
    assert known not in {hit.id for hit in library.similar(known, k=500)}


def test_an_index_that_fails_in_use_is_built_anew(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library(exact_limit=0)
    library.add([folder])
    assert library.settle()
    before = library.search("red", k=3)

    class PanicError(BaseException):
        pass

    def panic(*args: object, **options: object) -> None:
        raise PanicError("the index panicked")

    monkeypatch.setattr(library._keeper._index._collections["image"], "query", panic)
    meanwhile = library.search("red", k=3)  # exactly
    assert [h.id for h in meanwhile] == [h.id for h in before]
    assert library.settle()
    assert library._keeper.folder.name == "index-2"
    assert [h.id for h in library.search("red", k=3)] == [h.id for h in before]


def test_a_query_that_fails_while_more_is_awaited_builds_the_index_anew(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library(exact_limit=0)
    library.add([folder])
    assert library.settle()
    monkeypatch.setattr("store.keeper.GATHER_SECONDS", 60)
    library._keeper.wake(now=False)
    time.sleep(0.1)  # it waits for more now

    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("damaged")

    monkeypatch.setattr(library._keeper._index._collections["image"], "query", fail)
    assert library.search("red")[0].title == "red"
    assert library.settle()
    assert library._keeper.folder.name == "index-2"


def test_what_was_added_is_in_the_index_at_once(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.keeper.GATHER_SECONDS", 60)
    library = open_library()
    library.add([folder])
    deadline = time.monotonic() + 20
    while library._catalogue.pending(1):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_write_that_fails_builds_the_index_anew(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library()
    library.add([folder / "red.jpg"])
    assert library.settle()

    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(library._keeper._index._collections["audio"], "upsert", fail)
    library.add([folder])
    assert library.settle()
    index = library._keeper._index
    assert index is not None
    assert index.count("audio") == 5


def test_an_index_that_cannot_be_built_does_not_stop_the_library(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise IndexBroken("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "write", fail)
        library = open_library(exact_limit=0)
        library.add([folder])
        assert not library.settle()
        assert library.search("red")[0].title == "red"
        assert library.count() == 5
        library.close()
    library = open_library()
    assert library.settle()
    index = library._keeper._index
    assert index is not None
    assert index.count("image") == 3


OPTIONS = {"space": "fake", "dim": 16, "streams": ["image"]}


def test_settings_are_read_back(tmp_path: Path) -> None:
    settings = Settings(ef_search=77, sync_threshold=50)
    index = Index(tmp_path / "i", **OPTIONS, settings=settings, create=True)
    found = index._collections["image"].configuration_json["hnsw"]
    assert found["space"] == "cosine"
    assert found["ef_search"] == 77
    index.close()
    Index(tmp_path / "i", **OPTIONS, settings=settings, create=False).close()
    with pytest.raises(IndexBroken, match="other settings"):
        Index(tmp_path / "i", **OPTIONS, settings=Settings(), create=False)
    with pytest.raises(IndexBroken, match="other settings"):
        Index(tmp_path / "i", **(OPTIONS | {"dim": 17}), settings=settings, create=False)
    with pytest.raises(IndexBroken):
        Index(tmp_path / "i", **(OPTIONS | {"space": "b"}), settings=settings, create=False)
    with pytest.raises(IndexBroken, match="there is no index"):
        Index(tmp_path / "none", **OPTIONS, settings=settings, create=False)


def test_other_settings_have_the_index_built_anew(
    open_library: Callable[..., Library], folder: Path
) -> None:
    library = open_library()
    library.add([folder])
    library.close()
    library = open_library(index=Settings(ef_search=50))
    library._keeper.wake()
    assert library.settle()
    assert library._keeper.folder.name == "index-2"


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("embedded", "embedded.image"),
        ("ViT-B-32/laion2b_s34b_b79k", "ViT-B-32-laion2b_s34b_b79k.image"),
        ("local-dir:/x y/ü", "local-dir-x-y.image"),
        ("🐈", "space.image"),
        ("x" * 600, "x" * 200 + ".image"),
    ],
)
def test_collection_names_are_what_chroma_takes(tmp_path: Path, space: str, name: str) -> None:
    assert collection_name(space, "image") == name
    options = OPTIONS | {"space": space}
    Index(tmp_path / "i", **options, settings=Settings(), create=True).close()


def test_segment_ids_are_media_fragments() -> None:
    assert segment_id("a", "image", Segment(), 1) == "a"
    assert segment_id("a", "audio", Segment(0.0, 7.25), 1) == "a"
    assert segment_id("a", "audio", Segment(5.0, 15.0), 3) == "a#t=5,15"
    late = Segment(7190.123456, 7200.123456)
    assert segment_id("a", "film", late, 3) == "a#t=7190.123456,7200.123456"
    assert segment_id("a", "soundtrack", Segment(5.0, 15.0), 3) == "a#t=5,15&track=audio"
    place = Segment(place={"page": 3, "line": 12})
    assert segment_id("a", "text", place, 3, 2) == "a#part=2"


def test_a_film_is_told_of_by_what_lies_highest_above_everyday_queries() -> None:
    def found(item: int, stream: str, above: float | None, sure: float | None) -> Scored:
        return Scored(0.0, Match(item, item, 0.1, above), stream, sure)

    seen = [found(1, "film", 3.0, 0.6), found(2, "film", 6.9, 0.07)]
    heard = [found(3, "soundtrack", 1.0, 0.3), found(2, "soundtrack", -0.1, 0.09)]
    joined = compare_streams([seen, heard])
    assert [(hit.match.item, hit.stream) for hit in joined] == [
        (1, "film"),
        (3, "soundtrack"),
        (2, "film"),
    ]
    # where nobody knows how high, the better score counts
    seen = [Scored(1.0, Match(1, 1, 0.1), "film")]
    heard = [Scored(2.0, Match(2, 1, 0.1), "soundtrack")]
    assert [hit.stream for hit in compare_streams([seen, heard])] == ["soundtrack"]


def test_the_fake_space_has_this_dimension() -> None:
    assert FakeSpace.dim == DIM


def test_a_large_matrix_is_searched_through_its_short_copy(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [entry(number, 3) for number in range(300)]
    catalogue.commit(entries[:290])
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    queries = unit(random.standard_normal((20, DIM)))
    plain = [matrix.search(query, 5) for query in queries]
    monkeypatch.setattr(matrix_module, "COARSE_FROM", 100)
    monkeypatch.setattr(matrix_module, "CANDIDATES", 60)
    monkeypatch.setattr(coarse_module, "LENGTH", 12)
    for query, expected in zip(queries, plain, strict=True):
        found = matrix.search(query, 5)
        assert found.matches == expected.matches
        assert found.mean == pytest.approx(expected.mean, abs=0.02)
        assert found.sd == pytest.approx(expected.sd, rel=0.25), "of the short rows"
    assert len(matrix._coarse[1] or ()) == 870
    catalogue.commit(entries[290:])  # few more: searched in full beside the copy
    matrix.catch_up(catalogue)
    (removed,) = catalogue.remove([entries[0].sighting.id])
    matrix.drop(removed.segments["audio"], catalogue)
    assert len(matrix._coarse[1] or ()) == 870
    for query in queries:
        assert twin(entries[1:], query, 5) == ask(catalogue, matrix, query, 5)


def test_a_long_item_does_not_hide_the_others_of_a_large_matrix(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [entry(0, 400), *(entry(number, 1) for number in range(1, 200))]
    catalogue.commit(entries)
    matrix = Matrix(tmp_path / "vectors", "audio", DIM)
    matrix.open(catalogue)
    monkeypatch.setattr(matrix_module, "COARSE_FROM", 100)
    monkeypatch.setattr(matrix_module, "CANDIDATES", 50)
    query = unit(entries[0].vectors.mean(axis=0))
    assert twin(entries, query, 10) == ask(catalogue, matrix, query, 10)


def test_short_rows_keep_the_products_with_likely_queries() -> None:
    rows = unit(random.standard_normal((500, 40)) * np.geomspace(1, 0.01, 40) + 0.3)
    queries = unit(random.standard_normal((50, 40)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse_module, "LENGTH", 40)
        whole = coarse_module.shorten(rows, rows, queries)
        np.testing.assert_allclose(
            [whole.products(query) for query in queries], queries @ rows.T, atol=1e-3
        )
        patch.setattr(coarse_module, "LENGTH", 10)
        short = coarse_module.shorten(rows, rows, queries)
    assert short.rows.shape == (500, 10)
    errors = [np.abs(short.products(query) - rows @ query).mean() for query in queries]
    spread = (queries @ rows.T).std(axis=1).mean()
    assert np.median(errors) < spread / 2
