"""Qwen2-VL's modules for serving, under transformers' names of weights, without importing transformers. No training.

Importing transformers takes longer than all else that a first answer needs. Here are only the parts that the passes of
umr.encoders.qwen_vl_attention read; what they give equals the class's own to the bit
(tests/encoders/test_qwen_vl_lean.py). A folder that is not exactly as `QwenVLBackbone.save` writes it is left to the
class of transformers, which also says what is wrong with it.

P patches of one frame, B rows, T tokens, H hidden, d head width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from umr.encoders.checkpoint import read_json
from umr.encoders.qwen_vl_positions import shares
from umr.errors import UMRError

if TYPE_CHECKING:
    from transformers import Qwen2VLConfig

_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
#: Settings that these modules compute by; another value is left to the class of transformers.
_FIXED = {"text": {"model_type": "qwen2_vl_text", "hidden_act": "silu", "use_sliding_window": False},
          "vision": {"model_type": "qwen2_vl_vision", "hidden_act": "quick_gelu", "in_channels": 3}}  # fmt: skip
_SIZES = {
    "text": ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads"),
    "vision": ("depth", "embed_dim", "hidden_size", "num_heads", "mlp_ratio", "patch_size", "spatial_merge_size",
               "temporal_patch_size"),
}  # fmt: skip


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x) (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2), as CLIP has it."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if torch.is_inference_mode_enabled():
            return (1.702 * x).sigmoid_().mul_(x)  # new memory for each of the three takes longer than they do
        return x * torch.sigmoid(1.702 * x)


class Norm(nn.Module):
    """The weight of an RMS norm."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.variance_epsilon = eps


class Rotary(nn.Module):
    """Rotary angles of positions of several axes (Qwen2-VL, arXiv 2409.12191, section 2.1)."""

    def __init__(self, width: int, theta: float) -> None:
        super().__init__()
        self.inv_freq: Tensor
        steps = torch.arange(0, width, 2, dtype=torch.float, device="cpu")
        self.register_buffer("inv_freq", 1.0 / (theta ** (steps / width)), persistent=False)

    def angles(self, positions: Tensor, device: torch.device) -> Tensor:
        """The angles of positions, one more axis than these, float32."""
        return positions[..., None].float() * self.inv_freq.to(device=device, dtype=torch.float)


class TextRotary(Rotary):
    """Of the language model: each axis has its share of the frequencies."""

    def __init__(self, width: int, theta: float, sections: list[int]) -> None:
        super().__init__(width, theta)
        self.mrope_section = sections

    def forward(self, x: Tensor, positions_3BT: Tensor) -> tuple[Tensor, Tensor]:
        """Cos and sin (B, T, d) in the dtype of x."""
        angles = self.angles(positions_3BT.expand(3, -1, -1), x.device)
        cos, sin = (self._shared(part).to(x.dtype) for part in (angles.cos(), angles.sin()))
        return cos, sin

    def _shared(self, parts: Tensor) -> Tensor:
        shared = torch.split(parts, self.mrope_section, dim=-1)
        half = torch.cat([part[at % 3] for at, part in enumerate(shared)], dim=-1)
        return torch.cat((half, half), dim=-1)


class VisionRotary(Rotary):
    """Of the vision tower: height, then width."""

    def forward(self, x: Tensor, places_P2: Tensor) -> tuple[Tensor, Tensor]:
        """Cos and sin (P, d) float32 of patches."""
        angles = self.angles(places_P2, x.device)
        cos, sin = (torch.cat([part.flatten(1)] * 2, dim=-1) for part in (angles.cos(), angles.sin()))
        return cos, sin


class LeanModel(nn.Module):
    """The weights of Qwen2VLModel, with what the fast passes ask of its modules.

    Attributes:
        parts: settings of the language model and of the vision tower.
        config: all of them, as transformers has them; imports it.
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__()
        self._said = said
        self.parts = SimpleNamespace(**said["text_config"]), SimpleNamespace(**said["vision_config"])
        self.language_model = _language_model(self.parts[0])
        self.visual = _vision_tower(self.parts[1])

    @property
    def config(self) -> Qwen2VLConfig:
        """As Qwen2VLModel has it."""
        from transformers import Qwen2VLConfig  # what this module is there to do without

        found: Qwen2VLConfig = Qwen2VLConfig.from_dict(json.loads(json.dumps(self._said)))
        return found


def lean_model(folder: str | Path, dtype: torch.dtype) -> LeanModel | None:
    """The model of a folder, to compute in `dtype`; None where transformers' class is needed, or has words for it."""
    folder = Path(folder)
    try:
        said = read_json(folder / "config.json")
    except UMRError:
        return None
    if not _is_known(said) or (folder / _INDEX).exists():
        return None
    try:
        weights = load_file(folder / _WEIGHTS)  # mapped: pages are read as they are needed
    except (OSError, SafetensorError):
        return None
    with torch.device("meta"):  # fresh weights would be computed only to be thrown away
        model = LeanModel(said)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if wanted != {name: value.shape for name, value in weights.items()}:
        return None
    model.load_state_dict({name: value.to(dtype) for name, value in weights.items()}, assign=True)
    return model.eval()


