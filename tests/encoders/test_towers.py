"""Any open_clip model through the same Space: a tiny random one, saved to a folder."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import save_file

from encoders import SpaceError, load_space
from encoders.towers import Preprocess

CONFIG = {
    "model_cfg": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "size": [32, 32],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of its own, so that the tiny model leaves nothing in the user's."""
    monkeypatch.setenv("ANYFIND_CACHE", str(tmp_path / "cache"))


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_local_model_gives_open_clips_own_vectors(folder, own_cache):
    name = f"local-dir:{folder}"
    space = load_space(name)
    assert space.dim == 32
    assert space.name == name
    model, preprocess = open_clip.create_model_from_pretrained(name)
    model.eval()
    images = [picture(40, 50), picture(64, 32)]
    texts = ["a dog", "a much longer text about a cat"]
    with torch.inference_mode():
        seen = model.encode_image(torch.stack([preprocess(i) for i in images]), normalize=True)
        read = model.encode_text(open_clip.get_tokenizer(name)(texts), normalize=True)
    assert (space.encode_images(images) * seen.numpy()).sum(1).min() > 0.999
    assert (space.encode_texts(texts) * read.numpy()).sum(1).min() > 0.999


def test_a_description_of_an_older_version_is_read(folder, own_cache, tmp_path):
    name = f"local-dir:{folder}"
    before = load_space(name).encode_images([picture(40, 50)])
    [card] = (tmp_path / "cache" / "networks").glob("*.json")
    told = json.loads(card.read_text())
    told["preprocess"] |= {"reducing_gap": None}
    del told["preprocess"]["squeeze"]
    card.write_text(json.dumps(told))
    np.testing.assert_allclose(load_space(name).encode_images([picture(40, 50)]), before, atol=1e-6)


def test_a_local_model_hears_through_an_adapter_fitted_to_its_words(folder, own_cache):
    space = load_space(f"local-dir:{folder}")
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(44_100).astype(np.float32) for _ in range(2)]
    vectors = space.encode_audio(sounds)
    assert vectors.shape == (2, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(300, 200), (200, 301), (31, 500), (64, 64), (1, 1)])
def test_preprocessing_equals_open_clips(mode, interpolation, size):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    ours = Preprocess((64, 64), mean, std, interpolation, mode, fill_color=0)(picture(*size))
    theirs = image_transform(
        64, is_train=False, mean=mean, std=std, resize_mode=mode, interpolation=interpolation
    )(picture(*size))
    wanted = 255 * (theirs.numpy().transpose(1, 2, 0) * np.array(std) + np.array(mean))
    off = np.abs(ours - wanted)
    assert off.max() < 1.01, "where a value lies between two, either may be taken"
    assert (off > 0.01).mean() < 0.01


@pytest.mark.parametrize(
    ("size", "first", "last"),
    [
        ((320, 180), 0, 319),  # 16:9, whole
        ((200, 200), 0, 199),
        ((1000, 100), 410, 590),  # the middle, 1.8 to 1
    ],
)
def test_a_wide_picture_is_squeezed_before_it_is_cut(size, first, last):
    across = np.linspace(0, 255, size[0]).astype(np.uint8)
    picture = Image.fromarray(np.repeat(across[None, :, None], size[1], axis=0).repeat(3, axis=2))
    preprocess = Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3, squeeze=1.8)
    for turned in (False, True):  # and a tall one
        prepared = preprocess(picture.transpose(Image.Transpose.ROTATE_270) if turned else picture)
        ends = prepared[[0, -1], 32, 0] if turned else prepared[32, [0, -1], 0]
        np.testing.assert_allclose(ends, across[[first, last]], atol=4)


@pytest.mark.parametrize("name", ["nonsense", "local-dir:/nowhere", "No-Such-Model/weights"])
def test_an_unknown_space_is_one_sentence(name, own_cache):
    with pytest.raises(SpaceError) as caught:
        load_space(name)
    assert "\n" not in str(caught.value)
    assert name.removeprefix("local-dir:") in str(caught.value)
