"""``srlab report``: a page, and tables, that say what a sweep, or some networks, have shown."""

import math
from pathlib import Path
from typing import Any

from srlab.command_line.invocation import Invocation
from srlab.commands.report.answer import answer, warnings_of
from srlab.commands.report.compared import compared_in
from srlab.commands.report.costs import flat_ripples, measure_costs
from srlab.commands.report.decided import listed
from srlab.commands.report.files import FILES, write_tables
from srlab.commands.report.pictures import make_pictures
from srlab.commands.report.results import METRICS, Results, ranked
from srlab.commands.report.sections import (
    artefacts_section,
    costs_section,
    curves_section,
    head,
    ranking_section,
    repeat_section,
)
from srlab.commands.report.tables import extremes_table
from srlab.config.schema import ReportConfig
from srlab.errors import OutputExists, UserError
from srlab.machine.device import choose_device
from srlab.machine.facts import machine
from srlab.measuring.measurement import begin_measuring, check_size
from srlab.reporting.page import check_packages, render
from srlab.storage.atomic import atomic_folder, write_atomically

_REPEATS = 7  # of each network, in turn, when its speed is measured


def run(call: Invocation[ReportConfig]) -> Path:
    """Compare runs or networks, write the page and its tables, and return their folder.

    Raises:
        UserError: There is nothing to compare, or the page cannot be written.
    """
    config = call.config
    check_packages()  # before all that takes long
    check_size(config.width, config.height)
    device = choose_device(config.device)
    begin_measuring(_REPEATS, config.threads, None)
    _say("networks")
    compared = compared_in(call, device)
    results, networks = compared.results, compared.networks
    _check_comparisons(results, config)
    output = _output(compared.folder, config.output)
    _say("ranking")
    rankings = {m: ranked(results, m, config.within if m == "psnr" else 0) for m in METRICS}
    _say("costs")
    costs = measure_costs(
        results.choices, networks, device, (config.height, config.width), _REPEATS
    )
    ripples = flat_ripples(results.choices, networks)
    _say("pictures")
    pictures, drawings = make_pictures(compared)
    _say("page")
    context: dict[str, Any] = {
        **head(compared),
        "warnings": [*compared.warnings, *warnings_of(results)],
        "answer": answer(results, rankings["psnr"], costs, ripples, config.baseline),
        "rankings": [ranking_section(results, rankings[m], m) for m in METRICS],
        "costs": costs_section(results, rankings["psnr"], costs, config, device),
        "pictures": pictures,
        "extremes": extremes_table(results, pictures),
        "artefacts": artefacts_section(results, ripples, drawings),
        "curves": curves_section(results),
        "repeat": repeat_section(compared, call.overrides, device),
        "files": FILES,
    }
    page = render(context)
    with atomic_folder(output) as work:
        write_tables(work, results, rankings, costs, ripples, context, machine(device))
        write_atomically(work / "index.html", page.encode())
    print(f"\n{context['answer'][0]}\n\nreport: {output}/index.html")
    return output


def _say(what: str) -> None:
    print(f"report: {what}", flush=True)


def _output(folder: Path, asked: str | None) -> Path:
    """Return a folder that is new, or refuse the one that was asked for."""
    if asked is not None:
        path = Path(asked).expanduser()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputExists(f"{path} is not empty: name another output, nothing is overwritten")
        return path
    number = 1
    while (path := folder / ("report" if number == 1 else f"report-{number}")).exists():
        number += 1
    return path


def _check_comparisons(results: Results, config: ReportConfig) -> None:
    """Check what is to be compared with, and what counts as equal.

    Raises:
        UserError: There is no such choice, or no such difference.
    """
    names = [choice.label for choice in results.choices]
    if config.baseline is not None and config.baseline not in names:
        raise UserError(f"baseline={config.baseline}: there is no such choice, but {listed(names)}")
    if not 0 <= config.within < math.inf:
        raise UserError(f"within={config.within}: it must be dB, 0 or more")
