"""Guards: what is typed is read as it stands, by the schema, or answered in a sentence."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given
from hypothesis import strategies as st

from srlab.command_line.arguments import as_hydra_reads
from srlab.errors import UserError

PARSER = OverridesParser.create()


def is_text(value):
    """Whether a value is no null, no list, no interpolation and not quoted already."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    listed = value[0] == "[" and value[-1] == "]"
    return not (quoted or listed or "${" in value or value == "null")


def read(verb, argument):
    """The value that Hydra reads."""
    (argument,) = as_hydra_reads(verb, [argument])
    value = PARSER.parse_override(argument).value()
    return value.text if isinstance(value, QuotedString) else value


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(is_text),
    place=st.sampled_from(
        [("train", "run_dir"), ("train", "name"), ("train", "data.path"), ("upscale", "input"),
         ("report", "sweep"), ("evaluate", "+testset.folder.path")]
    ),
)  # fmt: skip
def test_a_text_is_read_as_it_stands_whatever_is_in_it(value, place):
    verb, key = place
    assert read(verb, f"{key}={value}") == value


def test_texts_that_look_like_other_things_stay_texts():
    for value in (
        "2024_01_15",
        "1e5",
        "true",
        "nan",
        "~/x.png",
        "训练ü",
        "a,b",
        "c:\\",
        "it's",
        "a b",
    ):
        assert read("train", f"run_dir={value}") == value
    assert read("train", "run_dir=null") is None
    assert read("train", "run_dir='my run'") == "my run"
    assert as_hydra_reads("train", ["run_dir=runs/${name}"]) == ["run_dir=runs/${name}"]


def test_in_a_sweep_a_comma_stands_between_values_and_plain_texts_keep_their_form():
    values = as_hydra_reads("sweep", ["data.path=a,b c,2024", "start=x/y,z"])
    assert values == ["data.path=a,'b c','2024'", "start=x/y,z"]
    assert as_hydra_reads("sweep", ["device=choice(cpu,auto)"]) == ["device=choice(cpu,auto)"]
    assert as_hydra_reads("sweep", ["start='a,b.pt',c.pt"]) == ["start='a,b.pt',c.pt"]
    assert as_hydra_reads("train", ["-m", "name=a,b"]) == ["-m", "name=a,b"]
    axis = PARSER.parse_override(values[0])
    assert axis.is_choice_sweep()


@pytest.mark.parametrize(
    ("verb", "given", "meant"),
    [
        ("upscale", ["a.png"], ["input='a.png'"]),
        ("upscale", ["[q]"], ["input='[q]'"]),
        ("upscale", ["./a=b.png"], ["input='./a=b.png'"]),
        ("upscale", [f"input=[{'b/a.png,' * 999}c.png]"], [f"input=[{'b/a.png,' * 999}c.png]"]),
        ("upscale", ["~/p ${x}.png"], ["input='~/p \\${x}.png'"]),
        ("upscale", ["a.png", "it's.png", "scale=2"], ["input=['a.png','it\\'s.png']", "scale=2"]),
        ("evaluate", ["runs/x"], ["checkpoint='runs/x'"]),
        ("describe", ["compact_x3"], ["checkpoint='compact_x3'"]),
        ("report", ["runs/sweeps/s"], ["sweep='runs/sweeps/s'"]),
        ("report", ["runs/a", "b.pt"], ["checkpoint=['runs/a','b.pt']"]),
        ("report", ["model=bicubic"], ["models=[bicubic]"]),
        ("convert", ["from=a.pth"], ["source='a.pth'"]),
        ("train", ["upsampler=null", "experiment="], []),
        ("evaluate", ["trust=mine"], ["trust=[mine]"]),
        ("evaluate", ["model=bicubic", "scale=2"], ["model=bicubic", "scale=2"]),
        ("evaluate", ["model=bicubic", "scale=2,3"], ["models=[bicubic]", "scale=[2,3]"]),
        ("evaluate", ["model=[nearest,espcn_x2]"], ["models=[nearest,espcn_x2]"]),
        ("evaluate", ["a b.pt", "c,d.pt"], ["checkpoint=['a b.pt','c,d.pt']"]),
        ("evaluate", ["checkpoint=[a b.pt, c.pt]"], ["checkpoint=['a b.pt','c.pt']"]),
        ("evaluate", ["a,b.pt", "scale=3"], ["checkpoint='a,b.pt'", "scale=3"]),
        ("evaluate", ["-m", "scale=2,3"], ["-m", "scale=2,3"]),
        ("train", ["-c", "job", "seed=1"], ["--cfg", "job", "seed=1"]),
        ("train", ["--config-dir=mine"], ["--config-dir", "mine"]),
        ("data", ["list"], ["list"]),
    ],
)
def test_what_can_only_be_meant_in_one_way_is_understood(verb, given, meant):
    assert as_hydra_reads(verb, given) == meant


def test_a_file_that_is_there_is_a_file_though_it_reads_as_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_hydra_reads("upscale", ["a/b=c.png"]) == ["a/b=c.png"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b=c.png").write_text("")
    assert as_hydra_reads("upscale", ["a/b=c.png"]) == ["input='a/b=c.png'"]


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("train", ["foo"], "'foo' is no key=value"),
        ("upscale", ["a.png", "input=b.png"], "not both"),
        ("describe", ["a", "b"], "one checkpoint at a time"),
        ("train", ["--lr", "1e-4"], "there is no option --lr; keys are written as key=value"),
        ("upscale", ["-i", "a.png"], "-i wants all or config"),
        ("train", ["--cfg"], "--cfg wants job or hydra or all"),
        ("train", ["optim=null"], "one optim is chosen, of adam"),
    ],
)
def test_what_is_not_understood_is_answered(verb, given, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        as_hydra_reads(verb, given)
