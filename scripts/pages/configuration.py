"""Print every key and every option as a page of Markdown: python scripts/pages/configuration.py."""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

import yaml

from srlab.config.paths import config_dir
from srlab.config.register import SCHEMAS

TITLE = """\
# Every key and every option

`key=value` changes a value, `group=option` chooses a part, `srlab VERB --cfg job` prints the whole
config that a command line makes. What a key means stands in `srlab/config/schema.py` for the keys
of a verb and in `configs/GROUP/OPTION.yaml` for those of an option; this page is made from both.
`srlab data`, which takes names of sets, is described in [data/README.md](../data/README.md).

`python scripts/pages/configuration.py > docs/configuration.md` makes this page.
"""
# Groups that no schema knows: they choose other groups' options, or how runs are started.
GROUPS = {
    "experiment": "A preset: parts and values that belong together.",
    "grid": "The axes of a sweep.",
    "hydra/launcher": "How the runs of a sweep are started; without one, one after the other.",
}
# What a part takes over from the run, so that nobody sets it there.
FROM_THE_RUN = ("${scale}", "${channels:${colour}}", "${upsampler}")
OF_PYTHON = ("_target_", "_partial_")
VALUES = re.compile(r"[\w-]+( \| [\w-]+)+")  # a comment that lists values and says no more
ROOT = Path(__file__).parents[2]
WIDTH = 100


@dataclass(frozen=True)
class Setting:
    """A key with its value as it is written, and the comment beside it."""

    key: str
    value: str
    comment: str


@dataclass(frozen=True)
class Option:
    """A YAML file: the paragraphs of its header, what else it chooses, and its settings."""

    header: list[str]
    choices: list[tuple[str, str]]
    settings: list[Setting]


def described(schema: type) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a schema, and of each of its keys, inherited ones too."""
    meanings: dict[str, str] = {}
    text = ""
    for ancestor in reversed(schema.__mro__[:-1]):
        text, own = read_docstring(ancestor.__doc__ or "")
        meanings |= own
    return text, meanings


def read_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says, and the meaning of each of its arguments."""
    text, _, arguments = inspect.cleandoc(docstring).partition("\nArgs:\n")
    entries = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", arguments, re.MULTILINE)
    meanings = {key: in_markdown(" ".join(meaning.split())) for key, meaning in entries}
    return in_markdown(text.strip()), meanings


