"""The real command `embed`, on real networks: the same vectors in every form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from encoders import load_space
from encoders.anchors import DIM
from store.export import Block, embed_files, embed_lines, write_vectors
from store.library import LibraryError
from tests.commands import ROOT, run, run_here
from tests.fakes import FakeSpace
from tests.media import makers


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    makers.make_jpeg(folder / "a red.jpg", "red")
    makers.make_tone(folder / "b long.wav", 440, 23.0)
    (folder / "c broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    (folder / "d story.txt").write_text("Once upon a time there was a dog.\n", "utf-8")
    return folder


def test_files_and_words_into_lines(folder, tmp_path):
    out = tmp_path / "vectors.jsonl"
    done = run("embed", str(folder), "--text", "a cat", "--out", str(out))
    assert done.stdout == f"7 vectors of {DIM} dimensions in {out}, 1 file skipped.\n"
    # what takes longer than usual tells of its progress as well
    told = [line for line in done.stderr.splitlines() if not line.startswith("Embedding")]
    assert told == ['skipped: "c broken.jpg" is damaged or cut off, and cannot be decoded']
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["modality"] for row in rows] == ["text", "image", *["audio"] * 4, "text"]
    assert [(row["start"], row["end"]) for row in rows[2:6]] == [
        (0, 10),
        (5, 15),
        (10, 20),
        (13, 23),
    ]
    assert rows[1]["path"] == str(folder / "a red.jpg")
    assert rows[6]["place"] == {"line": 1}
    assert "there was a dog" in rows[6]["text"]
    vectors = np.array([row["vector"] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], load_space().encode_texts(["a cat"])[0], atol=2e-3)


def test_every_form_holds_the_same(folder, tmp_path):
    space = FakeSpace()
    found = {}
    for suffix in ("jsonl", "npz", "parquet"):
        path = tmp_path / f"vectors.{suffix}"
        assert write_vectors(path, embed_files(space, [folder]), space) == 6
        if suffix == "jsonl":
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            found[suffix] = (
                [(row["path"], row["end"], row["place"]) for row in rows],
                np.array([row["vector"] for row in rows]),
            )
        elif suffix == "npz":
            arrays = np.load(path)
            ends = [None if np.isnan(end) else end for end in arrays["end"]]
            places = map(json.loads, arrays["place"])
            found[suffix] = (
                list(zip(arrays["path"], ends, places, strict=True)),
                arrays["vectors"],
            )
            assert str(arrays["space"]) == "fake"
        else:
            table = parquet.read_table(path)
            assert table.schema.metadata[b"space"] == b"fake"
            found[suffix] = (
                [
                    (row["path"], row["end"], json.loads(row["place"] or "{}"))
                    for row in table.drop(["vector"]).to_pylist()
                ],
                np.array(table["vector"].to_pylist()),
            )
    expected, vectors = found.pop("jsonl")
    for told, others in found.values():
        assert told == expected
        np.testing.assert_allclose(others, vectors, atol=1e-6)


def test_lines_are_read_from_stdin(tmp_path):
    out = tmp_path / "lines.jsonl"
    command = [sys.executable, str(ROOT / "app.py"), "embed", "--text", "-", "--out", str(out)]
    done = subprocess.run(
        command, input="one\n\n  two \n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == ["one", "two"]


def test_what_fails_leaves_the_output_as_it_was(folder, tmp_path):
    out = tmp_path / "vectors.jsonl"
    out.write_text("old", "utf-8")
    done = run_here("embed", str(folder / "c broken.jpg"), "--out", str(out), code=1)
    assert "Nothing could be embedded" in done.stderr
    space = FakeSpace()

    def fails():
        yield from embed_lines(space, ["a"])
        raise LibraryError("stopped")

    with pytest.raises(LibraryError):
        write_vectors(out, fails(), space)
    assert out.read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.jsonl"]


def test_long_texts_among_many_do_not_fill_the_memory(tmp_path):
    space = FakeSpace()

    def blocks(count):
        short, long = next(embed_lines(space, ["short", "long" * 2_000])).rows
        yield Block([short] * (count - 1) + [long], np.zeros((count, space.dim), np.float32))

    out = tmp_path / "vectors.npz"
    assert write_vectors(out, blocks(500), space) == 500  # 16 MB of words
    assert out.stat().st_size < 1_000_000
    with pytest.raises(LibraryError, match=r"write \.jsonl or \.parquet instead"):
        write_vectors(out, blocks(10_000), space)
    assert len(np.load(out)["text"]) == 500
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.npz"]


def test_wrong_use(tmp_path):
    assert ".parquet" in run_here("embed", "x.jpg", "--out", "x.txt", code=2).stderr
    assert "name files" in run_here("embed", code=2).stderr
    space = FakeSpace()
    space.reads_text = False
    with pytest.raises(LibraryError, match="reads no words"):
        list(embed_lines(space, ["a"]))
    (tmp_path / "file").write_text("")
    blocks = embed_lines(FakeSpace(), ["a"])
    with pytest.raises(LibraryError, match="cannot be written"):
        write_vectors(tmp_path / "file" / "x.jsonl", blocks, FakeSpace())
