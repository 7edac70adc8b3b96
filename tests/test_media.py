"""Every format in a real library: added, found by words and by another medium, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import docx
import networkx
import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image

from encoders import load_space
from media import SUFFIXES, open_media
from store.library import Library, Term
from store.samples import add_samples, read_samples
from tests.media.makers import make_film, make_pdf, pdf_page

SAMPLES = {sample.slug: sample for sample in read_samples()}
FILMS = ("clip.mp4", "clip.mkv", "clip.webm", "clip.mov", "clip.avi")
TEXTS = ("bread.txt", "bread.md", "bread.html", "bread.pdf", "bread.docx", "bread.csv")
GRAPHS = ("music.graphml", "music.gexf", "music.gml", "music.csv", "music.json")
BREAD = (
    "Mix flour, water, salt and yeast and knead the dough for ten minutes.",
    "Let it rise under a cloth and bake it in a hot oven until the crust is brown.",
)
PEOPLE = {
    "Ann": "writes about jazz and the opera",
    "Bob": "plays the violin in an orchestra",
    "Cid": "sells used cars",
    "Dan": "repairs lorries and engines",
}


OTHER_TEXTS = {
    "garden": "The roses are watered in the evening, and the hedge is cut in spring.",
    "court": "The judge read the sentence, and the lawyer asked for an appeal.",
    "road": "The lorry broke down on the motorway, and a mechanic changed its engine.",
    "storm": "Thunder and heavy rain came over the sea, and the wind tore the sails.",
    "match": "The striker scored twice in the second half, and the crowd cheered.",
    "moon": "The spacecraft left its orbit and landed on the moon.",
    "dogs": "Puppies learn to sit when they are rewarded, and bark less.",
    "taxes": "Every household fills in a form about what it earned.",
}
OTHER_FILMS = {
    "garden": ("dahlia", "gravel", "rain"),
    "journey": ("temple", "tower", "wind"),
    "night": ("galaxies", "galaxies", "crickets"),
    "people": ("admiral", "cameraman", "applause"),
}
OTHER_GRAPHS = {
    "zoo": {"Leo": "a lion in the zoo", "Ella": "an elephant", "Kim": "a penguin that swims"},
    "garage": {"Max": "changes tyres", "Tom": "paints cars", "Eva": "sells lorries"},
    "court": {"Joe": "a judge", "Sue": "a lawyer", "Pat": "a thief who was caught"},
    "space": {"Apollo": "a rocket to the moon", "Mir": "a station", "Juno": "a probe"},
}


def make_clip(path: Path, first: str = "cat", second: str = "rocket", sound: str = "dog") -> None:
    """Three seconds of a cat, three of a rocket, while a dog barks; or of other samples."""
    with Image.open(SAMPLES[first].path) as one, Image.open(SAMPLES[second].path) as other:
        shots = [(one.convert("RGB"), 3.0), (other.convert("RGB"), 3.0)]
    wave, rate = soundfile.read(SAMPLES[sound].path, always_2d=True)
    heard = soxr.resample(wave.mean(axis=1), rate, 48_000)
    heard = np.resize(heard, 6 * 48_000).astype(np.float32)
    make_film(path, shots, rate=5, size=(320, 240), sound=heard)


def make_text(path: Path) -> None:
    match path.suffix:
        case ".html":
            path.write_text(f"<h1>Bread</h1><p>{BREAD[0]}</p><p>{BREAD[1]}</p>")
        case ".pdf":
            make_pdf(
                path,
                [
                    pdf_page(*["Every household fills in a form about what it earned."] * 8),
                    pdf_page(*BREAD),
                ],
            )
        case ".docx":
            document = docx.Document()
            for line in BREAD:
                document.add_paragraph(line)
            document.save(str(path))
        case ".csv":
            path.write_text(f'dish,recipe\nbread,"{" ".join(BREAD)}"\nsoup,"Boil the bones."\n')
        case _:
            path.write_text("\n\n".join(BREAD))


def make_graph(path: Path, people: dict[str, str] = PEOPLE) -> None:
    graph = networkx.Graph(name="friends")
    for name, about in people.items():
        graph.add_node(name, label=name, about=about)
    graph.add_edges_from(pairwise(people))
    match path.suffix:
        case ".graphml":
            networkx.write_graphml(graph, path)
        case ".gexf":
            networkx.write_gexf(graph, path)
        case ".gml":
            for _, attributes in graph.nodes(data=True):
                del attributes["label"]
            networkx.write_gml(graph, path)
        case ".csv":
            rows = [f"{a} {people[a]},{b} {people[b]}" for a, b in graph.edges]
            path.write_text("\n".join(["source,target", *rows]))
        case ".json":
            path.write_text(json.dumps(networkx.node_link_data(graph, edges="links")))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The samples, and some other things of each medium, among which the right one is found."""
    others = tmp_path_factory.mktemp("others")
    for name, text in OTHER_TEXTS.items():
        (others / f"{name}.txt").write_text(text)
    for name, samples in OTHER_FILMS.items():
        make_clip(others / f"{name}.mp4", *samples)
    for name, people in OTHER_GRAPHS.items():
        make_graph(others / f"{name}.graphml", people)
    with Library(tmp_path_factory.mktemp("library"), load_space()) as library:
        add_samples(library, lambda what, done, total: None)
        assert not library.add([others]).skipped
        yield library


