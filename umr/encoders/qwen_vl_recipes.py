"""How released embedders and re-rankers are asked, as their own code does. Not the network, not how it is run.

GME: gme_inference.py and custom_st.py of its repositories. LamRA-Ret: Code-kunkun/LamRA, dataset/datasets_mbeir.py and
datasets_msrvtt.py, collators/mbeir_eval.py, collators/qwen2_vision_process.py, models/qwen2_vl.py (commit 7286399); of
Qwen2.5-VL the same files of the branch qwen2.5vl and models/qwen2_5_vl.py (commit ef57cd3).
VLM2Vec-V2: TIGER-AI-Lab/VLM2Vec, src/model/model.py and processor.py, src/model/vlm_backbone/qwen2_vl, and of its
readers of test data image_t2i_eval.py, image_i2t_eval.py, image_i2i_vg_dataset.py, msrvtt_dataset.py (commit 6e1e1d4).

The re-rankers of LamRA and U-MARVEL read M-BEIR's pairs alike: Code-kunkun/LamRA,
dataset/datasets_mbeir_eval_rerank.py, collators/eval_rerank.py, collators/qwen2_vision_process.py and
eval/eval_mbeir_rerank_pointwise.py (commit 7286399; branch qwen2.5vl for Qwen2.5-VL); chaxjli/U-MARVEL, the files of
the same names and those on _qwen3_vl (commit 2f8afed).
Their collator hands no clip on to the network, which then reads empty places; here a clip is seen, as its class does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umr.encoders.recipes import UMARVEL
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

#: A row by itself, as its demo.py and its video evaluation compute it: without padding its mask is none
#: (models/qwen2_vl_bidirectional_atten.py), for which transformers of its time attends causally.
UMARVEL_ALONE: Mapping[str, Any] = {**UMARVEL, "attention": "causal"}

#: What every embedder of Qwen2-VL below has: a causal language model, read at its last token, that never computes
#: positions of its own for pictures (its code gives the language model embeddings, or finds no token that begins one).
_LAST = {
    "prompting": "plain",
    "attention": "causal",
    "pooling": "last",
    "mask_instruction": False,
    "positions": "sequential",
}

#: GME: the task is the system turn, the vector the state of the token that ends the text. A picture is made of cells
#: first, and then of 256 to 1280 of them, whatever the preprocessor's settings say.
_GME = (
    "<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{media}{text}<|im_end|>\n"
    "<|im_start|>assistant\n<|endoftext|>"
)
GME = {
    **_LAST,
    "query_template": _GME,
    "candidate_template": _GME,
    "default_instruction": "You are a helpful assistant.",
    "instructions": {"text->image": "Find an image that matches the given text."},
    "max_tokens": 1800,
    "first_resize": (28, 4 * 28 * 28, 16384 * 28 * 28),
    "limits": (256 * 28 * 28, 1280 * 28 * 28),
}


def _one_word(shown: str, instruction: str, text: str) -> str:
    """LamRA-Ret's conversation up to the token before `<emb>`, whose state is the vector; nothing behind it is seen."""
    return (
        f"{SYSTEM}<|im_start|>user\n{{media}}{instruction}{text}\nSummarize above {shown} in one word: <|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def _one_word_each(instruction: str) -> dict[str, str]:
    """LamRA-Ret's conversations by what is shown: the task sentence counts as one, of a picture as of words.

    A clip is asked without a task sentence, as its code asks none.
    """
    told = " and sentence" if instruction else ""
    return {
        "image": _one_word(f"image{told}", instruction, ""),
        "image,text": _one_word("image and sentence", instruction, "{text}"),
        "video": _one_word("video", instruction, ""),
        "video,text": _one_word("video and sentence", instruction, "{text}"),
    }


LAMRA = {
    **_LAST,
    "query_template": _one_word("sentence", "{instruction}", "{text}"),
    "candidate_template": _one_word("sentence", "", "{text}"),
    "query_templates": _one_word_each("{instruction}"),
    "candidate_templates": _one_word_each(""),
    "text_format": "mbeir",
    "max_tokens": 1024,
    "resize_min_pixels": 4 * 28 * 28,
    "resize_max_pixels": 300 * 28 * 28,
}

#: Of its later class the code lets the network count positions by itself, which are then those of the class.
LAMRA_2_5 = {**LAMRA, "positions": "mrope"}

#: VLM2Vec-V2: no conversation, no marks around a picture, and the line's ends of MMEB's pictures and captions (clips
#: have none). Behind a picture MMEB's own sentence is the candidate's text; a picture alone gets the usual one.
#: Pictures with a side under 28 px, which it makes squares, keep their shape here.
VLM2VEC = {
    **_LAST,
    "query_template": "{media}{instruction} {text}\n",
    "candidate_template": "{media}{text}",
    "query_templates": {
        "image": "{media}\n{instruction}\n",
        "image,text": "{media}\n{instruction} {text}\n",
        "video": "{media} {instruction}",
        "video,text": "{media} {instruction} {text}",
    },
    "candidate_templates": {
        "image": "{media}\nRepresent the given image.\n",
        "image,text": "{media}\n{text}\n",
        "video": "{media} Understand the content of the provided video.",
        "video,text": "{media} {text}",
    },
    "default_instruction": "Represent the given video.",
    "vision_marks": False,
    "max_tokens": 8192,
    "limits": (4 * 28 * 28, 1280 * 28 * 28),
}

#: By the class of the checkpoint, as the re-rankers above.
EMBEDDERS_2_5: Mapping[str, Mapping[str, Any]] = {"lamra": LAMRA_2_5}
EMBEDDERS: Mapping[str, Mapping[str, Any]] = {
    "umarvel-alone": UMARVEL_ALONE,
    "gme": GME,
    "lamra": LAMRA,
    "vlm2vec-v2": VLM2VEC,
}