def meanings_in(target: str) -> dict[str, str]:
    """Return what the docstring of one of srlab's parts says of its arguments; nothing is run."""
    module, _, name = target.rpartition(".")
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not target.startswith("srlab.") or not path.exists():
        return {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return read_docstring(ast.get_docstring(node) or "")[1]
    return {}


def keys(schema: type, prefix: str = "") -> Iterator[tuple[str, Field, str]]:
    """Yield the dotted name, the field and the meaning of each key; no meaning is an empty text."""
    _, meanings = described(schema)
    for item in fields(schema):
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield from keys(item.type, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, item, meanings.get(item.name, "")


def in_markdown(text: str) -> str:
    """Turn the double backticks of docstrings into those of Markdown."""
    return text.replace("``", "`")


def kind_of(item: Field) -> str:
    """Return the type of a key as values or in a word."""
    alternatives = get_args(item.type) if isinstance(item.type, UnionType) else (item.type,)
    return f"`{' | '.join(in_words(kind) for kind in alternatives)}`"


def in_words(kind: Any) -> str:
    """Name a type; of an enumeration, its values."""
    if kind is NoneType:
        return "null"
    if not isinstance(kind, type) or get_args(kind):
        return re.sub(r"typing\.|srlab\.config\.schema\.", "", str(kind))
    return " | ".join(m.value for m in kind) if issubclass(kind, Enum) else kind.__name__


def default_of(item: Field) -> str:
    """Return the default of a key as it is written on the command line."""
    value = item.default if item.default_factory is MISSING else item.default_factory()
    if value == "???":
        return "to be given"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{written(value)}`"


def written(value: Any) -> str:
    """Write a value as YAML does."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def is_group(item: Field) -> bool:
    """Tell whether a key is a group, whose options are files."""
    return (config_dir() / item.name).is_dir()


def chosen(verb: str) -> dict[str, str]:
    """Return the option that a verb's own config chooses for each group."""
    content = yaml.safe_load((config_dir() / f"{verb}.yaml").read_text())
    choices: dict[str, str] = {}
    for entry in content["defaults"]:
        if isinstance(entry, dict):
            choices |= {
                group: written(option).replace("'", "")
                for group, option in entry.items()
                if not group.startswith("override ")
            }
    return choices


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def verb_section(verb: str, schema: type) -> str:
    """Return what there is to say of a verb: its keys, with those of a parent verb named only."""
    text, _ = described(schema)
    above = schema.__mro__[1:]
    parents = [name for name, other in SCHEMAS.items() if other in above]
    nearest = sorted(parents, key=lambda name: above.index(SCHEMAS[name]))[:1]
    inherited = {item.name for name in parents for item in fields(SCHEMAS[name])}
    choices = chosen(verb)
    rows = []
    for key, item, meaning in keys(schema):
        if key.split(".")[0] in inherited:
            continue
        if is_group(item) and "." not in key:
            default = choices.pop(key, None)
            by_model = "the model's" if key == "upsampler" and "model" in choices_of(schema) else ""
            rows.append((f"`{key}`", "group", f"`{default}`" if default else by_model, meaning))
        else:
            rows.append((f"`{key}`", kind_of(item), default_of(item), meaning))
    rows += [
        (f"`{group}`", "group", f"`{option}`", GROUPS[group])
        for group, option in choices.items()
        if group in GROUPS and not (parents and group == "experiment")
    ]
    more = [f"All keys of `srlab {name}`, and these:\n" for name in nearest]
    name = verb.replace("_", " ")
    return "\n".join(
        [
            f"### srlab {name}\n",
            text + "\n",
            *more,
            table(("key", "type", "default", "meaning"), rows),
            "",
        ]
    )


def choices_of(schema: type) -> set[str]:
    """Return the groups of a schema."""
    return {item.name for item in fields(schema) if is_group(item)}


def read_option(path: Path) -> Option:
    """Read the header, the choices and the settings of a YAML file."""
    text = path.read_text()
    lines = text.splitlines()
    said = itertools.takewhile(lambda line: line.startswith("#"), lines)
    blocks = itertools.groupby(
        (line.removeprefix("#") for line in said if not line.startswith("# @")),
        key=lambda line: line.startswith("   "),
    )
    header = []
    for is_command, block in blocks:
        paragraph = " ".join(line.strip() for line in block)
        header.append(f"`{paragraph}`" if is_command else paragraph)
    root = yaml.compose(text)
    choices: list[tuple[str, str]] = []
    for entry in yaml.safe_load(text).get("defaults", []):
        choices += entry.items() if isinstance(entry, dict) else [("", entry)]
    settings = list(settings_in(root, lines, text)) if root else []
    return Option(header, [(k, listed(v)) for k, v in choices], settings)


def listed(value: Any) -> str:
    """Write one option, or several, as on the command line."""
    return f"[{','.join(value)}]" if isinstance(value, list) else written(value)


def settings_in(
    node: yaml.MappingNode, lines: list[str], text: str, prefix: str = ""
) -> Iterator[Setting]:
    """Yield the settings of a mapping and of those within it."""
    target = next((value.value for key, value in node.value if key.value == "_target_"), "")
    meanings = meanings_in(target)
    for name, value in node.value:
        if name.value in OF_PYTHON or (name.value == "defaults" and not prefix):
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from settings_in(value, lines, text, f"{prefix}{name.value}.")
            continue
        raw = text[value.start_mark.index : value.end_mark.index].strip()
        if raw not in FROM_THE_RUN:
            comment = comment_after(value.end_mark, lines)
            meaning = meanings.get(name.value, "")
            if meaning and VALUES.fullmatch(comment):
                told = all(value in meaning for value in comment.split(" | "))
                comment = meaning if told else f"{meaning.rstrip('.')}: {comment}"
            yield Setting(prefix + name.value, raw, comment or meaning)


def comment_after(mark: yaml.Mark, lines: list[str]) -> str:
    """Return the comment behind a value, with the lines on which it goes on."""
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    if not rest.strip().startswith("#"):
        return ""
    said = [rest]
    for line in lines[mark.line + 1 :]:
        if not re.match(r"\s+#", line):
            break
        said.append(line)
    return " ".join(line.strip().lstrip("#").strip() for line in said)


def wrapped(paragraph: str) -> str:
    """Return a paragraph in lines."""
    return textwrap.fill(paragraph, WIDTH, break_on_hyphens=False) + "\n"


def option_section(group: str, path: Path) -> str:
    """Return what there is to say of an option."""
    option = read_option(path)
    key = group.replace("/", ".")
    parts = [f"### {group}={path.stem}\n"]
    parts += [wrapped(paragraph) for paragraph in option.header]
    if group in ("experiment", "grid"):
        choices = [f"{name.removeprefix('override /')}={value}" for name, value in option.choices]
        values = [f"{item.key}={item.value}" for item in option.settings]
        sets = " ".join(f"`{text.replace(' ', '')}`" for text in choices + values)
        return "\n".join([*parts, wrapped(sets)])
    for name, value in option.choices:
        if not name:
            parts.append(f"As `{group}={value}`, but for what follows.\n")
        else:
            inner = name.partition("@")[2].removeprefix("_global_.")
            place = inner if inner == "upsampler" else f"{inner and 'upsampler@'}{key}.{inner}"
            parts.append(f"Brings `{place}={value}`.\n")
    rows = [
        (f"`{key}.{item.key}`", "to be given" if item.value == "???" else f"`{item.value}`",
         item.comment)
        for item in option.settings
    ]  # fmt: skip
    if rows:
        parts.append(table(("key", "default", "meaning"), rows) + "\n")
    return "\n".join(parts)


def groups() -> list[str]:
    """Return the groups: those of a training in its order, then the others."""
    found = {path.parent.relative_to(config_dir()) for path in config_dir().rglob("*.yaml")}
    names = {place.as_posix() for place in found if place.parts}
    order = [item.name for item in fields(SCHEMAS["train"])] + list(GROUPS)
    return sorted(names, key=lambda name: (order.index(name) if name in order else 99, name))


def link(title: str) -> str:
    """Return a link to a section, as GitHub names what it leads to."""
    place = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    return f"[{title.partition('=')[2] or title}](#{place})"


def contents() -> str:
    """Return the table of contents: the verbs, and the groups with their options."""
    verbs = [
        (link(f"srlab {verb}".replace("_", " ")), described(schema)[0].partition("\n")[0])
        for verb, schema in SCHEMAS.items()
    ]
    parts = [
        (link(group), ", ".join(link(f"{group}={path.stem}") for path in options(group)))
        for group in groups()
    ]
    return "\n".join([table(("verb", ""), verbs), "", table(("group", "options"), parts), ""])


def options(group: str) -> list[Path]:
    """Return the files of a group's options, by name."""
    return sorted((config_dir() / group).glob("*.yaml"))


def meaning_of(group: str) -> str:
    """Return what a group chooses."""
    return GROUPS.get(group) or described(SCHEMAS["train"])[1].get(group, "")


def page() -> str:
    """Return the page."""
    parts = [TITLE, contents(), "## Verbs\n"]
    parts += [verb_section(verb, schema) for verb, schema in SCHEMAS.items()]
    for group in groups():
        parts.append(f"## {group}\n\n{meaning_of(group)}\n")
        parts += [option_section(group, path) for path in options(group)]
    return "\n".join(parts)


def main() -> None:
    """Print the page."""
    print(page(), end="")


if __name__ == "__main__":
    main()
