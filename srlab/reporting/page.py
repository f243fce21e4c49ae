"""The page of a report: one HTML document that needs nothing else, neither network nor files."""

from pathlib import Path
from typing import Any

from srlab.errors import UserError

_PARTS = Path(__file__).parent / "document"


def render(context: dict[str, Any]) -> str:
    """Return the page as HTML, its style, script and pictures within it.

    Args:
        context: What ``document/page.html.j2`` shows; ``svg`` holds drawings, all else is text.

    Raises:
        UserError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise UserError("a report needs: pip install 'srlab[report]'") from None
    environment = Environment(
        loader=FileSystemLoader(_PARTS), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style, script = (
        (_PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    return environment.get_template("page.html.j2").render(**context, style=style, script=script)
