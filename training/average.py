"""Weights between a trained encoder and the one that it started from (Wortsman et al., arXiv 2109.01903). Not training.

python -m training.average TRAINED --init START --share 0.7 --out DIR
python -m training.average TRAINED --of OTHER --share 0.5 --out DIR
A stage in little data at a low rate learns what it is for and forgets some of the rest; between the two, both are kept.
Two runs from one start average likewise (arXiv 2203.05482). The share is chosen on validation queries; `--set
kept_start=0.7`, and `kept_of=OTHER`, then make a stage end with it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training.provenance import stages
from umr.encoders import load_trainable
from umr.encoders.card import RECORD_NAME
from umr.errors import ConfigError, exit_status
from umr.shipped import find_encoder

log = logging.getLogger("training")


@torch.no_grad()
def keep_of_start(encoder: nn.Module, start: nn.Module, share: float) -> None:
    """Move every weight of `encoder` towards that of `start`, in place: (1 - share) * its own + share * the start's.

    Args:
        encoder: the trained one.
        start: of the same network.
        share: from 0, which changes nothing, to 1.

    Raises:
        ConfigError: the share is outside, or the two are of different networks.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of the start's weights is {share}; legal: 0 to 1")
    check_alike(encoder, start)
    theirs = dict(start.named_parameters())
    for name, weight in encoder.named_parameters():
        weight.lerp_(theirs[name].to(weight), share)


def check_alike(encoder: nn.Module, start: nn.Module) -> None:
    """See that there are weights between the two.

    Raises:
        ConfigError: they are of different networks.
    """
    own, theirs = (dict(one.named_parameters()) for one in (encoder, start))
    other = [name for name in own.keys() | theirs.keys() if name not in own or name not in theirs]
    other += [name for name in own.keys() & theirs.keys() if own[name].shape != theirs[name].shape]
    if other:
        raise ConfigError(
            f"the two encoders differ in {len(other)} weights ({', '.join(sorted(other)[:3])}): only encoders of one "
            "network have weights between them; give the encoder that it started from, or another run of that start"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.average", description=__doc__.splitlines()[0])
    parser.add_argument("trained", type=Path, help="the folder that training wrote")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--init", help="the encoder that it started from: a folder or a shipped name")
    whose.add_argument("--of", help="another one of the same network, such as a second run's from the same start")
    parser.add_argument("--share", type=float, required=True, help="of that one's weights, from 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="the encoder folder that is written")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_status("training", OSError) as ended:
        _write(options.trained, options.init or options.of, options.share, options.out, of=options.of)
    return ended.status


def _write(trained: Path, init: str, share: float, out: Path, of: str | None = None) -> None:
    """Writes the encoder between the two, its record that of a stage which ended so.

    Raises:
        UMRError: one of the encoders or the record cannot be read, or they have no weights between them.
    """
    encoder = load_trainable(trained, device="cpu")
    keep_of_start(encoder, load_trainable(find_encoder(init), device="cpu"), share)
    try:
        record = json.loads((trained / RECORD_NAME).read_text("utf-8"))
        record["config"]["kept_start"] = share
        if of is not None:
            record["config"]["kept_of"] = Path(of).name
            record["kept_of"] = stages(find_encoder(of))[-1]
    except (OSError, ValueError, KeyError, TypeError) as error:
        unreadable = f"{trained / RECORD_NAME} cannot be read ({error}): give a folder that training wrote"
        raise ConfigError(unreadable) from error
    encoder.save(out, extra={RECORD_NAME: json.dumps(record, indent=1, sort_keys=True) + "\n"})
    log.info("saved %s", out)


if __name__ == "__main__":
    sys.exit(main())