def _is_known(said: Mapping[str, Any]) -> bool:
    """Whether a config.json has all that these modules read, and nothing that they do not compute."""
    if said.get("model_type") != "qwen2_vl" or said.get("quantization_config"):
        return False
    for part, fixed in _FIXED.items():
        settings = said.get(f"{part}_config")
        if not isinstance(settings, dict) or any(settings.get(key) != value for key, value in fixed.items()):
            return False
        sizes = [settings.get(key) for key in _SIZES[part]]
        if not all(type(size) is int and size > 0 for size in sizes):
            return False
    text, vision = said["text_config"], said["vision_config"]
    width = text["hidden_size"] // text["num_attention_heads"]
    return (
        isinstance(text.get("rms_norm_eps"), float)
        and text["hidden_size"] % text["num_attention_heads"] == 0
        and text["num_attention_heads"] % text["num_key_value_heads"] == 0
        and vision["embed_dim"] % (4 * vision["num_heads"]) == 0
        and _is_rotary(text.get("rope_parameters"), "default", text.get("head_dim"))
        and shares(text["rope_parameters"].get("mrope_section"), width // 2)
        and _is_rotary(vision.get("rope_parameters"), "axial", vision.get("head_dim"))
    )


def _is_rotary(rope: object, kind: str, head_dim: object) -> bool:
    """Whether rotary positions are of this kind, of the usual width and without a factor of their own."""
    return (
        head_dim is None
        and isinstance(rope, dict)
        and rope.get("rope_type") == kind
        and isinstance(rope.get("rope_theta"), (int, float))
        and not set(rope) - {"rope_type", "rope_theta", "mrope_section"}
    )


def _language_model(size: SimpleNamespace) -> nn.Module:
    model = nn.Module()
    rows = torch.empty(size.vocab_size, size.hidden_size)  # fresh ones would import torch's compiler
    model.embed_tokens = nn.Embedding(size.vocab_size, size.hidden_size, _weight=rows)
    model.layers = nn.ModuleList(_decoder_layer(size) for _ in range(size.num_hidden_layers))
    model.norm = Norm(size.hidden_size, size.rms_norm_eps)
    rope, width = size.rope_parameters, size.hidden_size // size.num_attention_heads
    model.rotary_emb = TextRotary(width, rope["rope_theta"], rope["mrope_section"])
    return model


def _decoder_layer(size: SimpleNamespace) -> nn.Module:
    width = size.hidden_size // size.num_attention_heads
    layer, attention, mlp = nn.Module(), nn.Module(), nn.Module()
    attention.num_heads, attention.head_dim, attention.scaling = size.num_attention_heads, width, width**-0.5
    attention.num_key_value_groups = size.num_attention_heads // size.num_key_value_heads
    shared = size.num_key_value_heads * width
    attention.q_proj = nn.Linear(size.hidden_size, size.hidden_size)
    attention.k_proj, attention.v_proj = (nn.Linear(size.hidden_size, shared) for _ in range(2))
    attention.o_proj = nn.Linear(size.hidden_size, size.hidden_size, bias=False)
    mlp.gate_proj, mlp.up_proj = (nn.Linear(size.hidden_size, size.intermediate_size, bias=False) for _ in range(2))
    mlp.down_proj = nn.Linear(size.intermediate_size, size.hidden_size, bias=False)
    mlp.act_fn = nn.SiLU()
    layer.self_attn, layer.mlp = attention, mlp
    layer.input_layernorm, layer.post_attention_layernorm = (
        Norm(size.hidden_size, size.rms_norm_eps) for _ in range(2)
    )
    return layer


def _vision_tower(size: SimpleNamespace) -> nn.Module:
    tower: Any = nn.Module()
    tower.config = size
    kernel = (size.temporal_patch_size, size.patch_size, size.patch_size)
    tower.patch_embed = nn.Module()
    tower.patch_embed.proj = nn.Conv3d(3, size.embed_dim, kernel, stride=kernel, bias=False)
    tower.blocks = nn.ModuleList(_vision_block(size) for _ in range(size.depth))
    tower.merger = Merger(size)
    tower.rotary_pos_emb = VisionRotary(size.embed_dim // size.num_heads // 2, size.rope_parameters["rope_theta"])
    found: nn.Module = tower
    return found


def _vision_block(size: SimpleNamespace) -> nn.Module:
    block, attention = nn.Module(), nn.Module()
    block.norm1, block.norm2 = (nn.LayerNorm(size.embed_dim, eps=1e-6) for _ in range(2))
    attention.num_heads, attention.scaling = size.num_heads, (size.embed_dim // size.num_heads) ** -0.5
    attention.qkv, attention.proj = (nn.Linear(size.embed_dim, count * size.embed_dim) for count in (3, 1))
    block.attn, block.mlp = attention, VisionMLP(size)
    return block


class VisionMLP(nn.Module):
    """The feed-forward part of a block of the tower."""

    def __init__(self, size: SimpleNamespace) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size.embed_dim, size.embed_dim * size.mlp_ratio)
        self.act = QuickGELU()
        self.fc2 = nn.Linear(size.embed_dim * size.mlp_ratio, size.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., E)."""
        found: Tensor = self.fc2(self.act(self.fc1(x)))
        return found


class Merger(nn.Module):
    """Neighbouring patches to one vision token."""

    def __init__(self, size: SimpleNamespace) -> None:
        super().__init__()
        self.width = size.embed_dim * size.spatial_merge_size**2
        self.ln_q = nn.LayerNorm(size.embed_dim, eps=1e-6)
        layers = nn.Linear(self.width, self.width), nn.GELU(), nn.Linear(self.width, size.hidden_size)
        self.mlp = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(..., E) to (tokens, H)."""
        found: Tensor = self.mlp(self.ln_q(x).view(-1, self.width))
        return found
