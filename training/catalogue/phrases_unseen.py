"""The words of captions, passages and entries that training never uses: one table for validation, one for the test.

Not the grammar (text.py). Neither table shares a template with the other or with the training table (phrases.py), so what was chosen on
validation has seen nothing of the test's phrasing.
"""

from __future__ import annotations

from training.catalogue.phrases import TRAIN, Phrasing, Words
from training.catalogue.scene import COLOURS

VALIDATION = Words(
    adjectives={
        "colour": {colour: (f"{colour}-coloured", f"{colour}-toned") for colour in COLOURS},
        "finish": {"matte": ("matte-coated", "dull matte"), "glossy": ("gloss-coated", "gleaming glossy"),
                   "metal": ("all-metal", "metal-made"), "glass": ("all-glass", "transparent glass")},
        "pattern": {"plain": ("pattern-free", "patternless"), "striped": ("stripy", "stripe-covered"),
                    "dotted": ("dotty", "dot-covered"), "checked": ("checkered", "check-covered"),
                    "zigzag": ("zigzagged", "zigzag-covered")},
        "size": {"small": ("small-sized", "smallish"), "large": ("large-sized", "largish")},
    },
    after={
        "colour": {colour: (f"of {colour} colour", f"whose colour is {colour}") for colour in COLOURS},
        "finish": {"matte": ("matte all over",), "glossy": ("glossy all over",),
                   "metal": ("built from metal",), "glass": ("built from glass",)},
        "pattern": {"plain": ("bearing no pattern",), "striped": ("covered in stripes",), "dotted": ("covered in dots",),
                    "checked": ("covered in checks",), "zigzag": ("covered in zigzags",)},
    },
    counts={1: ("{a}", "exactly one"), 2: ("two identical", "a couple of"), 3: ("three identical", "a trio of")},
    surfaces={
        "wood": ("atop wood", "upon wooden planks"), "marble": ("atop marble", "upon the marble"),
        "fabric": ("atop fabric", "upon the fabric"), "grass": ("atop grass", "upon the grass"),
        "sand": ("atop sand", "upon the sand"), "slate": ("atop slate", "upon the slate"),
        "tiles": ("atop tiles", "upon the tiles"), "studio": ("before a studio backdrop", "inside the studio")},
    sides={"left": ("on the left-hand side", "left of {them}"), "right": ("on the right-hand side", "right of {them}"),
           "behind": ("further back, behind", "at {its} back"), "front": ("further forward", "at {its} front")},
    company=(" plus {c} {side}", ", joined by {c} {side}", " along with {c} {side}"),
    alone=(" without any company", ", nothing besides", ", entirely alone"),
    actions={
        "slides left": ("{it} drift[s] over to the left side",), "slides right": ("{it} drift[s] over to the right side",),
        "spins": ("{it} go[es] for a spin", "{it} keep[s] spinning"), "grows": ("{it} become[s] bigger",),
        "shrinks": ("{it} become[s] smaller",), "changes colour": ("{its} colour becomes {v}",),
        "appears": ("{it} suddenly appear[s]",), "disappears": ("{it} suddenly disappear[s]",),
        "light dims": ("someone dims the light",), "camera orbits": ("an orbiting camera circles {them}",)},
    action_joins=(" while {x}", " as {x}"),
    captions=(
        "In this shot we find {N}{S}{C}{A}.", "Pictured: {N}{S}{C}{A}", "The scene contains {N}{S}{C}{A}.",
        "One can make out {N}{S}{C}{A}.", "An image with {N}{S}{C}{A}", "We are shown {N}{S}{C}{A}.",
        "What is needed: {N}{S}{C}{A}", "Search for {N}{S}{C}{A}"),
    placed_captions=(
        "{P} somebody has set down {N}{C}{A}.", "{P} we find {N}{C}{A}.", "{N}, seen{S}{C}{A}", "{P}, one sees {N}{C}{A}"),
    intros=(
        "You may fall for {N}.", "Today we unpack {N}.", "Freshly arrived in the shop: {N}.", "Let us introduce {N}.",
        "On offer {is_} {N}."),
    details={
        "colour": ("someone coloured {them} {v}", "{v} is {its} colour"),
        "finish:matte": ("it feels matte throughout", "a matte coat covers {them}"),
        "finish:glossy": ("it looks glossy throughout", "a glossy coat covers {them}"),
        "finish:metal": ("metal was used throughout",), "finish:glass": ("glass was used throughout",),
        "pattern:plain": ("there is no pattern to be seen",), "pattern:striped": ("stripes cover {them}",),
        "pattern:dotted": ("dots cover {them}",), "pattern:checked": ("checks cover {them}",),
        "pattern:zigzag": ("zigzags cover {them}",),
        "size:small": ("only a small space is taken up",), "size:large": ("quite a large space is taken up",)},
    placements=(
        "Our photographer set {them} {P}{C}{A}.", "{P} is where you see {them}{C}{A}.", "The shot has {them} {P}{C}{A}."),
    entries=(
        "{Extra}; {origin} is its home, {price} euros its price.", "Out of {origin} at {price} euros: {extra}.",
        "Priced at {price} euros; {origin} made; {extra}."),
    fact_words=("out of {origin}, priced {price} euros, {extra}", "{extra}, {origin} made, {price} euros its price"),
    fact_joins=("{text} - {facts}", "{text}, and it must be {facts}"),
    rest_joins=("{edit}, meaning {rest}", "{edit} (in full: {rest})"),
)

