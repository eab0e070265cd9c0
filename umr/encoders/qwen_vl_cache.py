"""Rows that go on behind begun ones, by transformers' own forward pass and cache. For Qwen2-VL see qwen_vl_attention.

What a begun row keeps is repeated for each row behind it: keys and values are not computed again, but held so often.

B rows, T tokens, H hidden; Q begun rows of P tokens (umr.encoders.prefix).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from umr.encoders.prefix import KeysValues


def begun(text_model: nn.Module, x_QPH: Tensor, given: Mapping[str, Any]) -> tuple[KeysValues, ...]:
    """Keys and values of each layer for the beginning of rows.

    Args:
        text_model: a language model of transformers.
        x_QPH: embeddings.
        given: its other arguments: mask and positions.
    """
    from transformers import DynamicCache  # heavy, and the passes of Qwen2-VL do without

    cache = DynamicCache()
    text_model(inputs_embeds=x_QPH, use_cache=True, **{_argument(text_model): cache}, **given)
    layers: list[Any] = cache.layers  # of full attention, each with both
    return tuple(KeysValues(layer.keys, layer.values) for layer in layers)


def gone_on(text_model: nn.Module, x_BTH: Tensor, layers: Sequence[KeysValues], given: Mapping[str, Any]) -> Tensor:
    """Last hidden states (B, T, H) of rows behind begun ones.

    Args:
        text_model: a language model of transformers.
        x_BTH: embeddings of B = Q * g rows, the g of each begun row one after the other.
        layers: what `begun` gave.
        given: its other arguments: the mask over P + T tokens, and positions.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    for number, kept in enumerate(layers):
        keys, values = (part.repeat_interleave(len(x_BTH) // len(part), dim=0) for part in kept)
        cache.update(keys, values, number)
    found = text_model(inputs_embeds=x_BTH, use_cache=True, **{_argument(text_model): cache}, **given)
    states: Tensor = found.last_hidden_state
    return states


def _argument(text_model: nn.Module) -> str:
    """What the class calls its cache, which transformers 5.24 renamed."""
    return "cache" if "cache" in inspect.signature(text_model.forward).parameters else "past_key_values"
