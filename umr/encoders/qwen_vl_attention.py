"""Fast forward passes over the weights of transformers' Qwen2-VL modules, equal to the classes' own. No network itself.

Why: the stock vision tower attends picture by picture in a Python loop, and fused attention is slow in a CPU's backward
pass. Here pictures of one size go as one batch, query, key and value go as one product, and attention is two matrix
products with a softmax in the compute dtype. In inference mode attention is fused, and what nobody needs again is
written over: new memory costs more than the arithmetic. Training's passes without gradients stay as those with them.
tests/encoders/test_qwen_vl_attention.py holds both sides together.

N media items, F frames, P patches of one frame (merge-block order), K numbers of a patch, E vision width, h heads,
d head width, B rows, T tokens, H hidden; Q begun rows of P tokens (umr.encoders.prefix).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from umr.encoders.prefix import KeysValues

if TYPE_CHECKING:  # umr.encoders.qwen_vl_lean has modules that serve in their place
    from transformers.models.qwen2_vl.modeling_qwen2_vl import (
        Qwen2VisionTransformerPretrainedModel,
        Qwen2VLAttention,
        Qwen2VLDecoderLayer,
        Qwen2VLRMSNorm,
        Qwen2VLTextModel,
        Qwen2VLVisionBlock,
    )
_LONG = 2048**2  # weights of a head beyond which they are not held: a picture of 3,000 px has 500 times as many


def attend(q_BhTd: Tensor, k_BhTd: Tensor, v_BhTd: Tensor, scale: float, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T * scale + bias) v, all in the dtype of q; (B, h, T, d)."""
    is_long = q_BhTd.shape[2] * k_BhTd.shape[2] > _LONG and not torch.is_grad_enabled()
    if is_long or torch.is_inference_mode_enabled():
        return F.scaled_dot_product_attention(q_BhTd, k_BhTd, v_BhTd, bias, scale=scale)
    weights = (q_BhTd * scale) @ k_BhTd.transpose(-1, -2)
    if bias is not None:
        weights = weights + bias
    return weights.softmax(-1, dtype=weights.dtype) @ v_BhTd


