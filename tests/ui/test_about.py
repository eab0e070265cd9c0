"""About: where the code can be read is a link where somebody says it, the models' names open their cards."""

from __future__ import annotations

import pytest

from tests.conftest import MARKUP
from umr.errors import ConfigError
from umr.shipped import SPACE
from umr.ui.layout.about import VARIABLE, about


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in (SPACE, VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_without_an_address_it_says_that_the_code_lies_beside_app_py():
    page = about()
    assert "beside the <code>app.py</code>" in page and "Read the code" not in page


@pytest.mark.parametrize("address", ["https://example.org/umr", "http://127.0.0.1:3000", "https://example.org?a=1#b"])
def test_the_codes_address_is_a_link(monkeypatch, address):
    monkeypatch.setenv(VARIABLE, f" {address} ")
    page = about()
    assert f'<a href="{address}">Read the code</a>' in page and "beside the <code>app.py</code>" not in page


def test_a_space_links_to_its_own_files(monkeypatch):
    monkeypatch.setenv(SPACE, "owner/name")
    monkeypatch.setenv(VARIABLE, "https://example.org/umr")
    assert '<a href="https://huggingface.co/spaces/owner/name/tree/main">Read the code</a>' in about()


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "example.org", "https://", "ftp://example.org", "https://a b"]
)
def test_what_is_no_address_of_a_page_is_refused_in_words(monkeypatch, address):
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(ConfigError, match=rf"^{VARIABLE} is .+; give an address such as https://"):
        about()


def test_markup_in_an_address_stays_text(monkeypatch):
    monkeypatch.setenv(VARIABLE, "https://example.org/" + MARKUP.replace(" ", ""))
    assert "<img" not in about()


def test_every_models_name_is_a_button():
    page = about(names=["unified", "other"])
    assert 'data-model="unified"' in page and 'data-model="other"' in page and "u-names" not in about()
