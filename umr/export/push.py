"""An encoder folder as a model repository of the Hugging Face Hub: its files, licence, and a card with its results.

Not the reading of such a repository (umr.encoders.hub). What is uploaded is what the folder's own lists name, nothing
that lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import CommitOperationAdd, EvalResult, ModelCard, ModelCardData

from umr.encoders.card import CARD_NAME, write_card
from umr.encoders.config import EncoderConfig
from umr.encoders.dual_config import AnyConfig, read_settings
from umr.encoders.hub import HUB_ERRORS, repository
from umr.encoders.interop import INTEROP, MASKED_FILE, read_interop
from umr.encoders.store import check_files
from umr.errors import ConfigError
from umr.eval.pools import LOCAL
from umr.eval.reports import REPORT, Row, key_of, read_report
from umr.shipped import CONFIG_NAME, REPORTS, repository_root

LICENCE_FILE = "LICENSE"
#: Measures of the card, by their names in report.json.
MEASURES = ("success@1", "success@5", "success@10", "ndcg@10")


def contents(folder: str | Path, reports: str | Path | None = None) -> dict[str, Path | bytes]:
    """What a repository of this encoder holds.

    Args:
        folder: of the encoder.
        reports: the folder of its report.json; None: the one beside a shipped encoder, if it is of these very weights.

    Returns:
        {name in the repository: the file, or its bytes}, sorted.

    Raises:
        ConfigError: there is no encoder, or the report that was named is of another.
        MismatchError: a file of the encoder is missing or changed.
    """
    folder = Path(folder)
    config = read_settings(folder)
    check_files(config, folder)
    listed = read_interop(folder)
    if not listed and isinstance(config, EncoderConfig):
        raise ConfigError(
            f"{folder} has no {INTEROP}, so other tools would not open it; write what they need: "
            f"python -m umr.encoders.interop {folder}"
        )
    # a dual encoder has its checkpoint's own files, which others open as they are, and no more
    beside = [*listed, INTEROP] if listed else []
    named = [*config.files, *beside, CONFIG_NAME, *([MASKED_FILE] if (folder / MASKED_FILE).is_file() else [])]
    found: dict[str, Path | bytes] = {name: folder / name for name in named}
    found[CARD_NAME] = _card(config, folder, reports).encode()
    licence = repository_root() / LICENCE_FILE
    if not config.revision and licence.is_file():  # made here; weights of others are under their source's
        found[LICENCE_FILE] = licence
    return dict(sorted(found.items()))


def size(content: Path | bytes) -> int:
    """Bytes of a file that `contents` gave."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def push(files: Mapping[str, Path | bytes], name: str, private: bool = False) -> str:
    """Make the repository where it is not there, and upload the files in one commit. Returns the commit's address.

    Args:
        files: from `contents`.
        name: OWNER/NAME.
        private: a repository that is made now is for its owner alone.

    Raises:
        ConfigError: the name is none, or the Hub cannot be reached or refuses.
    """
    repository(name)
    api = huggingface_hub.HfApi()
    operations = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()]
    try:
        api.create_repo(name, private=private, exist_ok=True)
        made = api.create_commit(name, operations, commit_message="Upload the encoder with umr")
    except HUB_ERRORS as error:
        raise ConfigError(
            f"{name} could not be uploaded ({error}); log in with `hf auth login` to an account that may write there, "
            "and check the connection"
        ) from error
    return str(made.commit_url)


def _card(config: AnyConfig, folder: Path, reports: str | Path | None) -> str:
    """The folder's card, with the results where there are some."""
    path = folder / CARD_NAME
    text = path.read_text("utf-8") if path.is_file() else write_card(config, folder).read_text("utf-8")
    rows = _rows(config, folder, reports)
    if not rows:
        return text
    card = ModelCard(text)
    results = [result for row in rows for result in _results(row)]
    data = ModelCardData(**card.data.to_dict(), model_name=config.name, eval_results=results)
    return f"---\n{data.to_yaml()}\n---\n{card.text.rstrip()}\n\n{_table(rows)}\n"


def _rows(config: AnyConfig, folder: Path, reports: str | Path | None) -> Sequence[Row]:
    """The rows in distribution of the encoder's report; [] where none is named and none of these weights lies near."""
    place = folder.parent / REPORTS if reports is None else Path(reports)
    if reports is None and not (place / REPORT).is_file():
        return []
    report = read_report(place)
    if report["encoder"] == config.fingerprint():
        return [row for row in report["rows"] if row["split"] == "ind"]
    if reports is None:
        return []
    raise ConfigError(
        f"{place / REPORT} was measured with another encoder ({report['encoder'][:12]}..., here is "
        f"{config.fingerprint()[:12]}...); measure this one: python -m umr evaluate --encoder {folder} --runs DIR"
    )


def _results(row: Row) -> list[EvalResult]:
    task, split, pool = key_of(row)
    return [
        EvalResult(
            task_type="retrieval",
            dataset_type="umr-catalogue",
            dataset_name=f"umr's rendered catalogue, {task}, {pool} pool",
            dataset_config=f"{task}-{pool}",
            dataset_split=split,
            metric_type=measure,
            metric_name=measure,
            metric_value=round(row[measure], 4),
        )
        for measure in MEASURES
        if isinstance(row.get(measure), float)
    ]


def _table(rows: Sequence[Row]) -> str:
    """The results for a reader, shares in percent."""
    head = ["## Results", "",
            "Test queries of umr's rendered catalogue, in percent; `local` is searched among candidates of the asked "
            "kind, `global` among all.", "",
            "| task | pool | queries | success@1 (95 %) | success@10 | nDCG@10 |",
            "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    lines = []
    for row in rows:
        task, _, pool = key_of(row)
        low, high = row.get("ci95_success@1") or (None, None)
        spread = f" ({_percent(low)} to {_percent(high)})" if low is not None else ""
        shown: list[Any] = [f"`{task}`", pool or LOCAL, row["n"], f"{_percent(row['success@1'])}{spread}",
                            _percent(row["success@10"]), _percent(row["ndcg@10"])]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, shown))} |")
    return "\n".join([*head, *lines])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
