"""How the re-rankers of LamRA and U-MARVEL are asked, as their own code does. Not the network, not how it is run.

Both read M-BEIR's pairs alike. Sources: Code-kunkun/LamRA, dataset/datasets_mbeir_eval_rerank.py,
collators/eval_rerank.py, collators/qwen2_vision_process.py and eval/eval_mbeir_rerank_pointwise.py (commit 7286399;
branch qwen2.5vl for Qwen2.5-VL); chaxjli/U-MARVEL, the files of the same names and those on _qwen3_vl (commit 2f8afed).
Their collator hands no clip on to the network, which then reads empty places; here a clip is seen, as its class does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umr.media import MAX_PIXELS

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
#: A string of theirs goes on over a line's end, with the next line's indentation in it; of the branch, in one line.
INDENTED = " " * 24
_USER = (
    "<|im_start|>user\nI will provide you with a query and a candidate. Please evaluate whether the candidate{spaces}"
    "meets the requirements of the query. If it does, respond with 'Yes'; if it doesn't, responed with 'No'."
    "Query:{{media}}{{instruction}}{{text}}Candidate"
)


def pointwise(system: str, spaces: str) -> Mapping[str, Any]:
    """Settings of a re-ranker of theirs.

    The query ends with the word before the colon: Qwen's tokenizers end a word there whatever follows, but join colon
    and first word of the candidate, or a full stop and the word "Candidate".

    Their collator fits pictures to cells of 28 px, and the checkpoint's preprocessor what comes of that to its own.

    Args:
        system: the turn before the user's.
        spaces: what stands between "the candidate" and "meets".
    """
    return {
        "query_template": system + _USER.format(spaces=spaces),
        "candidate_template": ":{media}{text}<|im_end|>\n<|im_start|>assistant\n",
        "prompting": "plain",
        "text_format": "mbeir",
        "attention": "causal",
        "pooling": "last",
        "mask_instruction": False,
        "max_tokens": 8192,
        "resize": "dynamic",
        "first_resize": (28, 4 * 28 * 28, 300 * 28 * 28),
        "resize_min_pixels": 1,
        "resize_max_pixels": MAX_PIXELS,
        "yes": "Yes",
        "no": "No",
        "generated": True,
    }


#: Recipes by the class of the checkpoint; Qwen3-VL's chat has no system turn.
QWEN2 = {name: pointwise(SYSTEM, INDENTED) for name in ("lamra-rank", "umarvel-rank")}
QWEN2_5 = {"lamra-rank": pointwise(SYSTEM, " ")}
QWEN3 = {"umarvel-rank": pointwise("", INDENTED)}