def state(library: Library) -> object:
    stats = library.stats()
    rows = library._catalogue._rows("SELECT count(*) FROM words")[0][0]
    files = sorted(path.name for path in (library.data / "previews").iterdir())
    return stats.items, stats.segments, rows, files


def check(library: Library, path: Path, words: str, modality: str, by: str) -> dict[str, object]:
    """Add a file, find it by words and by another medium, remove it; returns the hit by words."""
    before = state(library)
    (item,) = library.add([path]).added
    try:
        kind = {"graph": "node"}.get(modality, modality)
        for exact in (True, False):
            hits = library.find([Term(words)], kind, 3, exact=exact).hits
            assert item.id in {hit.id.partition("#")[0] for hit in hits}
        everywhere = library.find([Term(words)], None, 3).hits
        assert item.id in {hit.id.partition("#")[0] for hit in everywhere}
        likes = library.similar(SAMPLES[by].path, modality, 3)
        assert item.id in {hit.id for hit in likes}
        others = library.similar(item.id, "image", 3)
        assert len(others) == 3
        assert library.preview(item.id).exists()
        return next(h.as_dict() for h in hits if h.id.partition("#")[0] == item.id)
    finally:
        library.remove([item.id])
        assert state(library) == before, "no trace is left"


@pytest.mark.parametrize("name", FILMS)
def test_films(library: Library, tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name)
    hit = check(library, tmp_path / name, "a rocket", "film", "cat")
    assert hit["start"] == pytest.approx(3, abs=0.6)
    assert hit["end"] == pytest.approx(6, abs=0.6)


def test_a_film_is_found_by_what_is_heard(library: Library, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4")
    (item,) = library.add([tmp_path / "clip.mp4"]).added
    barks = library.similar(SAMPLES["dog"].path, "film", 1)[0]
    assert (barks.id, barks.start) == (item.id, 0)
    sounds = [hit.title for hit in library.similar(item.id, "audio", 3)]
    assert SAMPLES["dog"].title in sounds
    pictures = {hit.title for hit in library.similar(item.id, "image", 5)}
    assert pictures & {SAMPLES["cat"].title, SAMPLES["rocket"].title}
    library.remove([item.id])


@pytest.mark.parametrize("name", TEXTS)
def test_texts(library: Library, tmp_path: Path, name: str) -> None:
    make_text(tmp_path / name)
    hit = check(library, tmp_path / name, "how to make a loaf in the oven", "text", "coffee")
    assert "oven" in str(hit["text"])
    if name.endswith(".pdf"):
        assert hit["place"]["page"] == 2  # type: ignore[index]


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(library: Library, tmp_path: Path, name: str) -> None:
    make_graph(tmp_path / name)
    hit = check(library, tmp_path / name, "people who write about music", "graph", "guitar")
    assert "Ann" in str(hit["title"])


def test_every_suffix_of_the_table_is_known() -> None:
    assert {SUFFIXES[Path(name).suffix] for name in (*FILMS, *TEXTS)} == {"film", "text"}
    assert {SUFFIXES[Path(name).suffix] for name in GRAPHS[:3]} == {"graph"}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_known_by_what_they_hold(tmp_path: Path, name: str) -> None:
    make_graph(tmp_path / name)
    with open_media(tmp_path / name) as opened:
        assert opened.modality == "graph"
