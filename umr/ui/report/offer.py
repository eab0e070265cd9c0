"""Which reports a page can give: of its models, as they are stored beside them. Not what one looks like (build)."""

from __future__ import annotations

from typing import Any

from umr.errors import ConfigError
from umr.eval import reports
from umr.eval.pools import LOCAL
from umr.eval.reports import Stored
from umr.eval.scores import pool_means
from umr.shipped import REPORTS
from umr.ui.download import download
from umr.ui.report.build import Asked, report
from umr.ui.searchers import Searchers


def pairs(searchers: Searchers) -> list[tuple[str, str]]:
    """Every two models that a report can be of, the best two first; of each two the better one last.

    Better is the mean of success@1 over the tasks. A model without a stored report is in none.
    """
    stored = {name: stored_of(searchers, name) for name in searchers.names if has_reports(searchers, name)}
    means = {name: pool_means(one.report["rows"]).get(LOCAL, (0.0, 0))[0] for name, one in stored.items()}
    ranked = sorted(means, key=lambda name: -means[name])
    both = [(worse, better) for place, worse in enumerate(ranked) for better in ranked[:place]]
    return sorted(both, key=lambda pair: -means[pair[0]] - means[pair[1]])


def report_file(searchers: Searchers, a: Any, b: Any) -> dict[str, str]:
    """The report of two models (umr.ui.report) as a file for the browser.

    Args:
        searchers: what the page offers.
        a: the model that the other is set against.
        b: the other.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    one, other = (stored_of(searchers, name) for name in (a, b))
    page = report(Asked(a=(one.name, searchers.folders[one.name]), b=(other.name, searchers.folders[other.name])))
    return download(f"report-{one.name}-{other.name}.html", "text/html", page.encode())


def stored_of(searchers: Searchers, name: Any) -> Stored:
    """The reports of one of the page's encoders.

    Raises:
        ConfigError: there are none.
    """
    if not isinstance(name, str) or name not in searchers.folders:
        raise ConfigError(f"there is no encoder {name!r}; there are: {', '.join(searchers.names)}")
    return reports.read_stored(name, searchers.folders[name])


def has_reports(searchers: Searchers, name: str) -> bool:
    """Whether a model has stored reports."""
    return (searchers.folders[name].parent / REPORTS / "report.json").is_file()
