"""Give random command lines to srlab, made by the grammar of overrides from its schema.

usage: python scripts/fuzz/overrides.py [--seed 0] [--count 100] [--first 0] [--keep FOLDER]

Every verb is given what lets it work for a moment, and one to three overrides more: keys of its
own, of others and of none, groups, options, additions and deletions, with values of every kind,
sound and unsound. What still works after a few seconds gets Ctrl-C. Faults are what
``cases.plain_faults`` names, and: words of Hydra's in a complaint; a command line that is not read
within seconds; files that are not whole; what is left over, or was changed of the user's.
"""

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from cases import Case, Outcome, contents, in_fork, left_over, plain_faults, run_tool, touched
from PIL import Image
from safetensors import safe_open
from small import SMALL, done, make_pictures, srlab, warm_up

from srlab.command_line import verbs
from srlab.command_line.complaints import known_keys
from srlab.config.plugins import option_files
from srlab.config.register import SCHEMAS

_KINDS = ("http", "https")  # of addresses, none of which is reached
_PATIENCE = 6  # seconds after which a command that works gets Ctrl-C
_BEGUN = "the-verb-has-begun"
_STEPS = (*SMALL, "trainer.steps=2")
_SET = ("testset=folder", "testset.folder.path=test")
_BENCH = ("scale=2", "repeats=1", "threads=1")
# By verb: the words that lead to it, its config, and what lets it work.
_VERBS = {
    "train": ("train", (*_STEPS, "run_dir=new")),
    "sweep": ("sweep", (*_STEPS, "seed=0,1", "sweep_dir=new")),
    "report": ("report", ("sweep=swept", "output=new", "width=16", "height=16", "threads=1")),
    "evaluate": ("evaluate", ("checkpoint=run", *_SET)),
    "upscale": ("upscale", ("checkpoint=run", "input=photo.png", "output=new.png")),
    "describe": ("describe", ("checkpoint=run", "plot=new.png")),
    "convert": ("convert", ("checkpoint=run", "upsampler=deconv", "output=new.pt")),
    "export": ("export", ("checkpoint=run", "format=safetensors", "output=new.safetensors")),
    "bench train": ("bench_train", (*_BENCH, "seconds=0.05", "data=folder", "data.path=train")),
    "bench upscale": ("bench_upscale", (*_BENCH, "model=espcn", "width=16", "height=16")),
    "bench evaluate": ("bench_evaluate", (*_BENCH, "model=espcn", *_SET)),
    "data": ("", ("list",)),
}
_SHARES = (6, 3, 1, 4, 4, 2, 2, 2, 1, 1, 1, 1)
_NUMBERS = (
    "0", "1", "2", "3", "-1", "-0", "0.5", "1.5", "1e3", "1e-3", "1e400", "nan", "inf", "-inf",
    "10_000", "0x10", "007", "1,2", "9" * 30, "2**3", "1e", ".", "+1",
)  # fmt: skip
_WORDS = (
    "", "null", "none", "true", "false", "~", "*", "x", "auto", "cpu", "cuda", "cuda:7", "fp16",
    "rgb", "y", "é", "日本", "\u202e", "a b", " ", "\t", "a\nb", "'", '"', "''", "'a'", '"a', "\\",
    "a\\", "\\'", "a,b", "a=b", "a:b", "$", "${x}", "${oc.env:HOME}", "${", "#", "%s", "{}", "{0}",
    "x" * 5000, "-1", "--help", "run", "swept", "train", "photo.png", "notes.txt", "model.pt", ".",
    "..", "missing", "missing/too", "new", "*.png", "~/x", "run/last.pt", "espcn_x2",
)  # fmt: skip
_NESTED = (
    "[]", "[1]", "[1,2]", "[1,2", "[a,b]", "[[1]]", "[null]", "{}", "{a:1}", "{a:1", "{a:{b:c}}",
    "{_target_:os.getcwd}", "choice(1,2)", "choice(", "range(1,3)", "range(0,1e9)", "interval(0,1)",
    "glob(*)", "shuffle(1,2)", "sort(2,1)", "tag(a,1)", "int(1)", "str(1)", "f(x)", "(1)", "]", ")",
)  # fmt: skip
_FLAGS = (
    "--help", "-h", "--cfg", "--cfg=job", "--cfg=all", "--info", "--info=defaults", "--package=x",
    "--resolve", "-m", "--multirun", "--run", "--version", "--hydra-help", "--config-dir=.",
    "--config-dir=missing", "--config-name=train", "--config-name=missing", "--shell-completion",
    "--bogus", "-x", "--", "-", "",
)  # fmt: skip
_HYDRA = ("hydra/launcher", "hydra.run.dir", "hydra.verbose", "hydra.job.name", "hydra.sweep.dir",
          "hydra.mode", "hydra", "hydra/sweeper", "hydra.bogus", "defaults")  # fmt: skip
_OF_HYDRA = re.compile(
    r"full_key|object_type|omegaconf|hydra\.cc|mismatched input|extraneous input|no viable alt|"
    r"token recognition|LexerNo|ConfigKeyError|HYDRA_FULL_ERROR|positional arg|usage: srlab .*\[-"
)


@cache
def keys_of(config: str) -> list[str]:
    """Return the keys that a verb may have."""
    return sorted(known_keys(config)) if config else ["root", "mirror", "jobs"]


