"""Guards: pages that are made from the code fit the code there is, and links lead somewhere."""

import re
import runpy
from pathlib import Path

from srlab.config.register import SCHEMAS
from srlab.testing import upsampler_configs

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md")])

SCRIPT = runpy.run_path(str(ROOT / "scripts/pages/configuration.py"), run_name="configuration")
groups, keys, page, read_option = (SCRIPT[k] for k in ("groups", "keys", "page", "read_option"))


def test_the_page_of_the_configuration_is_that_of_the_schema_and_the_options():
    there = (ROOT / "docs/configuration.md").read_text()
    made = page()
    assert there == made, (
        "python scripts/pages/configuration.py > docs/configuration.md makes it anew"
    )


def test_the_script_prints_the_page(capsys):
    SCRIPT["main"]()
    assert capsys.readouterr().out == page()


def test_the_page_of_every_upsampler_is_that_of_the_options_there_are():
    upsamplers = dict(upsampler_configs())
    scale, found = 0, {}
    for line in (ROOT / "docs/upsampler_table.md").read_text().splitlines():
        if line.startswith("## x"):
            scale = int(line.removeprefix("## x"))
        cells = [cell.strip() for cell in line.split("|")[1:3]]
        if len(cells) == 2 and cells[0] in upsamplers:
            found[scale, cells[0]] = cells[1]
    made = {(s, name): upsamplers[name](32, 1, s) for s in (2, 3, 4) for name in upsamplers}
    counts = {key: f"{sum(p.numel() for p in m.parameters()):,}" for key, m in made.items()}
    assert found == counts


def test_the_schema_says_what_each_key_means():
    silent = [
        f"{verb}: {key}" for verb, schema in SCHEMAS.items()
        for key, _, meaning in keys(schema) if not meaning
    ]  # fmt: skip
    assert not silent, f"add to the Args of the docstring in srlab/config/schema.py: {silent}"


def test_an_option_is_read_with_its_comments(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "# @package _global_\n"
        "# What it is,\n"
        "# in two lines.\n"
        "#   srlab train upsampler=mine\n"
        "defaults:\n"
        "  - /upsampler@inner: deconv\n"
        "\n"
        "_target_: srlab.upsamplers.unpool.Unpool\n"
        "scale: ${scale}\n"
        "width: [1, 2]  # so wide,\n"
        "               # and wider\n"
        "inner:\n"
        "  text: 'a # b'  # quoted\n"
        "init: bilinear\n"
    )
    option = read_option(path)
    assert option.header == ["What it is, in two lines.", "`srlab train upsampler=mine`"]
    assert option.choices == [("/upsampler@inner", "deconv")]
    settings = {item.key: (item.value, item.comment) for item in option.settings}
    assert settings["width"] == ("[1, 2]", "so wide, and wider")
    assert settings["inner.text"] == ("'a # b'", "quoted")
    assert settings["init"][1].startswith("`default` is torch's")  # of the class's docstring
    assert len(settings) == 3


def test_every_option_has_its_place():
    made = page()
    for group in groups():
        for path in (ROOT / "configs" / group).glob("*.yaml"):
            assert f"### {group}={path.stem}\n" in made


def test_links_lead_somewhere():
    broken = []
    for path in PAGES:
        prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if "://" not in link and not (path.parent / link.partition("#")[0]).exists():
                broken.append(f"{path.name}: {link}")
    assert not broken
