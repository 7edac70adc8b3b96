"""The embedded space's towers against the models they were made of, and against the numpy twin of
benchmarks/retrieval.py."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from benchmarks.retrieval import anchored_texts, remember, restrict
from encoders import embedded, load_space
from encoders.anchors import DIM, attend, shipped_anchors
from encoders.embedded import PREPROCESS, build_clip, encode_words, place
from encoders.towers import image_module, text_module
from encoders.weights import cache_dir

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))["minilm"]  # from sentence-transformers
TEXTS = ["a dog", "footsteps on gravel", "Un chat noir dort sur le canapé."]


@pytest.fixture(scope="module")
def space():
    return load_space()


@pytest.fixture(scope="module")
def words():
    """`encode_words`, which reads the thousands of anchors' names once for all tests."""
    return remember(encode_words)


@pytest.fixture(scope="module")
def clip():
    return build_clip()


def pictures() -> list[Image.Image]:
    """Four drawings with edges, areas and noise."""
    drawn = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        picture = Image.new("RGB", (400, 300 + 50 * seed), tuple(rng.integers(0, 255, 3)))
        pen = ImageDraw.Draw(picture)
        for _ in range(30):
            x, y, w, h = rng.integers(0, 300, 4)
            pen.ellipse((x, y, x + w, y + h), fill=tuple(rng.integers(0, 255, 3)))
        drawn.append(picture)
    return drawn


def test_text_encoder_equals_sentence_transformers():
    np.testing.assert_allclose(encode_words(TEXTS), GOLDEN, atol=1e-6)


def test_running_the_text_tower_fast_keeps_its_vectors(clip, space):
    tokens = torch.from_numpy(space._clip.tokenize(TEXTS))
    with torch.inference_mode():
        exact = text_module(clip)(tokens).numpy()
    assert (space.encode_texts(TEXTS) * exact).sum(1).min() > 0.999


def test_a_text_is_its_attention_to_the_anchors_written_plainly(space, words):
    anchors = shipped_anchors()
    text = words(TEXTS[:1])
    captions = np.mean(
        [
            words([wording.format(name) for name in anchors.sound.names])
            for wording in ("{}", "the sound of {}", "{} sound")
        ],
        axis=0,
    )
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    parts = []
    for bank, texts, temperature in (
        (anchors.image, words(anchors.image.names), 0.12),
        (anchors.sound, captions, 0.15),
    ):
        powers = [math.exp(float(text[0] @ other) / temperature) for other in texts]
        attention = np.array([power / sum(powers) for power in powers])
        part = (attention - bank.centre) @ bank.text_map
        parts.append(part / np.linalg.norm(part))
    own = (text[0] - anchors.words_centre) @ anchors.words_map
    parts.append(2.8 * own / np.linalg.norm(own))
    expected = np.concatenate(parts) / math.sqrt(1 + 1 + 2.8**2)
    assert space.encode_texts(TEXTS[:1])[0] @ expected > 0.999


def test_the_numpy_twin_of_the_text_tower_agrees_with_the_space(space, words):
    anchors = shipped_anchors()
    texts = ["dog", "a dog barking", "piano music", "the interior of a kitchen", "42"]
    whole = restrict(anchors, anchors.sound.names, words)
    cosines = (anchored_texts(whole, words)(texts) * space.encode_texts(texts)).sum(axis=1)
    assert cosines.min() > 0.999
    # a bank without a caption describes that caption by the others
    half = anchors.sound.names[::2]
    part = anchored_texts(restrict(anchors, half, words), words)
    assert restrict(anchors, half, words).sound.text_map.shape[0] == len(half)
    left_out = list(anchors.sound.names[1:40:2])
    changed = (part(left_out) * space.encode_texts(left_out)).sum(axis=1)
    assert changed.max() < 0.999


def test_a_text_has_the_same_vector_alone_and_beside_longer_ones(space):
    alone = space.encode_texts(["a dog"])
    beside = space.encode_texts(["a dog", "word " * 5000])
    assert beside.shape == (2, DIM)
    assert (alone[0] * beside[0]).sum() > 0.999


