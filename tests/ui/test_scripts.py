"""The page's script: what Python calls of it is there, and it cannot end its own element."""

from __future__ import annotations

import re

from umr.ui.layout.link import head_script
from umr.ui.parts import scripts

CALL = re.compile(r"\bumr\.(?:address\.|own\.)?(\w+)\(")


def calls() -> list[str]:
    """What Gradio is given: every constant, and what every function makes of a name."""
    made = [scripts.selects("pick"), scripts.press("#q-go"), scripts.tell("search"), scripts.show("search")]
    return [*(value for name, value in vars(scripts).items() if name.isupper() and isinstance(value, str)), *made]


def test_every_call_is_of_a_function_that_the_script_has():
    source = scripts.together("js")
    defined = set(re.findall(r"^ +(?:async )?(\w+)\([\w, =]*\) \{", source, re.M))
    called = {name for call in calls() for name in CALL.findall(call)}
    assert len(called) > 10 and called <= defined, called - defined


def test_the_script_is_one_element_of_the_head():
    head = head_script()
    assert head.count("<script") == head.count("</script") == 1 and "<!--" not in head
