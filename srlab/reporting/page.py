"""The page of a report: one HTML document that needs nothing else, neither network nor files."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srlab.errors import UserError

_PARTS = Path(__file__).parent / "document"
_ANSWER = ("group", "all images", "from the first", "")  # and intervals: what a phone shows first


def check_packages() -> None:
    """Check that there is what draws and writes a page.

    Raises:
        UserError: Something is not installed.
    """
    if any(find_spec(name) is None for name in ("jinja2", "matplotlib")):
        raise UserError("a report needs: pip install 'srlab[report]'")


def render(context: dict[str, Any]) -> str:
    """Return the page as HTML, its style, script and pictures within it.

    Args:
        context: What ``document/page.html.j2`` shows; ``svg`` holds drawings, all else is text.
            Of ``rankings`` the columns of the answer come first.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_PARTS), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style, script = (
        (_PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    shown = {**context, "rankings": [_answer_first(table) for table in context["rankings"]]}
    return environment.get_template("page.html.j2").render(**shown, style=style, script=script)


def _answer_first(table: dict[str, Any]) -> dict[str, Any]:
    """Return a ranking with the columns of the answer before those of test sets and seeds."""
    columns = table["columns"]
    order = sorted(
        range(len(columns)),
        key=lambda k: columns[k] not in _ANSWER and not columns[k].startswith("95 %"),
    )
    rows = [{**row, "cells": [row["cells"][k] for k in order]} for row in table["rows"]]
    return {**table, "columns": [columns[k] for k in order], "rows": rows}