@cache
def groups() -> dict[str, list[str]]:
    """Return the options of each group."""
    return {name: list(options) for name, options in option_files().items()}


def value(random: Random, group: str) -> str:
    """Return a value of any kind; often an option, of a group."""
    options = groups().get(group)
    if options and random.random() < 0.7:
        chosen = random.choice(options)
        return random.choice((chosen, chosen, chosen, f"[{chosen}]", chosen[:-1], f"{chosen},x"))
    text = random.choice(random.choice((_NUMBERS, _WORDS, _NESTED)))
    return text if random.random() < 0.9 else f"[{text},{random.choice(_WORDS[:40])}]"


def key(random: Random, config: str) -> str:
    """Return a key of a verb, of another one, or of none."""
    own, other, chosen = keys_of(config), keys_of(random.choice(list(SCHEMAS))), list(groups())
    name = random.choice(random.choice((own, own, own, own, other, chosen, chosen, _HYDRA)))
    how = random.random()
    if how < 0.05:
        return name[: random.randrange(len(name) + 1)] + random.choice(
            ("", "x", ".", "é", "/", " ")
        )
    if how < 0.1:
        return name + random.choice(
            (".x", "@x", "@model", ".0", "..x", "[0]", "._target_", ".path")
        )
    return name


def override(random: Random, config: str) -> str:
    """Return one more argument."""
    if random.random() < 0.06:
        return random.choice(_FLAGS)
    if random.random() < 0.04:
        return random.choice(_WORDS)
    name = key(random, config)
    given = value(random, name.split("@")[0])
    return random.choice((
        *[f"{name}={given}"] * 12, f"+{name}={given}", f"++{name}={given}", f"~{name}",
        f"~{name}={given}", name, f"={given}", f"{name}=={given}", f"{name} = {given}",
        f"'{name}={given}'",
    ))  # fmt: skip


def command(random: Random) -> list[str]:
    """Return a random command line."""
    (verb,) = random.choices(list(_VERBS), _SHARES)
    config, base = _VERBS[verb]
    kept = [word for word in base if random.random() < 0.97]
    if not config:
        kept = [random.choice(("list", "fetch", "check", "x"))]
        kept += random.sample(["set5", "SET14", "t91", "bogus", "jobs=2", "jobs=0", "root=test"], 2)
    more = [override(random, config) for _ in range(random.randint(1, 3))]
    for word in more:  # anywhere, but for the words of the verb
        kept.insert(random.randint(1 if not config else 0, len(kept)), word)
    return [*verb.split(), *kept]


def run(folder: Path, arguments: list[str]) -> None:
    """Run the command line in a folder of a user's; note when the verb itself begins."""
    os.environ |= {
        "HOME": str(folder.parent), **{f"{kind}_proxy": "http://127.0.0.1:9" for kind in _KINDS},
    }  # fmt: skip
    function = verbs.Verb.function

    def begun(verb: verbs.Verb) -> object:
        folder.with_name(_BEGUN).touch()
        return function(verb)

    verbs.Verb.function = begun  # type: ignore[assignment,method-assign]
    srlab(folder, *arguments)


def not_whole(folder: Path) -> Iterator[str]:
    """Yield a fault for each file under a folder that is not what its name says."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.suffix == ".png":
                Image.open(io.BytesIO(path.read_bytes())).load()
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".pt" and zipfile.ZipFile(path).testzip():
                raise ValueError("its CRC is another")
            elif path.suffix == ".safetensors":
                safe_open(path, "pt").keys()
        except Exception as error:
            yield f"{path.relative_to(folder)} is not whole: {error}"


def judge(folder: Path, outcome: Outcome, before: dict[str, str]) -> list[str]:
    """Return the faults of a case whose files lie in a folder."""
    home = folder / "home"
    faults = plain_faults(outcome, (0, 2, 130) if outcome.interrupted else (0, 2))
    if outcome.interrupted and not (folder / _BEGUN).exists():
        faults.append(f"the command line is not read within {_PATIENCE} s")
    if outcome.status == 2 and (found := _OF_HYDRA.search(outcome.said)):
        faults.append(f"words of Hydra's: {found[0]!r} in {outcome.said[-300:]!r}")
    faults += touched(before, contents(home))
    faults += [f"{name} is left over" for name in left_over(home)]
    return faults + list(not_whole(home))


def prepare(place: Path) -> Case:
    """Make what the command lines name, and return a case."""
    home = place / "home"
    make_pictures(home)
    warm_up(home, *_STEPS)
    shutil.copy(home / "test/0.png", home / "photo.png")
    (home / "notes.txt").write_text("mine")
    shutil.copy(home / "run/last.pt", home / "model.pt")

    def case(random: Random, folder: Path) -> tuple[str, list[str]]:
        arguments = command(random)
        if any("swept" in word for word in arguments) and not (home / "swept").exists():
            done(home, "sweep", *_STEPS, "seed=0,1", "sweep_dir=swept")
        shutil.copytree(home, folder / "home")
        before = {k: v for k, v in contents(folder / "home").items() if not k.startswith("cache/")}
        outcome = in_fork(lambda: run(folder / "home", arguments), _PATIENCE)
        return " ".join(map(repr, arguments))[-600:], judge(folder, outcome, before)

    return case


if __name__ == "__main__":
    run_tool(__doc__ or "", prepare)
