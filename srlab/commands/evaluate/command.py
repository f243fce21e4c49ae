"""``srlab evaluate``: judge networks and baselines on test sets."""

import sys
from pathlib import Path

from srlab.assembly.testsets import build_degradation, build_testsets, judge, read_testsets
from srlab.assembly.training_checks import check_degradable, tell_misfit
from srlab.command_line.invocation import Invocation
from srlab.commands.evaluate.networks import Row, asked_rows, is_several, other_degradations
from srlab.commands.evaluate.paper_table import as_console, as_latex_table, as_markdown_page
from srlab.commands.evaluate.pictures import Keep, keepers
from srlab.config.check import check
from srlab.config.schema import EvaluateConfig
from srlab.data.images import ImageSet
from srlab.errors import UserError
from srlab.evaluation.score import mean_score, protocol, smallest_side
from srlab.evaluation.tables import Result, as_csv, as_json, console_table
from srlab.machine.device import choose_device
from srlab.machine.memory import keep_freed_memory
from srlab.machine.shortage import enough_memory
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import make_dated_folder, make_folder
from srlab.weights import shipped
from srlab.words import Protocol


def run(call: Invocation[EvaluateConfig]) -> float:
    """Print a table and write it as JSON, CSV, Markdown and LaTeX.

    Returns the mean PSNR, on the first test set, of the first network that was asked for.
    """
    config = call.config
    keep_freed_memory()
    rows = asked_rows(config, choose_device(config.device))
    check({"testset": config.testset, "degradation": config.degradation})
    if config.degradation and config.protocol == Protocol.vdsr:
        raise UserError("protocol=vdsr is of an LR by bicubic that is not rounded: no degradation")
    testsets = build_testsets(config.testset)
    _check_fractions(config, rows, testsets)
    folder, judged = _judge_all(config, rows, testsets)

    results = [result for row in judged for result in row]
    lines = _protocols(results)
    if config.details or not is_several(config):
        print(console_table(results, per_image=config.details))
    else:
        print("\n".join([as_console(results), "", *(f"protocol: {line}" for line in lines)]))
    write_atomically(folder / "results.json", as_json(results).encode())
    write_atomically(folder / "results.csv", as_csv(results).encode())
    write_atomically(folder / "results.md", as_markdown_page(results, lines).encode())
    write_atomically(folder / "results.tex", as_latex_table(results, lines).encode())
    print(f"written: {folder}/results.json, results.csv, results.md and results.tex")
    if config.pictures is not None:
        print(f"pictures: {config.pictures}")
    first = next((k for k, row in enumerate(rows) if row.asked), 0)
    return mean_score(judged[first][0].scores).psnr


def _check_fractions(config: EvaluateConfig, rows: list[Row], testsets: list[ImageSet]) -> None:
    """Check that by scales that are not whole only clean pictures of 8 bits are judged.

    Raises:
        UserError: Others are.
    """
    fraction = next((row.scale for row in rows if row.factor is not None), None)
    if fraction is None:
        return
    asked = [f"protocol={config.protocol}"] if config.protocol != Protocol.matlab else []
    asked += ["degradation"] if config.degradation else []
    asked += [f"the LR of {testset.name}" for testset in testsets if testset.low]
    if asked:
        raise UserError(
            f"scale={fraction} is judged on LR by MATLAB's bicubic, by protocol=matlab: leave out "
            f"{asked[0]}, or take whole scales"
        )


def _judge_all(
    config: EvaluateConfig, rows: list[Row], testsets: list[ImageSet]
) -> tuple[Path, list[list[Result]]]:
    """Judge every row on every test set; return a new folder for the tables, and the results.

    What needs the largest pictures comes first: which are too small is told before all work.
    """
    degradation = build_degradation(config.degradation)
    for line in other_degradations((row.network for row in rows), degradation):
        print(f"srlab: {line}", file=sys.stderr)
    for testset in testsets:
        for scale in {row.network.scale for row in rows}:
            check_degradable(testset, degradation, scale)
            tell_misfit(testset, scale)
    upscalers = [row.upscaler(config.tile) for row in rows]
    labels = [(row.network.label, row.scale) for row in rows]
    keep: list[Keep | None] = [None] * len(rows)
    folder, judged = None, {}
    places = sorted(
        {row.place for row in rows}, key=lambda place: (-smallest_side(place[0]), place)
    )
    for place in places:
        pairs = read_testsets(testsets, *place, config.protocol, degradation)
        if folder is None:
            folder = _make_folder(config, rows)
            if config.pictures is not None:
                keep = [*keepers(_make_pictures(config.pictures, folder), pairs, labels)]
        for k, row in enumerate(rows):
            if row.place != place:
                continue
            label, method = row.network.label, row.network.method
            with enough_memory("tile, which is in low-resolution pixels: tile=128"):
                judged[k] = judge(
                    upscalers[k],
                    pairs,
                    *place,
                    label,
                    method,
                    config.protocol,
                    keep[k],
                )
    assert folder is not None
    return folder, [judged[k] for k in range(len(rows))]


def _make_folder(config: EvaluateConfig, rows: list[Row]) -> Path:
    """Make the folder for the tables: where it is wanted, beside the checkpoint, or in ``runs``."""
    if config.output is not None:
        return make_folder(Path(config.output).expanduser())
    runs = Path("runs") / "evaluations"
    if is_several(config):
        return make_dated_folder(runs / "several")
    network = rows[0].network
    if network.checkpoint is not None and network.checkpoint not in shipped().values():
        return make_dated_folder(network.checkpoint.parent / "evaluations")
    return make_dated_folder(runs / f"{network.label}-x{network.scale}")


def _make_pictures(wanted: str, tables: Path) -> Path:
    """Make the folder for the pictures; without it, that of the tables goes, too."""
    try:
        return make_folder(Path(wanted).expanduser())
    except UserError:
        tables.rmdir()
        raise


def _protocols(results: list[Result]) -> list[str]:
    """Return how the results were computed, of several whole scales in one line."""
    whole = {result.scale for result in results if result.scale == int(result.scale)}
    named = {scale: "s" for scale in whole if len(whole) > 1}
    lines = (
        protocol(named.get(r.scale, r.scale), r.colour, r.protocol, r.degradation, r.bits)
        for r in results
    )
    return list(dict.fromkeys(lines))