def attend_behind(
    q_BhTd: Tensor, k_BhTd: Tensor, v_BhTd: Tensor, past: KeysValues, scale: float, bias: Tensor
) -> Tensor:
    """`attend` for rows that go on behind begun ones, whose keys and values are neither copied nor computed again.

    Args:
        q_BhTd: queries of B = Q * g rows, the g of each begun row one after the other.
        k_BhTd: keys of the same rows.
        v_BhTd: values of the same rows.
        past: keys and values of the Q begun rows, (Q, h, P, d) each.
        scale: of the products.
        bias: added to the weights, (B, 1, T, P + T).

    Returns:
        (B, h, T, d).
    """
    _, heads, tokens, _ = q_BhTd.shape
    begun, _, before, _ = past.keys.shape

    def folded(x_BhTn: Tensor) -> Tensor:
        """(Q, h, g * T, n): all that follows a begun row as one matrix."""
        return x_BhTn.reshape(begun, -1, heads, *x_BhTn.shape[2:]).transpose(1, 2).flatten(2, 3)

    def unfolded(x_QhGn: Tensor) -> Tensor:
        return x_QhGn.view(begun, heads, -1, tokens, x_QhGn.shape[-1]).transpose(1, 2).flatten(0, 1)

    q = q_BhTd * scale
    weights = torch.cat([unfolded(folded(q) @ past.keys.transpose(-1, -2)), q @ k_BhTd.transpose(-1, -2)], -1) + bias
    shares = weights.softmax(-1, dtype=weights.dtype)
    return unfolded(folded(shares[..., :before]) @ past.values) + shares[..., before:] @ v_BhTd


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (RoFormer, equation 34) over the last axis; cos and sin broadcast against x."""
    first, second = x.chunk(2, -1)
    if not torch.is_inference_mode_enabled():
        return x * cos + torch.cat((-second, first), -1) * sin
    turned = x * cos
    for part, other, its_sin, sign in zip(turned.chunk(2, -1), (second, first), sin.chunk(2, -1), (-1, 1), strict=True):
        part.addcmul_(other, its_sin, value=sign)
    return turned


def _added(x: Tensor, change: Tensor) -> Tensor:
    """Their sum; in inference mode in the place of the change, which nobody else has."""
    if torch.is_inference_mode_enabled() and change.dtype == x.dtype:
        return change.add_(x)
    return x + change


def _each(layers: Iterable[nn.Module], attention: str) -> Iterator[Any]:
    """The layers of a list of modules, which has lost their class: those that have an attention of this name."""
    for layer in layers:
        if not hasattr(layer, attention):
            raise TypeError(f"a layer is a {type(layer).__name__}, which has no {attention}")
        yield layer


def _norm(x: Tensor, norm: Qwen2VLRMSNorm) -> Tensor:
    """RMS norm, rounded once to the dtype the products want (autocast would do it again for each of them)."""
    wanted = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
    return F.rms_norm(x, norm.weight.shape, norm.weight.to(x.dtype), norm.variance_epsilon).to(wanted)


def _computed(layer: nn.Module, forward: Callable[..., Tensor], *given: object) -> Tensor:
    """forward(layer, *given), which transformers' flag lets hold no activations: they are computed again for gradients.

    Chen et al. 2016, arXiv 1604.06174: the memory of one layer in place of all, for a second forward pass.
    """
    if torch.is_grad_enabled() and layer.training and getattr(layer, "gradient_checkpointing", False):
        found: Tensor = checkpoint(forward, layer, *given, use_reentrant=False)
        return found
    return forward(layer, *given)


def vision_states(
    visual: Qwen2VisionTransformerPretrainedModel, patches_SPK: Tensor, cos_P1d: Tensor, sin_P1d: Tensor
) -> Tensor:
    """What `visual` gives as pooler_output, for S segments (a frame pair, or a still) of P patches each.

    Args:
        visual: the vision tower.
        patches_SPK: (S, P, K) as the image processor orders them, or (S, P, K/2) for stills: one of two equal frames.
        cos_P1d: axial rotary of the P patches.
        sin_P1d: the same.

    Returns:
        (S, P / merge^2, H).
    """
    kernel: Tensor = visual.patch_embed.proj.weight  # (E, C, t, p, p)
    if patches_SPK.shape[-1] * kernel.shape[2] == kernel[0].numel():
        kernel = kernel.sum(2)  # equal frames: one product of half the width
    x = F.linear(patches_SPK.to(kernel.dtype), kernel.flatten(1))
    for block in _each(visual.blocks, "attn"):
        x = _computed(block, _vision_block, x, cos_P1d, sin_P1d)
    merged: Tensor = visual.merger(x)
    return merged.view(len(x), -1, visual.config.hidden_size)


def _vision_block(block: Qwen2VLVisionBlock, x_SPE: Tensor, cos_P1d: Tensor, sin_P1d: Tensor) -> Tensor:
    """What a block of the vision tower gives, (S, P, E)."""
    segments, places, width = x_SPE.shape
    attention = block.attn
    qkv = attention.qkv(block.norm1(x_SPE)).view(segments, places, 3, attention.num_heads, -1)
    cos, sin = cos_P1d.to(qkv.dtype), sin_P1d.to(qkv.dtype)
    qk = rotate(qkv[:, :, :2].flatten(2, 3), cos, sin).view(segments, places, 2, attention.num_heads, -1)
    q, k = (part.transpose(1, 2) for part in qk.unbind(2))
    y = attend(q, k, qkv[:, :, 2].transpose(1, 2), attention.scaling)
    x = _added(x_SPE, attention.proj(y.transpose(1, 2).reshape(segments, places, width)))
    return _added(x, block.mlp(block.norm2(x)))


def attention_bias(mask_BT: Tensor, causal: bool) -> Tensor | None:
    """What is added to attention weights: 0 where a token may look, -10,000 elsewhere; (B, 1, 1 or T, T) float32.

    Not -inf: a padding row that sees nothing must stay finite. None where every token may look at every other.
    """
    if not causal and bool(mask_BT.all()):
        return None
    allowed = mask_BT[:, None, None, :]
    if causal:
        allowed = allowed & torch.ones(mask_BT.shape[1:] * 2, dtype=torch.bool, device=mask_BT.device).tril()
    return torch.zeros(allowed.shape, device=mask_BT.device).masked_fill(~allowed, -1e4)


def bias_behind(past_mask_QP: Tensor, mask_BT: Tensor, causal: bool) -> Tensor:
    """The bias of attend_behind: all real tokens of the begun row are seen, of its own row all or those before it."""
    rows, tokens = mask_BT.shape
    past_BP = past_mask_QP.repeat_interleave(rows // len(past_mask_QP), dim=0)
    before = torch.zeros(past_BP.shape, device=mask_BT.device).masked_fill(~past_BP, -1e4)
    own = attention_bias(mask_BT, causal)
    if own is None:
        own = torch.zeros(1, 1, 1, 1, device=mask_BT.device)
    parts = before[:, None, None], own.expand(rows, 1, -1, tokens)
    return torch.cat([part.expand(rows, 1, tokens, -1) for part in parts], -1)


def decoder_states(
    text_model: Qwen2VLTextModel,
    x_BTH: Tensor,
    bias: Tensor | None,
    cos_BTd: Tensor,
    sin_BTd: Tensor,
    past: Sequence[KeysValues] | None = None,
    kept: list[KeysValues] | None = None,
) -> Tensor:
    """What `text_model` gives as last_hidden_state for these embeddings.

    Args:
        text_model: the language model.
        x_BTH: embeddings (B, T, H).
        bias: see attention_bias; with `past` see bias_behind.
        cos_BTd: text_model.rotary_emb of the positions.
        sin_BTd: the same.
        past: of each layer, the keys and values of the rows that these go on behind.
        kept: a list that the keys and values of each layer are appended to, (B, shared heads, T, d) each; a layer then
            runs once, whatever its flag of gradient checkpointing says.

    Returns:
        (B, T, H).
    """
    x = x_BTH
    for number, layer in enumerate(_each(text_model.layers, "self_attn")):
        given = bias, (cos_BTd, sin_BTd), None if past is None else past[number]
        x = _computed(layer, _decoder_layer, x, *given) if kept is None else _decoder_layer(layer, x, *given, kept)
    return _norm(x, text_model.norm)


def _decoder_layer(
    layer: Qwen2VLDecoderLayer,
    x_BTH: Tensor,
    bias: Tensor | None,
    cos_sin: tuple[Tensor, Tensor],
    past: KeysValues | None,
    kept: list[KeysValues] | None = None,
) -> Tensor:
    """What a layer of the language model gives, (B, T, H)."""
    x = _added(x_BTH, layer.self_attn.o_proj(_self_attention(layer, x_BTH, bias, cos_sin, past, kept)))
    mlp = layer.mlp
    y = _norm(x, layer.post_attention_layernorm)
    return _added(x, mlp.down_proj(mlp.act_fn(mlp.gate_proj(y)) * mlp.up_proj(y)))


def _projected(attention: Qwen2VLAttention, x_BTH: Tensor) -> Tensor:
    """Queries, keys and values side by side: by one product, but where an adapter stands before the weights."""
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    if any(type(one) is not nn.Linear for one in projections):
        return torch.cat([one(x_BTH) for one in projections], -1)
    return F.linear(x_BTH, torch.cat([p.weight for p in projections]), torch.cat([p.bias for p in projections]))


def _self_attention(
    layer: Qwen2VLDecoderLayer,
    x_BTH: Tensor,
    bias: Tensor | None,
    cos_sin: tuple[Tensor, Tensor],
    past: KeysValues | None,
    kept: list[KeysValues] | None,
) -> Tensor:
    """What o_proj of a layer takes, (B, T, h * d)."""
    attention = layer.self_attn
    rows, tokens, _ = x_BTH.shape
    heads, width = attention.num_heads, attention.head_dim
    shared = heads // attention.num_key_value_groups
    qkv = _projected(attention, _norm(x_BTH, layer.input_layernorm)).view(rows, tokens, heads + 2 * shared, width)
    cos, sin = (part[:, :, None].to(qkv.dtype) for part in cos_sin)
    qk = rotate(qkv[:, :, : heads + shared], cos, sin).transpose(1, 2)
    q, k, v = qk[:, :heads], qk[:, heads:], qkv[:, :, heads + shared :].transpose(1, 2)
    if kept is not None:
        kept.append(KeysValues(k, v))
    if heads != shared:
        k, v = (part.repeat_interleave(heads // shared, dim=1) for part in (k, v))
        past = past and KeysValues(*(part.repeat_interleave(heads // shared, dim=1) for part in past))
    bias = bias if bias is None else bias.to(q.dtype)
    if past is None:
        y = attend(q, k, v, attention.scaling, bias)
    elif bias is None:
        raise ValueError("rows behind a prefix need the bias of bias_behind")
    else:
        y = attend_behind(q, k, v, past, attention.scaling, bias)
    return y.transpose(1, 2).reshape(rows, tokens, heads * width)
