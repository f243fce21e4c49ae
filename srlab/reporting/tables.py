"""The tables of a report for a paper and for a program: CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Sequence

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$", "<": "$<$", ">": "$>$", "\N{MULTIPLICATION SIGN}": r"$\times$",
}  # fmt: skip


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table, the first column left, the others right."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (columns, *rows)]
    rule = ["---", *["---:"] * (len(columns) - 1)]
    lines = [escaped[0], rule, *escaped[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def as_latex(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return rows as a LaTeX table, for the package booktabs."""
    body = [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in (columns, *rows)]
    return "\n".join([
        r"\begin{table}", r"  \centering", rf"  \caption{{{latex_text(caption)}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"    \toprule",
        f"    {body[0]}", r"    \midrule", *(f"    {line}" for line in body[1:]),
        r"    \bottomrule", r"  \end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def latex_text(text: str) -> str:
    """Return a text as LaTeX sets it, whatever its characters mean there."""
    return "".join(_LATEX.get(character, character) for character in text)
