"""The audio adapter: what it maps, how it is fitted, kept and chosen."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from encoders import adapter as module
from encoders.adapter import (
    Adapter,
    AdapterError,
    SoundCorpus,
    adapter_for,
    disturb,
    extract,
    fit_adapter,
    read_sound,
)
from encoders.anchors import DIM

RATE = 44_100
WORDS = ["dog", "piano", "rain", "bell"]


def encode_words(texts):
    """A text tower that knows four words, one axis each, and little else."""
    rows = np.full((len(texts), 6), 0.05)
    for row, text in zip(rows, texts, strict=True):
        for axis, word in enumerate(WORDS):
            row[axis] += word in text
        row[5] += len(text) % 3 / 10
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make_corpus(sounds=40, seed=0):
    """Sounds of four kinds, in features that tell them apart through noise."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).uniform(0, 3, (len(WORDS), 512))
    labels = np.arange(sounds) % len(WORDS)
    noise = random.standard_normal((sounds, 2, 512))
    features = np.maximum(centres[labels][:, None] + noise, 0)  # as after a ReLU
    return SoundCorpus(
        features=features.astype(np.float32),
        labels=labels,
        captions=tuple(f"a {word}" for word in WORDS),
        groups=labels * 0,
        sources=("here",),
    )


class Backbone:
    """Stands for a space: the first 512 values of a sound's mean block are its features."""

    def audio_features(self, prepared):
        return np.stack([blocks.mean(axis=0).ravel()[:512] for blocks in prepared])


@pytest.fixture
def adapter():
    return fit_adapter(make_corpus(), "words", encode_words)


def test_vectors_are_unit_float32_in_order(adapter):
    features = make_corpus(seed=1).features[:, 0]
    vectors = adapter(features)
    assert vectors.shape == (40, 6)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(adapter(features[::-1]), vectors[::-1], atol=1e-6)
    assert adapter(features[:0]).shape == (0, 6)


def test_an_unheard_sound_lies_nearest_to_its_words(adapter):
    corpus = make_corpus(seed=1)
    nearest = adapter(corpus.features[:, 0]) @ encode_words(WORDS).T
    assert (nearest.argmax(axis=1) == corpus.labels).all()


def test_vectors_equal_the_formula_written_plainly(adapter):
    feature = make_corpus(seed=2).features[0, 0]
    likeness = np.array(
        [
            sum((feature[i] - adapter.mean[i]) * adapter.weight[i, c] for i in range(512))
            + adapter.bias[c]
            for c in range(len(WORDS))
        ]
    )
    floor = min(module.THRESHOLD, max(likeness) - 1)
    shares = [max(0.0, x - floor) ** 2 for x in likeness]
    length = sum(share**2 for share in shares) ** 0.5
    parts = zip(shares, adapter.vectors, strict=True)
    mixed = sum(share / length * vector for share, vector in parts) - adapter.offset
    np.testing.assert_allclose(adapter(feature[None])[0], mixed / np.linalg.norm(mixed), atol=1e-4)


def test_rare_captions_are_found_beside_frequent_ones():
    corpus = make_corpus()
    rare = np.flatnonzero(corpus.labels == 0)[:2]
    uneven = corpus.subset(np.r_[rare, np.repeat(np.flatnonzero(corpus.labels), 5)])
    adapter = fit_adapter(uneven, "words", encode_words)
    heard = make_corpus(seed=1)
    nearest = adapter(heard.features[:, 0]) @ encode_words(WORDS).T
    assert np.mean(nearest.argmax(axis=1) == heard.labels) > 0.9


def test_outputs_are_standardised_over_captions():
    corpus = make_corpus()
    adapter = fit_adapter(corpus, "words", encode_words)
    outputs = (corpus.features.reshape(-1, 512) - adapter.mean) @ adapter.weight + adapter.bias
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(outputs.std(axis=0), 1, atol=1e-3)


def test_the_vectors_of_a_feature_that_is_like_nothing_are_still_unit():
    adapter = fit_adapter(make_corpus(), "words", encode_words)
    vectors = adapter(np.stack([np.zeros(512), np.full(512, 100.0)]).astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_joined_corpora_keep_every_sound_and_its_caption():
    one = make_corpus()
    two = SoundCorpus(
        one.features[:3, :1],
        np.array([0, 1, 0]),
        ("a cat", "a piano"),
        np.zeros(3, int),
        ("there",),
    )
    both = one.join(two)
    assert both.features.shape == (43, 1, 512)
    said = [both.captions[i] for i in both.labels]
    assert said == [one.captions[i] for i in one.labels] + ["a cat", "a piano", "a cat"]
    assert [both.sources[i] for i in both.groups[-4:]] == ["here", "there", "there", "there"]


def test_one_caption_alone_is_refused():
    corpus = make_corpus()
    with pytest.raises(AdapterError, match="two different texts"):
        fit_adapter(corpus.subset(corpus.labels == 0), "words", encode_words)


def test_a_caption_of_no_sound_is_not_needed():
    corpus = make_corpus()
    some = fit_adapter(corpus.subset(corpus.labels != 2), "words", encode_words)
    assert len(some.bias) == 3


def test_saved_adapter_gives_the_same_vectors(adapter, tmp_path):
    features = make_corpus(seed=1).features[:, 0]
    adapter.save(tmp_path / "new" / "a.safetensors")
    loaded = Adapter.load(tmp_path / "new" / "a.safetensors")
    assert (loaded.space, loaded.dim, loaded.origin) == ("words", 6, adapter.origin)
    cosines = np.sum(loaded(features) * adapter(features), axis=1)
    assert cosines.min() > 0.999
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.safetensors"]


def test_saved_corpus_is_the_same(tmp_path):
    corpus = make_corpus()
    corpus.save(tmp_path / "c.safetensors")
    loaded = SoundCorpus.load(tmp_path / "c.safetensors")
    error = np.abs(loaded.features - corpus.features)
    assert error.max() < 0.02 * corpus.features.max()  # eight bits each
    np.testing.assert_array_equal(loaded.features, corpus.rounded().features)
    assert loaded.captions == corpus.captions
    np.testing.assert_array_equal(loaded.labels, corpus.labels)
    loaded.save(tmp_path / "again.safetensors")
    assert SoundCorpus.load(tmp_path / "again.safetensors").digest == loaded.digest


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_adapter_is_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=r"bad\.safetensors"):
        Adapter.load(path)
    with pytest.raises(AdapterError, match=r"bad\.safetensors"):
        SoundCorpus.load(path)


