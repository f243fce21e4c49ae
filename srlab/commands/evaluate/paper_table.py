"""The table of a paper: methods by test sets, a block for each scale, the best of each in bold."""

from collections.abc import Callable, Sequence

from srlab.console.tables import aligned
from srlab.evaluation.score import mean_score
from srlab.evaluation.tables import Result
from srlab.reporting.tables import as_markdown, latex_text

_CAPTION = "Mean PSNR in dB / SSIM of each test set; the best of each scale in bold."

Rows = list[list[str]]


def blocks_of(results: Sequence[Result], bold: Callable[[str], str]) -> dict[float, Rows]:
    """Return for each scale the rows of its block, the first of them its head.

    Args:
        results: Of every method on every test set, in the order of the rows.
        bold: What is made of a figure that is the best of several; equal digits are equally good.
    """
    sets = list(dict.fromkeys(result.testset for result in results))
    blocks: dict[float, Rows] = {}
    for scale in dict.fromkeys(result.scale for result in results):
        figures: dict[str, dict[str, tuple[str, str]]] = {}
        for result in results:
            if result.scale == scale:
                mean = mean_score(result.scores)
                ssim = f"{mean.ssim:.4f}".removeprefix("0")
                figures.setdefault(result.label, {})[result.testset] = f"{mean.psnr:.2f}", ssim
        best = {
            name: [max((row[name][k] for row in figures.values()), key=float) for k in (0, 1)]
            for name in sets
        }
        alone = len(figures) == 1
        rows = [
            [label, *(" / ".join(
                bold(figure) if not alone and figure == best[name][k] else figure
                for k, figure in enumerate(row[name])
            ) for name in sets)]
            for label, row in figures.items()
        ]  # fmt: skip
        blocks[scale] = [[f"x{scale}", *sets], *rows]
    return blocks


def as_console(results: Sequence[Result]) -> str:
    """Return the blocks with aligned columns."""
    blocks = list(blocks_of(results, str).values())
    lines = iter(aligned([row for block in blocks for row in block]))
    return "\n\n".join("\n".join(next(lines) for _ in block) for block in blocks)


def as_markdown_page(results: Sequence[Result], protocols: Sequence[str]) -> str:
    """Return a table for each scale, and below them how they were computed."""
    blocks = blocks_of(results, lambda figure: f"**{figure}**").values()
    tables = [as_markdown(block[0], block[1:]) for block in blocks]
    return "\n".join([*tables, _CAPTION, "", *(f"- protocol: {line}" for line in protocols), ""])


def as_latex_table(results: Sequence[Result], protocols: Sequence[str]) -> str:
    """Return one table for the package booktabs, with a rule between the scales."""
    opened, closed = "\N{LEFT WHITE SQUARE BRACKET}", "\N{RIGHT WHITE SQUARE BRACKET}"
    blocks = blocks_of(results, lambda figure: f"{opened}{figure}{closed}")

    def line(scale: str, row: Sequence[str]) -> str:
        cells = [latex_text(cell) for cell in (row[0], scale, *row[1:])]
        text = " & ".join(cells).replace(opened, r"\textbf{").replace(closed, "}")
        return rf"    {text} \\"

    sets = next(iter(blocks.values()))[0][1:]
    body = [r"    \toprule", line("Scale", ["Method", *sets])]
    for scale, block in blocks.items():
        body += [r"    \midrule", *(line(f"{scale}", row) for row in block[1:])]
    return "\n".join([
        *(f"% protocol: {line}" for line in protocols),
        r"\begin{table}", r"  \centering", rf"  \caption{{{_CAPTION}}}",
        rf"  \begin{{tabular}}{{lc{'c' * len(sets)}}}", *body,
        r"    \bottomrule", r"  \end{tabular}", r"\end{table}", "",
    ])  # fmt: skip
