"""No index and none to be made: a state with words and a remedy, never a bug."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from kb.search.generations import IndexBusy, IndexUnwritable
from kb.search.index import LiveIndex

HTMX = {"HX-Request": "true"}


@pytest.fixture(params=[IndexUnwritable, IndexBusy])
def fault(
    request: pytest.FixtureRequest, shelf: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LiveIndex) -> None:
        raise request.param("/secret/folder cannot be written to; set KB_VAR_DIR")

    monkeypatch.setattr(LiveIndex, "generation", refuse)


@pytest.mark.usefixtures("fault")
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_the_page_answers_503_with_the_remedy(client: Client, headers: dict) -> None:
    answer = client.get("/search/", {"q": "mae"}, headers=headers)
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "manage.py doctor" in page
    assert "/secret/folder" not in page
    assert ("<html" in page) == (not headers)
    assert headers or 'value="mae"' in page  # what was typed is not lost


@pytest.mark.usefixtures("fault")
def test_the_suggestions_are_empty_and_say_so_by_their_status(client: Client) -> None:
    answer = client.get("/search/suggest/", {"q": "mae"})
    assert (answer.status_code, answer.content.strip()) == (503, b"")


@pytest.mark.usefixtures("fault")
def test_the_api_answers_503_in_the_shape_of_every_error(client: Client) -> None:
    answer = client.get("/api/search/", {"q": "mae"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    error = answer.json()["error"]
    assert error["code"] == "no_index"
    assert "manage.py doctor" in error["message"]


@pytest.mark.usefixtures("fault")
def test_the_shell_names_fault_and_remedy_and_the_log_as_well(caplog) -> None:
    with pytest.raises(CommandError, match="set KB_VAR_DIR"):
        call_command("search", "mae")
    Client().get("/search/")
    assert "/secret/folder cannot be written to" in caplog.text


@pytest.mark.usefixtures("shelf")
def test_a_folder_that_is_none_is_found_out(client: Client, settings, tmp_path) -> None:
    """The real thing: where the index should be stands a file."""
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    (settings.VAR_DIR / "index").write_text("in the way")
    assert client.get("/search/", {"q": "mae"}).status_code == 503