TEST = Words(
    adjectives={
        "colour": {colour: (f"{colour}-hued", f"{colour}-tinted") for colour in COLOURS},
        "finish": {"matte": ("matt", "unglazed matte"), "glossy": ("polished glossy", "varnished"),
                   "metal": ("solid metal", "brushed metal"), "glass": ("clear glass", "blown glass")},
        "pattern": {"plain": ("undecorated", "single-tone"), "striped": ("banded, striped", "pinstriped"),
                    "dotted": ("polka-dotted", "speckled with dots"), "checked": ("check-patterned", "chequerboard"),
                    "zigzag": ("zigzag-printed", "chevron, zigzag")},
        "size": {"small": ("compact, small", "tiny"), "large": ("full-size, large", "huge")},
    },
    after={
        "colour": {colour: (f"coloured {colour}", f"done in {colour}") for colour in COLOURS},
        "finish": {"matte": ("in a matt surface",), "glossy": ("polished to a gloss",), "metal": ("cast in metal",),
                   "glass": ("blown in glass",)},
        "pattern": {"plain": ("left undecorated",), "striped": ("decorated with stripes",), "dotted": ("decorated with dots",),
                    "checked": ("decorated with checks",), "zigzag": ("decorated with zigzags",)},
    },
    counts={1: ("{a}", "one solitary"), 2: ("a duo of", "two matching"), 3: ("a threesome of", "three matching")},
    surfaces={
        "wood": ("resting on wood", "over wooden boards"), "marble": ("resting on marble", "over marble"),
        "fabric": ("resting on fabric", "over woven cloth"), "grass": ("resting on grass", "over the lawn"),
        "sand": ("resting on sand", "over sandy ground"), "slate": ("resting on slate", "over dark slate"),
        "tiles": ("resting on tiles", "over tiling"), "studio": ("against a studio backdrop", "in studio surroundings")},
    sides={"left": ("at {its} left side", "towards the left"), "right": ("at {its} right side", "towards the right"),
           "behind": ("to the rear", "standing behind {them}"), "front": ("nearer the viewer", "standing in front of {them}")},
    company=(" accompanied by {c} {side}", ", paired with {c} {side}", " and {c} {side}"),
    alone=(" all alone", ", no other object around", ", unaccompanied"),
    actions={
        "slides left": ("{it} travel[s] leftwards",), "slides right": ("{it} travel[s] rightwards",),
        "spins": ("{it} rotate[s]", "{it} whirl[s] round"), "grows": ("{it} swell[s] in size",), "shrinks": ("{it} dwindle[s] in size",),
        "changes colour": ("{it} take[s] on a {v} colour",), "appears": ("{it} pop[s] up",), "disappears": ("{it} fade[s] from view",),
        "light dims": ("it grows darker around {them}",), "camera orbits": ("the view swings round {them}",)},
    action_joins=("; meanwhile {x}", " and then {x}"),
    captions=(
        "Displayed: {N}{S}{C}{A}.", "Our subject: {N}{S}{C}{A}", "The frame holds {N}{S}{C}{A}.", "Here we have {N}{S}{C}{A}.",
        "Spotted: {N}{S}{C}{A}", "It depicts {N}{S}{C}{A}.", "In need of {N}{S}{C}{A}", "Photographed: {N}{S}{C}{A}."),
    placed_captions=(
        "{P}, note {N}{C}{A}.", "{P} one finds {N}{C}{A}.", "{N}, put down{S}{C}{A}", "{N}, arranged{S}{C}{A}."),
    intros=(
        "Say hello to {N}.", "Just unpacked: {N}.", "Here comes {N}.", "May we recommend {N}.", "Now on our shelves: {N}."),
    details={
        "colour": ("the colour chosen is {v}", "{v} is the shade of {them}"),
        "finish:matte": ("matt to the touch",), "finish:glossy": ("polished until glossy",),
        "finish:metal": ("cast from metal",), "finish:glass": ("blown from glass",),
        "pattern:plain": ("left without decoration",), "pattern:striped": ("decoration: stripes",),
        "pattern:dotted": ("decoration: dots",), "pattern:checked": ("decoration: checks",),
        "pattern:zigzag": ("decoration: zigzags",),
        "size:small": ("of modest, small dimensions",), "size:large": ("of generous, large dimensions",)},
    placements=(
        "Seen {P}{C}{A}.", "For the shoot: {P}{C}{A}.", "The setting: {P}{C}{A}."),
    entries=(
        "{Extra} and yours for {price} euros; sent from {origin}.", "Workshop: {origin}. Cost: {price} euros. Note: {extra}.",
        "At {price} euros, {extra}; the maker works in {origin}."),
    fact_words=("sent from {origin}, cost {price} euros, {extra}", "{extra}; maker in {origin}; {price} euros at most"),
    fact_joins=("{text} ({facts})", "{text} / {facts}"),
    rest_joins=("{edit}, that is {rest}", "{edit} [{rest}]"),
)

WORDS: dict[Phrasing, Words] = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
