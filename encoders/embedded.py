"""The CLIP that comes through the package index: MiniLM reads, EfficientNet-Lite2 looks.

Neither was trained with the other: both are described by their likeness to the same concepts
(anchors.py). Put together as open_clip's CustomTextCLIP, so that this space and every other
open_clip model go through the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.adapter import embed_captions, shipped_adapter_digest
from encoders.anchors import (
    DIM,
    LABEL_TEMPERATURE,
    anchors_digest,
    attend,
    image_head,
    place_captions,
    probability_head,
    shipped_anchors,
    text_head,
)
from encoders.runtime import Recipe
from encoders.towers import Clip, Preprocess, alike_in_length, image_module, text_module
from encoders.typical import typical_pictures
from encoders.weights import cache_dir, fetch, read_manifest, write_whole

if TYPE_CHECKING:
    import torch

    from encoders.weights import Progress

Array = np.ndarray[Any, Any]

TEXT_DIM = 384  # of MiniLM's own output, before the anchors
MINILM = ("minilm/config.json", "minilm/model.safetensors", "minilm/tokenizer.json")
MAX_TOKENS = 256  # what MiniLM was trained with; the rest of a longer text is not read
# Lite2's own scaling (timm's tf_efficientnet_lite2), but larger than the 260 pixels that it was
# trained with: in a picture of many things each gets cells of its own. Up to 16:9 the whole picture
# is squeezed into the frame, as the network was trained to bear: what stands at its side is seen.
# At 320 pixels and cut square, scenes are seen no better, drawings worse, in a quarter more time.
PREPROCESS = Preprocess((288, 288), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), squeeze=1.8)


def embedded_clip(progress: Progress | None = None) -> Clip:
    """Describe the embedded space's towers. Fetches and builds nothing that is already cached;
    `progress` hears of what is fetched."""
    size = PREPROCESS.size[0]

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
            f"embedded-text-3-{anchors_digest()}",
            lambda: text_module(model()),
            np.array([[101, 2000, 102], [101, 102, 0]], dtype=np.int64),
            weights=(*MINILM, "efficientnet_lite2.pth"),
            dynamic=(0, 1),
        ),
        image=Recipe(
            f"embedded-image-9-{size}-{anchors_digest()}",
            lambda: image_module(_pad_fixed(model(), size), PREPROCESS),
            np.zeros((2, size, size, 3), dtype=np.uint8),
            weights=(*MINILM, "efficientnet_lite2.pth"),
            # the first depthwise convolution loses more in bfloat16 than all the rest, and with
            # the layers beside it (benchmarks/encode.py)
            exact_convolutions=3,
            typical=lambda: typical_pictures(size),
            chunk=4,
        ),
        version=f"6-{anchors_digest()}-{shipped_adapter_digest()}",
        place=place,
    )


def place(captions: Sequence[str]) -> Array:
    """Where sounds with these captions lie, before scaling to length 1: float32 (n, DIM).

    A caption that is no anchor lies at the mean of the anchors that it is like.
    """
    anchors = shipped_anchors()
    texts = embed_captions(captions, encode_words)
    shares = attend(texts, embed_captions(anchors.sound.names, encode_words), LABEL_TEMPERATURE)
    known = {caption: row for row, caption in enumerate(anchors.sound.names)}
    for row, caption in enumerate(captions):
        if caption in known:
            shares[row] = np.arange(len(known)) == known[caption]
    image_shares = attend(texts, encode_words(anchors.image.names), LABEL_TEMPERATURE)
    return place_captions(anchors, shares, image_shares)


def build_clip(progress: Progress | None = None, anchored: bool = True) -> Any:
    """Put the model together in PyTorch: an open_clip CustomTextCLIP in evaluation mode.

    Without the anchors its towers end in the text encoder's output and in the classes'
    probabilities.
    """
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
    from safetensors.torch import load_file
    from torch import nn

    folder = _minilm(progress)
    vision = CLIPVisionCfg(
        timm_model_name="tf_efficientnet_lite2",
        timm_pool="",  # the last map as it is: the head looks at its cells as well
        timm_proj="none",
        image_size=PREPROCESS.size[0],
    )
    text = CLIPTextCfg(
        hf_model_name=str(folder),
        hf_model_pretrained=False,
        hf_pooler_type="mean_pooler",
        hf_proj_type=None,
    )
    model = CustomTextCLIP(TEXT_DIM, vision, text)
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
    if not anchored:
        model.visual.head = probability_head(weight, bias)
        return model.eval()

    anchors = shipped_anchors()

    def encode(texts: Sequence[str]) -> Array:
        return _encode(model, texts, progress)

    image_texts = encode(anchors.image.names)
    caption_texts = embed_captions(anchors.sound.names, encode).astype(np.float32)
    model.text = nn.Sequential(model.text, text_head(anchors, image_texts, caption_texts))
    model.visual.head = image_head(anchors, weight, bias)
    return model.eval()


def _pad_fixed(model: Any, size: int) -> Any:
    """Give the image tower's strided convolutions the padding that pictures of this size take.

    timm works it out anew for each map, which OpenVINO can only follow by forgetting which of
    these convolutions must stay exact.
    """
    from timm.layers.conv2d_same import Conv2dSame
    from torch import nn

    for parent in list(model.visual.modules()):
        for name, same in list(parent.named_children()):
            if not isinstance(same, Conv2dSame):
                continue
            after = -(-size // same.stride[0])
            padding = max((after - 1) * same.stride[0] + same.kernel_size[0] - size, 0)
            before = padding // 2
            sides = (before, padding - before)
            fixed = nn.Conv2d(
                same.in_channels,
                same.out_channels,
                (same.kernel_size[0], same.kernel_size[1]),
                (same.stride[0], same.stride[1]),
                groups=same.groups,
                bias=False,
            )
            fixed.weight = same.weight
            setattr(parent, name, nn.Sequential(nn.ZeroPad2d((*sides, *sides)), fixed))
            size = after
    return model


@cache
def _plain_clip() -> Any:
    return build_clip(anchored=False)


def encode_words(texts: Sequence[str]) -> Array:
    """MiniLM's own embeddings, in PyTorch, without the anchors: float32 (n, 384), unit rows."""
    return _encode(_plain_clip(), texts, None)


def classify_pictures(paths: Sequence[Path]) -> Array:
    """The class probabilities of picture files, in PyTorch: float32 (n, 1000)."""
    import torch
    from PIL import Image

    visual = _plain_clip().visual
    rows = []
    with torch.inference_mode():
        for at in range(0, len(paths), 16):
            batch = [PREPROCESS(Image.open(p).convert("RGB")) for p in paths[at : at + 16]]
            pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()
            rows.append(visual((pixels - 127.5) / 127.5).numpy())
    return np.concatenate(rows)


def word_vocabulary() -> dict[str, int]:
    """The tokenizer's pieces of words and their numbers, frequent ones first."""
    from tokenizers import Tokenizer

    pieces: dict[str, int] = Tokenizer.from_file(str(_minilm(None) / "tokenizer.json")).get_vocab()
    return pieces


def _encode(model: Any, texts: Sequence[str], progress: Progress | None) -> Array:
    import torch

    tokenize, module = _tokenize(progress), text_module(model)
    rows: Array = np.zeros((len(texts), TEXT_DIM), dtype=np.float32)
    with torch.inference_mode():
        for places in alike_in_length(texts, 256):
            tokens = tokenize([texts[place] for place in places])
            rows[places] = module(torch.from_numpy(tokens)).numpy()
    return rows


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
