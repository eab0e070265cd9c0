"""MSVD (Chen and Dolan, ACL 2011): test_list.txt, its clips, and all of their sentences.

The sentences are raw-captions.pkl, as the field passes them on (its opcodes are read as data, nothing in it is called),
or the makers' AllVideoDescriptions.txt.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from umr.errors import ConfigError, MediaError
from umr.eval.benchmarks.annotations import listing, needed, placed, words
from umr.eval.benchmarks.benchmark import Asked, Benchmark
from umr.eval.benchmarks.registry import split_of
from umr.eval.benchmarks.video_text import Sentence, both_ways, find_clips
from umr.formats import read_lines

LAYOUT = (
    "MSVD's folder holds test_list.txt (val_list.txt, train_list.txt), raw-captions.pkl or AllVideoDescriptions.txt, "
    "there or in one folder such as msvd_data/, and the clips as NAME.avi, such as in YouTubeClips/ or MSVD_Videos/"
)
PICKLED, DESCRIBED = "raw-captions.pkl", "AllVideoDescriptions.txt"


def read(asked: Asked) -> Benchmark:
    """The clips of a split with all of their sentences, both ways.

    Raises:
        ConfigError: a file or clip is missing, or a file is not what it should be; the layout is told.
    """
    split = split_of("msvd", asked.split)
    listed = needed(listing(asked.data, f"{split}_list.txt"), LAYOUT)
    names = list(dict.fromkeys(line.strip() for _, line in read_lines(listed)))
    pickled = listing(asked.data, PICKLED)
    if pickled.is_file():
        said = pickled_captions(pickled)
    else:
        said = _described(needed(listing(asked.data, DESCRIBED), LAYOUT))
    sentences = [Sentence(name, text) for name in names for text in said.get(name, ())]
    return both_ways("msvd", split, find_clips(asked.data, names, LAYOUT), sentences, asked)


def _described(path: Path) -> dict[str, list[str]]:
    """`NAME sentence` on each line; lines that begin with # are remarks."""
    found: dict[str, list[str]] = {}
    for place, line in read_lines(path):
        if line.startswith("#"):
            continue
        name, _, text = line.strip().partition(" ")
        with placed(place):
            found.setdefault(name, []).append(words({"sentence": text}, "sentence"))
    return found


def pickled_captions(path: Path) -> dict[str, list[str]]:
    """Clip -> its sentences, of a pickled {clip: [[word, ...], ...]}, read without running what a pickle can run.

    Raises:
        ConfigError: it holds anything but dicts, lists, tuples, texts and numbers, or another shape.
    """
    try:
        value = _plain(path.read_bytes())
        found = {name: [" ".join(said) for said in sentences] for name, sentences in value.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise ConfigError(f"{path} is not {{clip: [[word, ...], ...]}} as plain data ({error}). {LAYOUT}") from error
    except (ConfigError, MediaError) as error:
        raise ConfigError(f"{path}: {error}. {LAYOUT}") from error
    return found


_MARK = object()
_EMPTY: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_PUSHED = ("UNICODE", "STRING", "INT", "LONG")  # ends or beginnings of opcodes whose argument is the value itself


def _plain(data: bytes) -> Any:
    """The value of a pickle of plain data; an opcode that names, imports or calls anything is refused."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for code, argument, _ in pickletools.genops(data):
        name = code.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack[-1]
        if name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "MEMOIZE" or name.endswith("PUT"):
            memo[len(memo) if name == "MEMOIZE" else int(str(argument))] = stack[-1]
        elif name.endswith("GET"):
            stack.append(memo[int(str(argument))])
        elif any(kind in name for kind in _PUSHED):
            stack.append(argument)
        else:
            _gather(name, stack)
    raise ValueError("it ends before its end")


def _gather(name: str, stack: list[Any]) -> None:
    """The opcodes that put what was pushed into a list or dict."""
    if name in ("APPEND", "SETITEM"):
        taken = [stack.pop() for _ in range(1 if name == "APPEND" else 2)][::-1]
    elif name in ("APPENDS", "SETITEMS", "LIST", "DICT"):
        place = max(place for place, value in enumerate(stack) if value is _MARK)
        taken = stack[place + 1 :]
        del stack[place:]
    else:
        raise ValueError(f"the opcode {name} is not of plain data")
    if name in ("LIST", "DICT"):
        stack.append([] if name == "LIST" else {})
    if name in ("APPEND", "APPENDS", "LIST"):
        stack[-1].extend(taken)
    else:
        stack[-1].update(zip(taken[::2], taken[1::2], strict=True))
