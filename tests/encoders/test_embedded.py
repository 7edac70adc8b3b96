"""The embedded space's towers against the models they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from open_clip import IMAGENET_CLASSNAMES
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from encoders import load_space
from encoders.embedded import DIM, PREPROCESS, build_clip
from encoders.towers import image_module, text_module
from encoders.weights import cache_dir

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))["minilm"]  # from sentence-transformers
TEXTS = ["a dog", "footsteps on gravel", "Un chat noir dort sur le canapé."]


@pytest.fixture(scope="module")
def space():
    return load_space()


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


def test_text_tower_equals_sentence_transformers(clip, space):
    tokens = torch.from_numpy(space._clip.tokenize(TEXTS))
    with torch.inference_mode():
        exact = text_module(clip)(tokens).numpy()
    np.testing.assert_allclose(exact, GOLDEN, atol=1e-6)


def test_running_the_text_tower_fast_keeps_its_vectors(space):
    assert (space.encode_texts(TEXTS) * GOLDEN).sum(1).min() > 0.999


def test_a_text_has_the_same_vector_alone_and_beside_longer_ones(space):
    alone = space.encode_texts(["a dog"])
    beside = space.encode_texts(["a dog", "word " * 5000])
    assert beside.shape == (2, DIM)
    assert (alone[0] * beside[0]).sum() > 0.999


def test_image_tower_is_timms_network_and_the_mean_of_class_names(clip, space):
    plain = timm.create_model("tf_efficientnet_lite2").eval()
    weights = load_file(cache_dir() / "weights" / "efficientnet_lite2.safetensors")
    ordered = [weights[name] for name in sorted(weights)]
    assert len(ordered) == 386
    plain.load_state_dict(dict(zip(plain.state_dict(), ordered, strict=True)))
    batch = torch.from_numpy(np.stack([PREPROCESS(p) for p in pictures()]))
    with torch.inference_mode():
        normal = (batch.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        probabilities = plain(normal).softmax(dim=1).numpy()
        ours = image_module(clip, PREPROCESS)(batch).numpy()
    expected = probabilities @ space.encode_texts(IMAGENET_CLASSNAMES)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (ours * expected).sum(1).min() > 0.9999


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