def test_image_tower_is_timms_network_and_evidence_written_plainly(clip):
    plain = timm.create_model("tf_efficientnet_lite2").eval()
    weights = load_file(cache_dir() / "weights" / "efficientnet_lite2.safetensors")
    ordered = [weights[name] for name in sorted(weights)]
    assert len(ordered) == 386
    plain.load_state_dict(dict(zip(plain.state_dict(), ordered, strict=True)))
    batch = torch.from_numpy(np.stack([PREPROCESS(p) for p in pictures()[:2]]))
    with torch.inference_mode():
        normal = (batch.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        whole = plain(normal).softmax(dim=1).numpy()
        features = plain.forward_features(normal)
        cells = np.array(
            [
                [plain.classifier(picture[:, y, x]).softmax(0).numpy() for y, x in every_cell]
                for picture in features
                for every_cell in [list(np.ndindex(*picture.shape[1:]))]
            ]
        )
        ours = image_module(clip, PREPROCESS)(batch).numpy()
    anchors = shipped_anchors()
    for row, vector in enumerate(ours):
        largest = cells[row].max(axis=0)
        probabilities = (whole[row] + cells[row].mean(axis=0) + largest / largest.sum()) / 3
        kinds = [0.5 * probabilities[of > 0].sum() ** 0.25 for of in anchors.members.T]
        evidence = np.concatenate([probabilities**0.25, kinds]) - anchors.evidence_centre
        seen = evidence @ anchors.image.evidence_map
        heard = probabilities @ anchors.class_sounds
        expected = np.concatenate(
            [seen / np.linalg.norm(seen), 0.15 * heard / np.linalg.norm(heard), np.zeros(128)]
        )
        assert vector @ expected / np.linalg.norm(expected) > 0.9999


def test_one_picture_is_enough_for_a_batch(space):
    alone = space.encode_images(pictures()[:1])
    assert alone.shape == (1, DIM)
    assert (alone[0] * space.encode_images(pictures()[:3])[0]).sum() > 0.999


def test_running_the_image_tower_fast_keeps_its_vectors(clip, space):
    batch = torch.from_numpy(np.stack([PREPROCESS(p) for p in pictures()]))
    with torch.inference_mode():
        exact = image_module(clip, PREPROCESS)(batch).numpy()
    assert (space.encode_images(pictures()) * exact).sum(1).min() > 0.998


def test_rows_come_in_the_order_of_the_input(space):
    forward = space.encode_images(pictures())
    backward = space.encode_images(pictures()[::-1])
    assert forward.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(forward, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-3)


def test_nothing_in_gives_nothing_out(space):
    assert space.encode_texts([]).shape == (0, DIM)
    assert space.encode_images([]).shape == (0, DIM)
    assert space.encode("audio", []).shape == (0, DIM)


def test_words_of_one_meaning_lie_together(space):
    cat, kitten, rocket = space.encode_texts(["a cat", "a kitten", "a rocket"])
    assert cat @ kitten > cat @ rocket + 0.2


def test_texts_are_told_apart_by_what_the_networks_cannot_see(space):
    gold, metal, cheaper = space.encode_texts(
        ["the price of gold fell", "gold jewellery in a shop", "gold became cheaper"]
    )
    assert gold @ cheaper > gold @ metal + 0.1


def test_a_new_caption_lies_near_the_anchors_that_it_is_like(words, monkeypatch):
    monkeypatch.setattr(embedded, "encode_words", words)
    known, new, other = place(["a dog barking", "my dog Rex barks", "a piano"])
    near = np.linalg.norm(known - new)
    assert near < np.linalg.norm(other - new)


def test_attention_sums_to_one_and_follows_the_cosines():
    texts = np.eye(3, dtype=np.float32)[:1]
    anchors = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0]], dtype=np.float32)
    shares = attend(texts, anchors, 0.1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.log(shares[0, 0] / shares[0, 1]), 4, rtol=1e-4)
