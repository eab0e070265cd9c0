"""An encoder folder whose queries are exact in sentence-transformers too, by a pooling module beside the weights.

Every encoder folder opens in sentence-transformers as it stands, with queries pooled over their instruction as well
(umr.encoders.interop). This copy of it brings the module that leaves the instruction out, and so needs
trust_remote_code=True there. In umr it is the same encoder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from umr.disk import write_text
from umr.encoders.card import write_card
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import DualConfig, read_settings
from umr.encoders.duals import towers_class
from umr.encoders.hub import fetch, is_hub
from umr.encoders.interop import MASKED_FILE, masks_instruction, pools_elsewhere, write_interop
from umr.encoders.pooled_over import PooledOver, measured_of
from umr.encoders.sentence_config import SentenceConfig
from umr.encoders.store import check_files
from umr.errors import ConfigError, MismatchError
from umr.shipped import CONFIG_NAME
from umr.whole import check_absent, replacing_folder


def export(where: str | Path, out: str | Path, measured: PooledOver | None = None) -> EncoderConfig:
    """Write the folder `out` from an encoder.

    Args:
        where: an encoder folder, or hub:owner/name@revision.
        out: the folder to write, which must not exist.
        measured: what pooling over the instruction costs this encoder, for the card; None: what lies beside it.

    Returns:
        The encoder's settings, which are the same.

    Raises:
        ConfigError: there is no encoder, sentence-transformers cannot compute its vectors, or `out` exists.
        MismatchError: a file of the encoder is missing or changed, or what was measured is of another encoder.
    """
    target = Path(out)
    check_absent(target)
    folder = fetch(where) if is_hub(where) else Path(where)
    config = read_settings(folder)
    check_files(config, folder)
    if isinstance(config, DualConfig):
        raise ConfigError(
            f"{config.name} is a dual encoder ({config.composition}), for which sentence-transformers has no module. "
            f"{towers_class(config.backbone).implementation} opens {where} as it stands, for texts and pictures apart; "
            f"sums come from `python -m umr embed`, and `python -m umr push {where} OWNER/NAME` shares it"
        )
    if isinstance(config, SentenceConfig):
        raise ConfigError(f"{config.name} is a model of sentence-transformers, which opens {where} as it stands")
    if not pools_elsewhere(config):
        raise ConfigError(
            f"{config.name} pools by {config.pooling!r} with {config.positions!r} positions in a {config.backbone} "
            "network, for which sentence-transformers has no modules; legal: mean or last, mrope, qwen2_vl. "
            "Embed with `python -m umr embed`"
        )
    measured = measured or measured_of(folder, config.fingerprint())
    if measured is not None and measured.encoder != config.fingerprint():
        raise MismatchError(
            f"the index is by {measured.encoder_name} {measured.encoder[:12]}, but {config.name} "
            f"{config.fingerprint()[:12]} is exported; name an index that it built, or leave --index out"
        )
    with replacing_folder(target) as draft:
        for name in (*config.files, CONFIG_NAME):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, draft / name)
        if masks_instruction(config):
            write_text(draft / MASKED_FILE, Path(__file__).with_name(MASKED_FILE).read_text("utf-8"))
        write_interop(config, draft)
        write_card(config, draft, measured)
    return config
