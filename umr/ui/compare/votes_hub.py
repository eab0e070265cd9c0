"""Votes in a dataset repository of the Hugging Face Hub, where the page's owner names one: they outlive a restart.

    UMR_VOTES_REPO=OWNER/NAME HF_TOKEN=... python app.py

Nothing is taken away there: what the repository has and this server lacks is counted here too, and the other way round
it is sent. What goes wrong is a line in the log, and tried again; no visitor waits for it.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from umr.errors import UMRError, reason
from umr.ui.compare.votes import FILE, VoteBox, canonical

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

VARIABLE = "UMR_VOTES_REPO"
EVERY_S = 60.0  # between two looks whether there are new votes


class VoteRepository:
    """A box and a repository that are brought to hold the same votes."""

    def __init__(self, box: VoteBox, name: str, endpoint: str | None = None) -> None:
        """Nothing is asked of the Hub yet.

        Args:
            box: of this server.
            name: OWNER/NAME of a dataset; made, for its owner alone, where there is none.
            endpoint: the Hub's address; None: HF_ENDPOINT, or the public one.

        Raises:
            ConfigError: the name is none.
        """
        from umr.encoders.hub import repository  # the Hub's client takes a second to import, and few pages need it

        self.box, self.name, self._endpoint = box, repository(name), endpoint
        self._same: list[str] | None = None  # the box's votes when both last held the same
        self._stopped = threading.Event()

    def begin(self) -> threading.Thread:
        """Brings both together now, then whenever there are new votes, and once more at the end of the process."""
        thread = threading.Thread(target=self._go_on, name="votes", daemon=True)
        thread.start()
        atexit.register(self.end)
        return thread

    def end(self) -> None:
        """The last votes are sent."""
        self._stopped.set()
        self.look()

    def look(self) -> bool:
        """Brings both together if the box has new votes; whether both hold the same now. Never raises for the Hub."""
        from umr.encoders.hub import HUB_ERRORS

        failures: tuple[type[Exception], ...] = (*HUB_ERRORS, UMRError)
        try:
            if self.box.lines() != self._same:
                self._exchange()
            self.box.sent = True
        except failures as error:
            self.box.sent = False
            log.error(
                "the votes are not (all) in %s: %s; they are kept here and sent later. The token of HF_TOKEN must be "
                "allowed to write there",
                self.name,
                reason(error)[:300],
            )
            return False
        return True

    def _go_on(self) -> None:
        self.look()
        while not self._stopped.wait(EVERY_S):
            self.look()

    def _exchange(self) -> None:
        import huggingface_hub

        api = huggingface_hub.HfApi(endpoint=self._endpoint)
        api.create_repo(self.name, repo_type="dataset", private=True, exist_ok=True)
        commit, there = self._there(api)
        found = Counter(vote for line in there if (vote := canonical(line)))
        self.box.take_in(list((found - Counter(self.box.lines())).elements()))
        here = self.box.lines()
        if new := list((Counter(here) - found).elements()):
            lines = [*there, *(line.encode() for line in new)]
            api.upload_file(
                path_or_fileobj=b"".join(line + b"\n" for line in lines),
                path_in_repo=FILE,
                repo_id=self.name,
                repo_type="dataset",
                commit_message=f"{len(new)} vote{'' if len(new) == 1 else 's'}",
                parent_commit=commit,  # another server's commit in between is refused, and seen the next time
            )
        self._same = here

    def _there(self, api: HfApi) -> tuple[str | None, list[bytes]]:
        """The repository's last commit, and the lines of its votes as they are."""
        from huggingface_hub.errors import EntryNotFoundError

        commit = api.repo_info(self.name, repo_type="dataset", revision="main").sha
        try:
            file = api.hf_hub_download(self.name, FILE, repo_type="dataset", revision=commit)
        except EntryNotFoundError:
            return commit, []
        return commit, [line for line in Path(file).read_bytes().splitlines() if line.strip()]


def votes_kept(box: VoteBox) -> VoteRepository | None:
    """Begins to keep the votes where the page's owner asks for it; None where nobody does, or not by a right name."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        return None
    try:
        kept = VoteRepository(box, name)
    except UMRError as error:
        log.error("%s: %s; votes stay on this server alone", VARIABLE, error)
        return None
    kept.begin()
    return kept