class TestChoosing:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ANYFIND_CACHE", str(tmp_path))
        self.folder = tmp_path / "adapters"
        self.fits = 0
        real = module.fit_adapter

        def count(*arguments):
            self.fits += 1
            return real(*arguments)

        monkeypatch.setattr(module, "fit_adapter", count)
        monkeypatch.setattr(module, "shipped_corpus", make_corpus)

    def test_another_space_is_fitted_once_and_cached(self):
        first = adapter_for("model/weights", 6, encode_words)
        second = adapter_for("model/weights", 6, encode_words)
        assert self.fits == 1
        features = make_corpus(seed=1).features[:, 0]
        assert np.sum(first(features) * second(features), axis=1).min() > 0.999

    def test_names_that_differ_by_a_sign_do_not_share_a_file(self):
        adapter_for("local-dir:/x/y", 6, encode_words)
        adapter_for("local-dir:/x-y", 6, encode_words)
        assert self.fits == 2
        assert len(list(self.folder.iterdir())) == 2

    def test_other_weights_under_the_same_name_are_noticed(self):
        adapter_for("local-dir:/x", 6, encode_words)
        adapter_for("local-dir:/x", 6, lambda texts: -encode_words(texts))
        assert self.fits == 2

    def test_a_broken_cached_file_is_made_again(self):
        adapter_for("model/weights", 6, encode_words)
        (kept,) = self.folder.iterdir()
        kept.write_bytes(b"broken")
        adapter_for("model/weights", 6, encode_words)
        assert self.fits == 2
        assert Adapter.load(kept).space == "model/weights"


def test_the_shipped_adapter_is_the_one_for_the_embedded_space():
    shipped = adapter_for("embedded", DIM, encode_words)
    assert (shipped.space, shipped.dim) == ("embedded", DIM)
    assert shipped.origin == module.shipped_corpus().digest


# --- from sound files -------------------------------------------------------------------------


def write_tone(path: Path, hertz=440.0, seconds=0.5, rate=RATE, channels=1, gain=0.5):
    wave = gain * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)


def test_sounds_are_read_mono_at_44100_and_at_most_ten_seconds(tmp_path):
    write_tone(tmp_path / "a.wav", rate=8_000, channels=2, seconds=12)
    samples = read_sound(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    assert samples.shape == (10 * RATE,)
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() / 10 - 440) < 1


def test_disturbed_sounds_are_heard_finite_and_the_same_for_the_same_seed():
    tone = np.sin(np.arange(RATE // 2) / 10).astype(np.float32)
    tick = np.r_[np.zeros(9 * RATE), 1.0].astype(np.float32)  # easily cut away
    for sound in (tone, tick, tone[:50]):
        for seed in range(40):
            one, two = (disturb(sound, np.random.default_rng(seed)) for _ in range(2))
            np.testing.assert_array_equal(one, two)
            assert one.dtype == np.float32
            assert 0 < len(one) <= 10 * RATE
            assert np.isfinite(one).all()
            assert np.abs(one).max() > 1e-3


def test_extract_takes_a_manifest_and_names_what_it_cannot_use(tmp_path):
    write_tone(tmp_path / "high.wav", 2000)
    write_tone(tmp_path / "silent.wav", gain=0)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    rows = [
        ("high.wav", "a high tone"),
        ("silent.wav", "nothing"),
        ("broken.wav", "nothing"),
        ("missing.wav", "nothing"),
    ]
    with (tmp_path / "m.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("path", "text"), *rows])
    corpus, bad = extract(tmp_path / "m.csv", Backbone())
    assert corpus.features.shape == (1, 1 + module.VARIANTS, 512)
    assert [corpus.captions[i] for i in corpus.labels] == ["a high tone"]
    assert [path for path, _ in bad] == ["silent.wav", "broken.wav", "missing.wav"]
    again, _ = extract(tmp_path / "m.csv", Backbone())
    np.testing.assert_array_equal(corpus.features, again.features)


@pytest.mark.parametrize("content", ["", "path\nx.wav\n", "path,text\n"])
def test_a_manifest_without_pairs_is_refused(tmp_path, content):
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(AdapterError, match=r"m\.csv"):
        extract(tmp_path / "m.csv", Backbone())


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path):
    command = [sys.executable, "-m", "encoders.adapter", str(tmp_path / "none.csv")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "none.csv" in run.stderr
    assert "Traceback" not in run.stderr


def test_applying_an_adapter_imports_no_torch():
    code = (
        "import sys, numpy as np; from encoders.adapter import adapter_for;"
        "adapter_for('embedded', 384, None)(np.ones((1, 512), np.float32));"
        "assert 'torch' not in sys.modules and 'librosa' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
