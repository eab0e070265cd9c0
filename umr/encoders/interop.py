"""What other tools read of an encoder folder: transformers' Auto classes and sentence-transformers. umr reads none.

    python -m umr.encoders.interop FOLDER...        writes these files anew, and nothing else

No part of the encoder's identity: encoder.json does not list them, and no fingerprint covers them. interop.json does,
with the sha256 of each, and an encoder with a changed one is not opened.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from umr.disk import file_sha256, write_text
from umr.encoders.backbone import backbone_class
from umr.encoders.config import EncoderConfig, read_config
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START, SpecialTokens, load_tokenizer, token_id
from umr.errors import MismatchError, exit_status

INTEROP = "interop.json"
FORMAT = 1

#: The class of a pooling module of one's own, beside the weights: FILE.CLASS.
MASKED_FILE, MASKED_CLASS = "instruction_pooling.py", "InstructionMaskedPooling"

_MODULES = "sentence_transformers"
_POOLING = {"mean": "mean", "last": "lasttoken"}


def has_processor(config: EncoderConfig) -> bool:
    """Whether transformers has the classes that prepare this encoder's inputs and compute its states."""
    return bool(backbone_class(config.backbone).processor)


def pools_elsewhere(config: EncoderConfig) -> bool:
    """Whether sentence-transformers' modules compute this encoder's vectors, but for the mask over the instruction."""
    usual = (config.text_format, config.marker_rows, config.vision_depths) == ("plain", "checkpoint", "all")
    plain = usual and not config.first_resize and config.usual_prompts
    return has_processor(config) and config.pooling in _POOLING and config.positions == "mrope" and plain


def masks_instruction(config: EncoderConfig) -> bool:
    """Whether pooling leaves out the instruction, which no module of sentence-transformers does."""
    return config.mask_instruction and config.pooling == "mean" and bool(config.instructions)


def interop_files(config: EncoderConfig, folder: str | Path) -> dict[str, str]:
    """The files of an encoder folder that umr does not read, but for the list of them.

    Args:
        config: the settings.
        folder: holds config.json and the tokenizer; with MASKED_FILE in it, sentence-transformers pools by that.

    Returns:
        {file name: text}.

    Raises:
        ConfigError: the backbone is unknown, or there is no tokenizer.
        MismatchError: a file of the folder is damaged.
    """
    kind = backbone_class(config.backbone)
    found = {"tokenizer_config.json": _json(_tokenizer(kind.special))} | kind.processor_files(config, folder)
    if pools_elsewhere(config):
        found |= _sentence_transformers(config, Path(folder))
    return found


def write_interop(config: EncoderConfig, folder: str | Path) -> list[str]:
    """Write these files into a folder, and their list last.

    Args:
        config: the settings.
        folder: holds config.json and the tokenizer.

    Returns:
        Names of the files.

    Raises:
        ConfigError: the backbone is unknown, or there is no tokenizer.
        MismatchError: a file of the folder is damaged.
    """
    folder = Path(folder)
    files = interop_files(config, folder)
    (folder / INTEROP).unlink(missing_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)
    listed = {name: file_sha256(folder / name) for name in sorted(files)}
    write_text(folder / INTEROP, _json({"format": FORMAT, "files": listed}))
    return [*files, INTEROP]


def read_interop(folder: str | Path) -> dict[str, str]:
    """{file name: sha256} of interop.json; {} where there is none.

    Raises:
        MismatchError: it is no such list.
    """
    path = Path(folder) / INTEROP
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
        files = data["files"] if data["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(one, str) for pair in files.items() for one in pair):
        raise MismatchError(f"{path} is no list of files of format {FORMAT}; write it: {_command(folder)}")
    return files


def check_interop(folder: str | Path) -> None:
    """Compare the files that interop.json lists with their hashes; a folder without that file is older than it.

    Raises:
        MismatchError: one is missing, changed or outside the folder; the message names the first.
    """
    for name, expected in sorted(read_interop(folder).items()):
        path = Path(folder) / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise MismatchError(f"{folder}/{INTEROP} lists {name}, which lies outside the folder; do not trust it")
        if not path.is_file() or file_sha256(path) != expected:
            state = "changed" if path.is_file() else "is missing"
            raise MismatchError(f"{path} {state}: other tools would read it wrongly; write it: {_command(folder)}")


def _command(folder: str | Path) -> str:
    return f"python -m umr.encoders.interop {folder}"


def _tokenizer(special: SpecialTokens) -> dict[str, Any]:
    """Settings by which AutoTokenizer takes tokenizer.json as it is, and rebuilds nothing by rules of a family."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": special.pad,
        "eos_token": special.end,
        "clean_up_tokenization_spaces": False,
    }


def _sentence_transformers(config: EncoderConfig, folder: Path) -> dict[str, str]:
    """Its modules, their settings, and the task sentences as prompts by "query->target"."""
    part = {"method": "forward", "method_output_name": "last_hidden_state"}
    kinds = {"message": part | {"format": "structured"}, "text": part, "image": part, "video": part}
    pooling: dict[str, Any] = {"embedding_dimension": config.dim, "pooling_mode": _POOLING[config.pooling],
                               "include_prompt": True}  # fmt: skip
    pooled_by = f"{_MODULES}.sentence_transformer.modules.pooling.Pooling"
    if masks_instruction(config) and (folder / MASKED_FILE).is_file():
        tokenizer = load_tokenizer(folder, backbone_class(config.backbone).special)
        pooling |= {"start_id": token_id(tokenizer, INSTRUCTION_START), "end_id": token_id(tokenizer, INSTRUCTION_END)}
        pooled_by = f"{MASKED_FILE.removesuffix('.py')}.{MASKED_CLASS}"
    modules = [("", f"{_MODULES}.base.modules.transformer.Transformer"), ("1_Pooling", pooled_by)]
    files = {"1_Pooling/config.json": pooling}
    if config.normalise:
        modules.append(("2_Normalize", f"{_MODULES}.base.modules.normalize.Normalize"))
        files["2_Normalize/config.json"] = {
            "module_input_name": "sentence_embedding",
            "module_output_name": "sentence_embedding",
        }
    rows = [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (path, kind) in enumerate(modules)]
    transformer = {"transformer_task": "feature-extraction", "modality_config": kinds,
                   "module_output_name": "token_embeddings", "unpad_inputs": False}  # fmt: skip
    main_file = {
        "model_type": "SentenceTransformer",
        "prompts": config.instructions,
        "default_prompt_name": None,
        "similarity_fn_name": "cosine" if config.normalise else "dot",
    }
    files |= {"sentence_bert_config.json": transformer, "config_sentence_transformers.json": main_file}
    return {"modules.json": _json(rows)} | {name: _json(data) for name, data in files.items()}


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def main(folders: Sequence[str]) -> int:
    """Write these files of every encoder folder named. Returns the exit status."""
    with exit_status("umr") as ended:
        for folder in folders:
            config = read_config(folder)
            print(f"{folder}: {', '.join(write_interop(config, folder))}")
    return ended.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
