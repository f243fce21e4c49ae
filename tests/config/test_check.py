"""Guards: a config that does not fit the code, or names what is not trusted, is refused."""

import contextlib
import sys
import types
from collections.abc import Sequence
from typing import Literal

import pytest
from torch import nn

from srlab.config.build import build
from srlab.config.check import TRUSTED, check, locate
from srlab.errors import ConfigError

HEAD = {"_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True}
MODEL = {"_target_": "srlab.models.espcn.ESPCN", "scale": 3, "upsampler": HEAD}


class Sample:
    """A component with an argument of each kind."""

    def __init__(
        self,
        whole: int = 1,
        number: float = 1.0,
        text: str = "",
        flag: bool = False,
        choice: Literal["a", "b"] = "a",
        perhaps: int | None = None,
        several: Sequence[float] = (),
        pair: tuple[float, float] = (0.0, 0.0),
        module: nn.Module | None = None,
        anything=None,
    ):
        self.whole, self.number, self.text, self.flag, self.choice = (
            whole,
            number,
            text,
            flag,
            choice,
        )
        self.perhaps, self.several, self.pair = perhaps, several, pair
        self.module, self.anything = module, anything


def takes_all(scale: int, **others):
    return scale, others


def faults(config, roots=None):
    """Return the complaint about a config."""
    with pytest.raises(ConfigError) as caught:
        check(config, roots)
    return str(caught.value)


def sample(**arguments):
    return {"part": {"_target_": f"{__name__}.Sample", **arguments}}


# --- names


def test_a_config_that_fits_passes():
    check({"model": MODEL, "name": None, "list": [1, {"deep": "text"}]})


def test_an_unknown_key_is_told_with_what_may_have_been_meant():
    said = faults({"model": MODEL | {"chanels": 1}})
    assert said.startswith("model.chanels: ESPCN has no 'chanels'")
    assert "did you mean 'channels'?" in said
    assert "residual" in said  # what else it takes


def test_a_key_that_resembles_nothing_gets_no_suggestion():
    said = faults({"model": MODEL | {"zzz": 1}})
    assert "ESPCN has no 'zzz'" in said
    assert "did you mean" not in said


def test_a_function_that_takes_any_key_gets_any_key():
    check({"part": {"_target_": f"{__name__}.takes_all", "scale": 2, "colour": "y"}})


def test_hydras_own_keys_are_not_arguments():
    check({"part": {"_target_": f"{__name__}.takes_all", "_convert_": "all", "_recursive_": True,
                    "_partial_": True}})  # fmt: skip


def test_a_missing_argument_is_told():
    node = {key: value for key, value in MODEL.items() if key != "scale"}
    assert faults({"model": node}) == "model.scale: ESPCN needs it"


def test_a_partial_node_leaves_arguments_to_its_caller():
    check({"upsampler": HEAD})
    said = faults({"upsampler": HEAD | {"_partial_": False}})
    for name in ("in_channels", "out_channels", "scale"):
        assert f"upsampler.{name}: PixelShuffle needs it" in said
    assert "kernel_size" not in said


def test_a_partial_node_is_checked_for_what_it_does_give():
    said = faults({"upsampler": HEAD | {"kernel_size": "three", "kernal": 3}})
    assert "upsampler.kernel_size: PixelShuffle wants a whole number, got 'three'" in said
    assert "upsampler.kernal" in said


def test_nested_nodes_and_lists_are_checked_and_told_by_their_keys():
    head = HEAD | {"kernel_size": 2.5}
    assert faults({"model": MODEL | {"upsampler": head}}).startswith("model.upsampler.kernel_size:")
    said = faults({"all": {"models": [MODEL, MODEL | {"scale": "x"}]}})
    assert said.startswith("all.models[1].scale:")


def test_several_faults_are_told_at_once_each_with_its_key():
    config = {
        "model": MODEL | {"scale": "three", "activation": "gelu", "chanels": 1},
        "loss": {"_target_": "srlab.losses.objective.Objectiv"},
        "schedule": {"_target_": "srlab.training.schedule.cosine", "_partial_": True, "final": "x"},
        "optim": {"_target_": "srlab.losses.charbonnier.Charbonnier", "eps": 0.001},
    }
    lines = faults(config).splitlines()[1:]
    told = [line.strip().split(":")[0] for line in lines]
    assert sorted(told) == [
        "loss", "model.activation", "model.chanels", "model.scale", "schedule.final",
    ]  # fmt: skip


def test_a_part_that_does_not_exist_is_told():
    for target in ("srlab.models.espcn.ESPN", "srlab.modls.espcn.ESPCN", "srlab", "", ".", "a..b"):
        said = faults({"model": {"_target_": target}})
        assert said.startswith(f"model: cannot import {target}")


def test_what_cannot_be_called_is_no_part():
    assert "is not a class or function" in faults({"x": {"_target_": "srlab.config.check.TRUSTED"}})
    assert "is not a class or function" in faults({"x": {"_target_": "torch.nn.functional"}})


# --- types

RIGHT = [
    ("whole", 3), ("whole", -1), ("number", 1.5), ("number", 2), ("number", float("inf")),
    ("text", "abc"), ("flag", True), ("choice", "b"), ("perhaps", None), ("perhaps", 4),
    ("several", []), ("several", [1, 2.5]), ("pair", [0.9, 0.999]), ("module", None),
    ("module", {"_target_": "torch.nn.ReLU"}), ("anything", "x"), ("anything", 3),
    ("anything", None), ("anything", [1, "x"]),
]  # fmt: skip
WRONG = [
    ("whole", 1.5, "a whole number"),
    ("whole", 2.0, "a whole number"),
    ("whole", True, "a whole number"),
    ("whole", "3", "a whole number"),
    ("whole", None, "a whole number"),
    ("whole", [1], "a whole number"),
    ("whole", {"_target_": "torch.nn.ReLU"}, "a whole number"),
    ("number", "fast", "a number"),
    ("number", True, "a number"),
    ("number", None, "a number"),
    ("text", 3, "text"),
    ("text", None, "text"),
    ("flag", 1, "true or false"),
    ("flag", "yes", "true or false"),
    ("flag", None, "true or false"),
    ("choice", "c", "a or b"),
    ("choice", None, "a or b"),
    ("choice", ["a"], "a or b"),
    ("perhaps", "none", "a whole number or null"),
    ("perhaps", {"_target_": "torch.nn.ReLU"}, "a whole number or null"),
    ("several", 1.0, "a list of numbers"),
    ("several", "1", "a list of numbers"),
    ("several", [1.0, "x"], "a list of numbers"),
    ("pair", [0.9], "a list of numbers"),
    ("pair", [0.9, 0.99, 0.999], "a list of numbers"),
    ("pair", [0.9, "x"], "a list of numbers"),
    ("module", "relu", "Module or null"),
    ("module", 3, "Module or null"),
]


def test_a_value_of_the_right_type_passes_and_reaches_the_part():
    for name, value in RIGHT:
        check(sample(**{name: value}))
        found = getattr(build(sample(**{name: value})["part"], "part"), name)
        if isinstance(value, dict):
            assert isinstance(found, nn.ReLU)
        else:
            assert (found, type(found)) == (value, type(value)), name


def test_a_value_of_the_wrong_type_is_told_with_what_is_wanted():
    offenders = []
    for name, value, wanted in WRONG:
        said = faults(sample(**{name: value}))
        if said != f"part.{name}: Sample wants {wanted}, got {value!r}":
            offenders.append((name, value, said))
    assert not offenders


# --- trust

OURS = [
    "srlab.models.espcn.ESPCN", "srlab.models.plain.Plain", "torch.nn.ReLU",
    "torch.nn.modules.activation.ReLU", "srlab.upsamplers.deconv.Deconv",
]  # fmt: skip
ELSEWHERE = [
    "os.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "pickle.loads",
    "torch.load", "torch.hub.load", "torch.utils.cpp_extension.load",
    "srlab.data.images.folder", "srlab.storage.checkpoint.load", "hydra.utils.instantiate",
    "srlab.config.build.build",
]  # fmt: skip
DETOURS = [
    "srlab.models.espcn.torch.load",
    "srlab.models.espcn.nn.ReLU",
    "srlab.models.identity.torch.load",
    "srlab.models.espcn.ESPCN.load_state_dict",
    "srlab.models.espcn.ESPCN.__init__.__globals__",
    "srlab.models.csc_sr.reframe",
    "srlab.models.residual.interpolate",
    "srlab.models.base.Callable",
    "srlab.models.identity.Literal",
    "srlab.modelsandmore.Thing",
    "torch.nnapi.Thing",
    "torch.nn.functional.np.load",
    "torch.nn.modules.module.warnings.warn",
    "torch.nn.modules.module.OrderedDict",
    "torch.nn.modules.module.namedtuple",
    "torch.nn.functional.importlib.import_module",
    "torch.nn.parallel.data_parallel.torch.load",
    "torch.nn.functional.boolean_dispatch",
    "torch.nn.functional.handle_torch_function",
    " os.system",
    "..os.system",
    "srlab.models.",
    "srlab.models",
    "srlab.models.espcn",
    "torch.nn",
    "",
    # Of torch only layers are: its functions change what is global, or import by a name.
    "torch.nn.modules.module.register_module_forward_hook",
    "torch.nn.init.zeros_",
    "torch.nn.utils.clip_grad_norm_",
]


def test_our_networks_and_torchs_layers_are_trusted():
    assert all(issubclass(locate(target, TRUSTED), nn.Module) for target in OURS)


def test_what_lives_elsewhere_is_not_trusted():
    for target in ELSEWHERE:
        locate(target)  # it is there
        said = faults({"model": {"_target_": target}}, TRUSTED)
        assert f"model: {target} is not trusted" in said


def test_no_detour_through_a_trusted_module_leads_out_of_it():
    found = []
    for target in DETOURS:
        with contextlib.suppress(ConfigError):
            found.append((target, locate(target, TRUSTED)))
    assert not found


@pytest.mark.parametrize("target", ["models.csc_sr.reframe", "models.base.Callable"])
def test_what_a_trusted_module_has_imported_is_not_trusted(target):
    with pytest.raises(ConfigError, match="not trusted: it is defined in"):
        locate(f"srlab.{target}", TRUSTED)


def test_a_name_that_begins_like_a_root_is_not_within_it(monkeypatch):
    module = types.ModuleType("srlab.modelsofothers")
    module.net = lambda: None
    module.net.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert locate("srlab.modelsofothers.net") is module.net
    with pytest.raises(ConfigError, match="not trusted"):
        locate("srlab.modelsofothers.net", TRUSTED)


def test_every_node_must_be_trusted_however_deep_it_lies():
    evil = {"_target_": "os.system", "command": "true"}
    for config in (
        {"model": MODEL | {"upsampler": evil}},
        {"model": MODEL | {"upsampler": HEAD | {"kernel_size": evil}}},
        {"model": {"_target_": "torch.nn.Sequential", "_args_": [[evil]]}},
        {"model": MODEL, "notes": {"more": [1, [{"x": evil}]]}},
        {"model": MODEL | {"_args_": [evil]}},
    ):
        assert "os.system is not trusted" in faults(config, TRUSTED)


def test_without_roots_everything_is_trusted():
    check({"part": {"_target_": "os.path.join", "_partial_": True}})
    assert "not trusted" in faults({"part": {"_target_": "os.path.join"}}, TRUSTED)


def test_a_root_may_be_added():
    check(sample(), (*TRUSTED, __name__))
    assert "not trusted" in faults(sample(), TRUSTED)


def test_a_text_that_would_turn_into_a_node_is_not_trusted(tmp_path):
    """A config in a checkpoint is resolved already; what still holds ${...} hides something."""
    mark = tmp_path / "executed"
    path = f"{{_target_:pathlib.Path,_args_:['{mark}']}}"
    hidden = f"${{oc.create:{{_target_:pathlib.Path.touch,_args_:[{path}]}}}}"
    node = MODEL | {"upsampler": hidden}
    try:
        check({"model": node}, TRUSTED)
        build(node, "model")
    except ConfigError:
        pass
    assert not mark.exists()


def test_what_says_how_a_part_is_built_is_of_the_right_kind():
    node = {"_target_": "torch.nn.MSELoss"}
    for key, other in (("_partial_", "true"), ("_args_", 1), ("_recursive_", 0), ("_convert_", [])):
        with pytest.raises(ConfigError, match=rf"loss\.{key} takes .*, got "):
            check({"loss": node | {key: other}})
