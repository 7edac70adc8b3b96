"""The CLIP that comes through the package index: MiniLM reads, EfficientNet-Lite2 looks.

Neither was trained with the other. The image tower's thousand class probabilities become a point
of the text tower's space as the mean of the class names' embeddings that they weigh (ConSE,
Norouzi et al. 2014). Put together as open_clip's CustomTextCLIP, so that this space and every
other open_clip model go through the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.runtime import Recipe
from encoders.towers import Clip, Preprocess, image_module, text_module
from encoders.weights import cache_dir, fetch, read_manifest, write_whole

if TYPE_CHECKING:
    import torch

    from encoders.weights import Progress

Array = np.ndarray[Any, Any]

DIM = 384
MINILM = ("minilm/config.json", "minilm/model.safetensors", "minilm/tokenizer.json")
MAX_TOKENS = 256  # what MiniLM was trained with; the rest of a longer text is not read
# Lite2's own size and scaling (timm's tf_efficientnet_lite2).
PREPROCESS = Preprocess((260, 260), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def embedded_clip(progress: Progress | None = None) -> Clip:
    """Describe the embedded space's towers. Fetches and builds nothing that is already cached."""

    @cache
    def model() -> Any:
        return build_clip(progress)

    return Clip(
        name="embedded",
        dim=DIM,
        preprocess=PREPROCESS,
        tokenize=_tokenize(progress),
        # 2 tokens and 3: a length that differs from the batch keeps tracing from mixing them up
        text=Recipe(
            "embedded-text-1",
            lambda: text_module(model()),
            np.array([[101, 2000, 102], [101, 102, 0]], dtype=np.int64),
            weights=(*MINILM, "efficientnet_lite2.pth"),
            dynamic=(0, 1),
        ),
        image=Recipe(
            "embedded-image-2",
            lambda: image_module(model(), PREPROCESS),
            np.zeros((2, *PREPROCESS.size, 3), dtype=np.uint8),
            weights=(*MINILM, "efficientnet_lite2.pth"),
            # The stem and the first block, which hold nearly all of bfloat16's error: the worst
            # cosine to the exact output rises from 0.98 to 0.999 (benchmarks/encode.py).
            exact_convolutions=3,
            chunk=2,
        ),
    )


def build_clip(progress: Progress | None = None) -> Any:
    """Put the model together in PyTorch: an open_clip CustomTextCLIP in evaluation mode."""
    import torch
    from open_clip import IMAGENET_CLASSNAMES
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
    from safetensors.torch import load_file

    folder = _minilm(progress)
    vision = CLIPVisionCfg(
        timm_model_name="tf_efficientnet_lite2",
        timm_pool="avg",
        timm_proj="none",
        image_size=PREPROCESS.size[0],
    )
    text = CLIPTextCfg(
        hf_model_name=str(folder),
        hf_model_pretrained=False,
        hf_pooler_type="mean_pooler",
        hf_proj_type=None,
    )
    model = CustomTextCLIP(DIM, vision, text)
    model.text.transformer.load_state_dict(
        # the pooler that BERT was trained with is not part of the sentence encoder
        {
            name: tensor
            for name, tensor in load_file(folder / "model.safetensors").items()
            if not name.startswith("pooler.") and name != "embeddings.position_ids"
        }
    )
    *trunk, weight, bias = _efficientnet(progress).values()
    names = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict(dict(zip(names, trunk, strict=True)))
    model.eval()
    tokenize = _tokenize(progress)
    with torch.inference_mode():
        classes = text_module(model)(torch.from_numpy(tokenize(IMAGENET_CLASSNAMES)))
    model.visual.head = _projection(weight, bias, classes)
    return model.eval()


def _projection(weight: torch.Tensor, bias: torch.Tensor, classes: torch.Tensor) -> Any:
    """From the trunk's features to the space: class probabilities, then the classes' mean."""
    from torch import nn

    classifier = nn.Linear(weight.shape[1], weight.shape[0])
    classifier.load_state_dict({"weight": weight, "bias": bias})
    mean = nn.Linear(classes.shape[0], classes.shape[1], bias=False)
    mean.load_state_dict({"weight": classes.T.clone()})
    return nn.Sequential(classifier, nn.Softmax(dim=-1), mean)


def _efficientnet(progress: Progress | None) -> dict[str, torch.Tensor]:
    """EfficientNet-Lite2's tensors, in the order of timm's state dict, the classifier last."""
    import torch
    from safetensors.torch import load_file, save_file

    kept = cache_dir() / "weights" / "efficientnet_lite2.safetensors"
    if not kept.exists():
        member = read_manifest()["efficientnet_lite2.pth"]
        source = fetch([member], progress)[member.name]
        state = torch.load(source, map_location="cpu", weights_only=True)
        # safetensors sorts its names: numbered, they keep the order that maps them onto timm's
        numbered = {f"{i:03} {k}": v.contiguous() for i, (k, v) in enumerate(state.items())}
        write_whole(kept, lambda part: save_file(numbered, part))
    return dict(sorted(load_file(kept).items()))


def _minilm(progress: Progress | None) -> Path:
    manifest = read_manifest()
    paths = fetch([manifest[name] for name in MINILM], progress)
    return paths["weights/minilm/model.safetensors"].parent


def _tokenize(progress: Progress | None) -> Any:
    @cache
    def tokenizer() -> Any:
        from tokenizers import Tokenizer

        path = cache_dir() / "weights" / "minilm" / "tokenizer.json"
        if not path.exists():
            path = _minilm(progress) / "tokenizer.json"
        loaded = Tokenizer.from_file(str(path))
        loaded.enable_truncation(MAX_TOKENS)
        loaded.enable_padding()
        return loaded

    def tokenize(texts: Sequence[str]) -> Array:
        return np.array([e.ids for e in tokenizer().encode_batch(list(texts))], dtype=np.int64)

    return tokenize
