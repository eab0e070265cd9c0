"""What the papers report of what the study compares, in their own settings. Not what is measured here.

U-MARVEL's numbers are means over M-BEIR's 16 tasks in its local / global pools, of a 7B backbone, as third-party
notes give its tables; MCA's tables were not at hand, only what its reviews say of them.
"""

from __future__ import annotations

ARCHITECTURE = (
    "U-MARVEL, local / global: bidirectional, mean, no prompt 57.2 / 55.2; with a one-word prompt causal and last "
    "token 56.6 / 54.8, bidirectional and last token 55.5 / 52.6, bidirectional and mean 51.7 / 46.1, causal and mean "
    "33.7 / 27.6.",
    "U-MARVEL: the instruction left out of the mean 57.3 / 55.5, pooled too 57.2 / 55.2, no instruction 55.3 / 43.4.",
)
STAGES = (
    "U-MARVEL: composed data alone 56.6 / 53.9, after sentence pairs 57.3 / 55.5, after captions too 57.7 / 55.8.",
)
BATCH = (
    "U-MARVEL, local: batch 480 57.2, 1,920 57.4, with twice the rate 58.3, 3,840 with four times the rate 58.9, "
    "7,680 58.9; with a learned temperature 3,840 60.1 and 7,680 60.3.",
)
NEGATIVES = (
    "U-MARVEL, from 60.6 / 58.7: unfiltered negatives beside those of the batch 57.4 / 55.4, filtered 61.7 / 59.9; "
    "mined ones alone fail.",
)
DISTILLATION = (
    "U-MARVEL, from 61.7 / 59.9: encoder and re-ranker 64.5 / 61.7, distilled from local lists 63.2 / 60.7, the same "
    "data without a teacher 62.2 / 60.0; in the global pool its COCO t->i falls from 79.4 to 72.8.",
)
MCA = (
    "MCA, as its reviews tell: in distribution as before or slightly lower, out of distribution higher; the gated "
    "mixer is best, the mean does very little or harm; at low resolution with small weights the mean out of "
    "distribution falls by 11.6 %.",
)
