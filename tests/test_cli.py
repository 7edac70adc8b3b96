"""The real command on real networks and a real library, in a new process where that matters."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

import app
from encoders import load_space
from encoders.weights import cache_dir
from store.certainty import read_certainty
from store.library import MODALITIES, Library, Term
from store.samples import read_samples
from tests.commands import ROOT, run, run_here
from tests.media.makers import make_jpeg, make_tone

SAMPLES = {sample.slug: sample for sample in read_samples()}


@pytest.fixture(scope="module")
def data(samples, tmp_path_factory) -> Path:
    """A library with the samples."""
    return shutil.copytree(samples, tmp_path_factory.mktemp("data") / "samples")


def test_samples_come_and_go(samples, tmp_path):
    data = shutil.copytree(samples, tmp_path / "data")  # "added" was told when it was filled
    assert f"{len(SAMPLES)} already there" in run_here("samples", data=data).stdout
    assert run("samples", "--remove", data=data).stdout == f"{len(SAMPLES)} removed.\n"
    held = json.loads(run_here("stats", "--json", data=data).stdout)["items"]
    assert set(held) == set(MODALITIES)
    assert set(held.values()) == {0}


def test_the_first_hit_is_right(data):
    hits = json.loads(run("search", "a dog barking", "--in", "audio", "--json", data=data).stdout)
    assert hits[0]["title"] == SAMPLES["dog"].title
    assert len(hits) == 10
    assert {hit["modality"] for hit in hits} == {"audio"}


CATS = {"cat", "sleeping_cat", "persian_cat", "siamese_cat"}
PICTURES = [
    ("a cat", CATS),
    ("kittens", CATS),
    ("a cat that is sleeping on the sofa", CATS),
    ("a rocket", {"rocket"}),
    ("a spacecraft on its launch pad", {"rocket"}),
    ("coffee", {"coffee"}),
    ("something hot to drink in the morning", {"coffee"}),
    ("stars in the night sky", {"galaxies"}),
    ("a brick wall", {"bricks"}),
    ("mathematics written on paper", {"handwriting"}),
    ("a Chinese temple", {"temple"}),
    ("a flower in the garden", {"dahlia"}),
    ("a woman in uniform", {"admiral"}),
    ("a photographer with his camera", {"cameraman"}),
    ("a tower", {"tower"}),
]
SOUNDS = [
    ("a dog barking", {"dog"}),
    ("puppy", {"dog"}),
    ("cattle mooing on a farm", {"cow"}),
    ("a horse", {"horse"}),
    ("a rooster crowing in the morning", {"rooster"}),
    ("birdsong in the forest", {"birdsong"}),
    ("insects at night", {"crickets"}),
    ("people clapping their hands", {"applause"}),
    ("someone playing the drums", {"drums"}),
    ("a campfire", {"fire"}),
    ("flute", {"flute"}),
    ("someone strumming a guitar", {"guitar"}),
    ("piano", {"piano"}),
    ("heavy rain", {"rain"}),
    ("the phone rings", {"telephone"}),
    ("a stormy wind howls", {"wind"}),
]


def test_words_and_sentences_find_the_right_samples_first(data):
    with closing(Library(data, load_space())) as library:
        wrong = [
            (query, found[0].title)
            for modality, queries in (("image", PICTURES), ("audio", SOUNDS))
            for query, right in queries
            for exact in (True, False)  # by their titles as well, and by likeness alone
            if (found := library.find([Term(query)], modality, 3, exact=exact).hits)
            and found[0].title not in {SAMPLES[slug].title for slug in right}
        ]
    assert not wrong


def test_search_prints_the_agreed_fields_best_first(data):
    hits = json.loads(run_here("search", "a cat", "--top", "5", "--json", data=data).stdout)
    assert [list(hit) for hit in hits] == [
        [
            "id",
            "score",
            "modality",
            "title",
            "path",
            "start",
            "end",
            "sure",
            "place",
            "text",
            "exact",
        ]
    ] * 5
    assert {hit["modality"] for hit in hits} == {"image", "audio"}, "both media stand in one list"
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_search_says_when_nothing_is_close(data):
    said = set()
    for query in ["a cat", "a tax return", "the theory of relativity"]:
        for medium, held in [("image", "22 pictures"), ("audio", "31 sounds")]:
            done = run_here("search", query, "--in", medium, "--json", data=data)
            surest = max(hit["sure"] for hit in json.loads(done.stdout))
            far = surest < read_certainty("embedded", medium).floor
            sentence = f"Nothing close to “{query}” among your {held}; the nearest are:\n"
            assert done.stderr == (sentence if far else "")
            said.add(far)
            if (query, medium) == ("a cat", "image"):
                assert not far
    assert said == {True, False}
    query = "x" * 100
    assert query not in run_here("search", query, data=data).stderr


def test_similar_finds_the_file_itself_and_its_like(data):
    hits = json.loads(run("similar", str(SAMPLES["cat"].path), "--json", data=data).stdout)
    assert hits[0]["title"] == SAMPLES["cat"].title


def test_index_search_remove(tmp_path):
    media, data = tmp_path / "media", tmp_path / "data"
    (media / "below").mkdir(parents=True)
    make_jpeg(media / "a 'red' \"one\".jpg", "red")
    make_tone(media / "below" / "whistle 🎵.wav", 3000, 12)
    (media / "broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    first = run("index", str(media), data=data)
    assert first.stdout == "2 added, 0 already there, 1 skipped.\n"
    assert "broken.jpg" in first.stderr
    assert run_here("index", str(media), data=data).stdout == (
        "0 added, 2 already there, 1 skipped.\n"
    )
    (sound,) = json.loads(
        run_here("search", "whistle", "--in", "audio", "--json", data=data).stdout
    )
    assert sound["path"] == str(media / "below" / "whistle 🎵.wav")
    assert (sound["start"], sound["end"]) in [(0, 10), (2, 12)]
    assert "0:" in run_here("search", "whistle", "--in", "audio", data=data).stdout
    assert run("remove", sound["id"], data=data).stdout == "1 removed.\n"
    assert "There is no item" in run_here("remove", sound["id"], data=data, code=1).stderr
    assert (
        json.loads(run_here("search", "whistle", "--in", "audio", "--json", data=data).stdout) == []
    )
    assert (media / "below" / "whistle 🎵.wav").exists(), "files outside the library stay"


def found(*arguments: str, data: Path) -> list[dict]:
    return json.loads(run_here("search", *arguments, "--json", data=data).stdout)


def test_a_query_can_be_put_together(data):
    cat, rocket = (str(SAMPLES[slug].path) for slug in ("cat", "rocket"))
    (alone,) = found("--like", cat, "--in", "image", "-k", "1", data=data)
    assert alone["title"] == SAMPLES["cat"].title
    both = found("a cat", "--plus", "a rocket^2", "--in", "image", "--top", "3", data=data)
    assert SAMPLES["rocket"].title in {hit["title"] for hit in both}
    (first, *_) = found("animal", "--minus", "a cat^1", "--in", "image", data=data)
    assert "cat" not in first["title"]
    (item,) = [hit for hit in both if hit["title"] == SAMPLES["rocket"].title]
    likes = found("", "--like", item["id"], "--in", "image", data=data)
    assert item["id"] not in {hit["id"] for hit in likes}, "an item is not its own answer"
    nearer = found("a cat", "--like", f"{rocket}^3", "--in", "image", data=data)
    assert nearer[0]["title"] == SAMPLES["rocket"].title


def test_results_can_be_filtered_and_paged(data):
    whole = found("a bird", "--top", "12", data=data)
    assert found("a bird", "--top", "5", "--skip", "4", data=data) == whole[4:9]
    long = found("a bird", "--longer", "8.5", "--top", "50", data=data)
    assert long
    assert {hit["modality"] for hit in long} == {"audio"}
    assert found("a bird", "--shorter", "0.001", data=data) == []
    assert {hit["title"] for hit in found("x", "--title", "CAT", data=data)} >= {
        SAMPLES["cat"].title
    }
    assert found("a bird", "--after", "2100-01-01", data=data) == []
    assert len(found("a bird", "--before", "2100-01-01", data=data)) == 10
    assert found("a bird", "--folder", str(data / "nowhere"), data=data) == []
    assert len(found("a bird", "--folder", str(data), data=data)) == 10
    large = found("a bird", "--larger", "300000", "--top", "50", data=data)
    assert 0 < len(large) < len(SAMPLES)
    assert all(Path(hit["path"]).stat().st_size >= 300_000 for hit in large)


def test_names_of_files_are_found_word_by_word(tmp_path):
    media, data = tmp_path / "media", tmp_path / "data"
    media.mkdir()
    for number in range(2040, 2045):
        make_jpeg(media / f"IMG_{number}.jpg", (number % 256, 0, 90))
    run_here("index", str(media), data=data)
    (first, *_) = found("IMG_2041", data=data)
    assert (first["title"], first["exact"]) == ("IMG_2041", True)
    assert not any(hit["exact"] for hit in found("IMG_2041", "--no-exact", data=data))


def test_eval_measures_a_manifest(tmp_path):
    manifest = tmp_path / "pairs.csv"
    pairs = [("cat", "a cat"), ("rocket", "a rocket"), ("coffee", "a cup of coffee")]
    pairs += [("dog", "a dog barking"), ("rain", "rain")]
    with manifest.open("w", newline="", encoding="utf-8") as file:
        rows = [(str(SAMPLES[slug].path), text) for slug, text in pairs]
        csv.writer(file).writerows([("path", "text"), *rows, ("gone.jpg", "nothing")])
    done = run_here("eval", str(manifest), "--json")
    result = json.loads(done.stdout)
    assert "gone.jpg" in done.stderr
    assert result["image"]["gallery"] == result["image"]["queries"] == 3
    assert result["image"]["recall@1"] == 1
    assert result["audio"]["gallery"] == 2
    assert set(result["audio"]) == {
        *("queries", "gallery", "chance", "recall@1", "recall@5", "recall@10"),
        *("mrr", "map", "precision@1", "precision@10", "zero_shot_top1"),
    }


def test_wrong_use_is_exit_code_2(tmp_path):
    assert "image, audio" in run_here("search", "x", "--in", "smell", data=tmp_path, code=2).stderr
    assert "YYYY-MM-DD" in run_here("search", "x", "--after", "May", data=tmp_path, code=2).stderr
    run_here("search", data=tmp_path, code=2)
    run_here("no-such-command", code=2)
    assert "USER:PASSWORD" in run_here("--auth", "nobody", data=tmp_path, code=2).stderr


def test_failed_runs_are_exit_code_1_and_one_sentence(tmp_path):
    for arguments in [
        ("search", " "),
        ("index", str(tmp_path / "gone.jpg")),
        ("similar", str(tmp_path / "gone.jpg")),
        ("eval", str(tmp_path / "gone.csv")),
        ("search", "x", "--space", "nonsense"),
    ]:
        said = run_here(*arguments, data=tmp_path / "data", code=1).stderr.strip()
        assert said
        assert "\n" not in said


def test_a_query_of_ten_thousand_letters_and_other_scripts(data):
    for query in ["cat " * 2500, "кошка", "猫", "🐈", "'; DROP TABLE items; --"]:
        assert len(found(query, data=data)) == 10


def test_answering_imports_neither_torch_nor_what_needs_it(data):
    script = (
        "import sys, app; sys.argv = ['app.py', 'search', 'a dog']\n"
        "try: app.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'open_clip', 'transformers', 'gradio', 'librosa', 'timm'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    environment = os.environ | {"ANYFIND_DATA": str(data)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_command_speaks_to_the_network(data, tmp_path):
    script = (
        "import socket, sys, app\n"
        "def refuse(*arguments): raise SystemExit(f'network: {arguments}')\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        "sys.argv = ['app.py', *sys.argv[1:]]\n"
        "app.main()"
    )
    make_jpeg(tmp_path / "red.jpg", "red")
    environment = os.environ | {"ANYFIND_DATA": str(data), "HOME": str(tmp_path)}
    environment |= {"ANYFIND_CACHE": str(cache_dir())}
    for arguments in [("search", "a dog"), ("index", str(tmp_path)), ("stats",)]:
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"red.jpg"}, "nothing is left at home"


def test_an_explicit_folder_wins_over_the_environment(data, tmp_path):
    said = run_here("--data", str(tmp_path), "stats", "--json", data=data)
    assert json.loads(said.stdout)["data"] == str(tmp_path)


def test_a_name_that_is_no_text_is_printed(tmp_path):
    media, data = tmp_path / "media", tmp_path / "data"
    media.mkdir()
    make_jpeg(media / "plain.jpg", "red")
    os.rename(media / "plain.jpg", os.fsencode(media) + b"/caf\xe9.jpg")
    run_here("index", str(media), data=data)
    assert "caf" in run_here("search", "red", data=data).stdout
    assert "caf" in json.loads(run_here("search", "red", "--json", data=data).stdout)[0]["path"]


def test_help_names_every_command():
    said = run_here("--help").stdout
    for command in [
        *("index", "search", "similar", "remove", "stats", "models", "samples", "eval"),
        *("classify", "teach", "probes", "odd", "compare", "outliers", "inside", "methods"),
        *("duplicates", "map", "embed", "serve", "mcp"),
    ]:
        assert f" {command} " in said
        told = CliRunner().invoke(app.cli, [command, "--help"])  # a process each would only be slow
        assert told.exit_code == 0
        assert told.stdout


def test_models_lists_spaces_by_name():
    done = run_here("models")
    assert all(form in done.stderr for form in ("glove:FILE", "word2vec:FILE", "resnet:MODEL"))
    names = done.stdout.split()
    assert names[0] == "embedded"
    assert "ViT-B-32/laion2b_s34b_b79k" in names
