"""What must be said of shipped encoders until they are trained again, by their fingerprints. Not their numbers.

As it hangs on the fingerprints, it ends with these encoders. The numbers are those of umr.eval.reports.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Fingerprints of the `contrastive` and the `mca` that were trained on different rows.
UNEQUAL = frozenset(
    {
        "76883ebb6a3b3c129967e116ec13f02e8ec231131a2100cd562a16cd03b193e0",
        "b25ff1d72d4ce086a01413ca2ed361dcc3fcc2ca11f410801bf76169e588afa1",
    }
)
#: Why nothing follows from comparing them.
UNEQUAL_DATA = (
    "contrastive and mca are meant to differ in MCA's losses alone, but their training data differed too: the parts "
    "that mca encodes alone drew from the step's own random generator, so that only 14 % of the token rows agree. "
    "What one of them finds and the other does not is no evidence for or against MCA."
)
#: Fingerprints of the encoders that were trained on the catalogue before the bundled one.
EARLIER = UNEQUAL
#: What that means for their numbers. training/LOG.md says how the scenes were counted.
EARLIER_CATALOGUE = (
    "Trained on an earlier catalogue, which held other scenes out: 1,810 of the 4,804 scenes that the bundled "
    "collection pictures were among its training scenes, in other pictures. Its numbers on the bundled benchmark are "
    "of seen and unseen scenes together."
)
#: Why the share of queries whose part alone is nearer is no evidence either.
CIRCULAR = (
    "That a part alone is nearer is what MCA's preference loss itself minimises: a low share is no evidence that a "
    "model trained with it composes better."
)


def concerns(fingerprints: Iterable[str]) -> bool:
    """Whether one of the two is among these encoders."""
    return not UNEQUAL.isdisjoint(fingerprints)


def is_earlier(fingerprint: str) -> bool:
    """Whether this encoder was trained on the catalogue before the bundled one."""
    return fingerprint in EARLIER
