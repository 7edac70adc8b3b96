"""A network of timm as a space of pictures: the same numbers as timm's own way."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from encoders import SpaceError, load_space
from tests.media import makers

MODEL = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    return timm.create_model(MODEL, pretrained=False).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def weights(model, folder):
    path = folder / "tiny.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def cache(folder):
    patch = pytest.MonkeyPatch()
    patch.setenv("ANYFIND_CACHE", str(folder / "cache"))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def pictures(folder):
    makers.make_halves(folder / "wide.png", (300, 200))
    makers.make_halves(folder / "tall.png", (180, 260))
    return [Image.open(folder / name).convert("RGB") for name in ("wide.png", "tall.png")]


def test_the_features_are_those_of_timm(model, weights, pictures):
    space = load_space(f"resnet:{MODEL}={weights}")
    assert space.modalities == {"image"}
    assert not space.reads_text
    ours = space.encode_images(pictures)
    transform = create_transform(**resolve_data_config(model=model))
    with torch.inference_mode():
        batch = torch.stack([transform(picture) for picture in pictures])
        theirs = model.forward_head(model.forward_features(batch), pre_logits=True).numpy()
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert ours.shape == theirs.shape
    assert (np.sum(ours * theirs, axis=1) > 0.998).all(), "bfloat16 may differ by as much"
    assert space.prepare("image", pictures[0]).shape == (160, 160, 3)


def test_weights_of_a_checkpoint_are_the_same(model, weights, pictures, folder):
    file = folder / "checkpoint.pth"
    torch.save({"state_dict": model.state_dict()}, file)
    first, second = load_space(f"resnet:{MODEL}={weights}"), load_space(f"resnet:{MODEL}={file}")
    np.testing.assert_allclose(
        first.encode_images(pictures), second.encode_images(pictures), atol=1e-6
    )
    assert first.name != second.name


def test_words_and_sounds_are_refused_in_a_sentence(weights):
    space = load_space(f"resnet:{MODEL}={weights}")
    with pytest.raises(SpaceError, match="does not read words"):
        space.encode_texts(["a cat"])
    with pytest.raises(SpaceError, match="encoder for 'audio'"):
        space.prepare("audio", np.zeros(44_100))


def test_what_cannot_be_loaded_is_one_sentence(weights, folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    damaged = folder / "damaged.pth"
    damaged.write_bytes(b"no weights")
    for name, sentence in [
        ("resnet:", "There are no weights"),
        (f"resnet:{MODEL}={folder / 'gone.pth'}", "There are no weights"),
        (f"resnet:nonsense={weights}", "could not be loaded"),
        (f"resnet:resnet10t={weights}", "missing or of another shape"),
        (f"resnet:{MODEL}={damaged}", "could not be loaded"),
        (f"resnet:{MODEL}", "could not be loaded"),
    ]:
        with pytest.raises(SpaceError, match=sentence) as told:
            load_space(name)
        assert "\n" not in str(told.value)
