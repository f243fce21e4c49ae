import functools
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import nn

from srlab.config.build import build
from srlab.config.check import TRUSTED, check, locate
from srlab.config.paths import config_dir
from srlab.config.ranges import check_ranges, check_scale
from srlab.config.register import register
from srlab.config.schema import TrainConfig, TrainerConfig
from srlab.errors import ConfigError, UserError
from srlab.models.espcn import ESPCN
from srlab.upsamplers.pixel_shuffle import PixelShuffle

HEAD = {"_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True}
MODEL = {"_target_": "srlab.models.espcn.ESPCN", "scale": 3, "upsampler": HEAD}
GROUPS = ("model", "upsampler", "loss", "optim", "schedule", "data", "testset", "experiment")
PARTS = GROUPS[:-1]


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
        self.given = (whole, number, text, flag, choice, perhaps, several, pair, module, anything)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", 3), ("whole", -1), ("number", 1.5), ("number", 2), ("number", float("inf")),
        ("text", "abc"), ("flag", True), ("choice", "b"), ("perhaps", None), ("perhaps", 4),
        ("several", []), ("several", [1, 2.5]), ("pair", [0.9, 0.999]), ("module", None),
        ("module", {"_target_": "torch.nn.ReLU"}),
    ],
)  # fmt: skip
def test_a_value_of_the_right_type_passes(name, value):
    check(sample(**{name: value}))
    assert build(sample(**{name: value})["part"], "part").given


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
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
        ("several", 1.0, "a list"),
        ("several", "1", "a list"),
        ("several", [1.0, "x"], "a list"),
        ("pair", [0.9], "a list"),
        ("pair", [0.9, 0.99, 0.999], "a list"),
        ("pair", [0.9, "x"], "a list"),
        ("module", "relu", "Module or null"),
        ("module", 3, "Module or null"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_with_what_is_wanted(name, value, wanted):
    assert faults(sample(**{name: value})) == (f"part.{name}: Sample wants {wanted}, got {value!r}")


@pytest.mark.parametrize("value", ["x", 3, None, [1, "x"]])
def test_an_argument_without_a_type_takes_anything(value):
    check(sample(anything=value))
    assert build(sample(anything=value)["part"], "part").given[-1] == value


def test_a_node_in_place_of_an_optional_number_is_told():
    faults(sample(perhaps={"_target_": "torch.nn.ReLU"}))


# --- trust


@pytest.mark.parametrize(
    "target",
    [
        "srlab.models.espcn.ESPCN", "srlab.models.plain.Plain", "torch.nn.ReLU",
        "torch.nn.modules.activation.ReLU", "srlab.upsamplers.deconv.Deconv",
    ],
)  # fmt: skip
def test_our_networks_and_torchs_layers_are_trusted(target):
    assert issubclass(locate(target, TRUSTED), nn.Module)


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "pickle.loads",
        "torch.load", "torch.hub.load", "torch.utils.cpp_extension.load",
        "srlab.data.images.folder", "srlab.storage.checkpoint.load", "hydra.utils.instantiate",
        "srlab.config.build.build",
    ],
)  # fmt: skip
def test_what_lives_elsewhere_is_not_trusted(target):
    locate(target)  # it is there
    assert f"model: {target} is not trusted" in faults({"model": {"_target_": target}}, TRUSTED)


@pytest.mark.parametrize(
    "target",
    [
        "srlab.models.espcn.torch.load",
        "srlab.models.espcn.nn.ReLU",
        "srlab.models.identity.torch.load",
        "srlab.models.espcn.ESPCN.load_state_dict",
        "srlab.models.espcn.ESPCN.__init__.__globals__",
        "srlab.models.shallow.reframe",
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
    ],
)
def test_no_detour_through_a_trusted_module_leads_out_of_it(target):
    with pytest.raises(ConfigError):
        locate(target, TRUSTED)


@pytest.mark.parametrize("target", ["models.shallow.reframe", "models.base.Callable"])
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


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.modules.module.register_module_forward_hook",  # for all modules there are
        "torch.nn.init.zeros_",
        "torch.nn.utils.clip_grad_norm_",
    ],
)
def test_of_torch_only_layers_are_trusted(target):
    """Its functions change what is global, and some private ones import a module by its name."""
    with pytest.raises(ConfigError):
        locate(target, TRUSTED)


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


# --- building


def test_a_checked_node_is_built():
    model = build(MODEL | {"channels": 3}, "model")
    assert isinstance(model, ESPCN)
    assert isinstance(model.upsampler, PixelShuffle)
    assert model(torch.zeros(1, 3, 4, 5)).shape == (1, 3, 12, 15)


def test_a_partial_node_is_built_as_a_factory():
    head = build(HEAD | {"kernel_size": 5}, "upsampler")
    assert isinstance(head, functools.partial)
    assert head(8, 1, 2).halo == 2


def test_lists_reach_the_component_as_plain_lists():
    schedule = build(
        {"_target_": "srlab.training.schedule.step_decay", "_partial_": True, "milestones": [0.5]},
        "schedule",
    )
    assert type(schedule.keywords["milestones"]) is list


def test_an_empty_group_is_told():
    with pytest.raises(ConfigError, match="model is empty: choose one, as in model="):
        build({}, "model")


def test_a_value_that_the_component_refuses_is_told_with_its_key():
    node = MODEL | {"upsampler": HEAD | {"kernel_size": 4}}
    check({"model": node})
    with pytest.raises(ConfigError, match="model: kernel_size must be odd and positive, got 4"):
        build(node, "model")


def test_a_mistake_that_the_component_explains_is_passed_on(tmp_path):
    node = {"_target_": "srlab.data.images.folder", "path": str(tmp_path / "gone")}
    with pytest.raises(UserError, match="gone is not a folder of images") as caught:
        build(node, "data")
    assert not isinstance(caught.value, ConfigError)


# --- our own configs


def options(*groups):
    return [
        pytest.param(group, path.stem, id=f"{group}={path.stem}")
        for group in groups
        for path in sorted((config_dir() / group).glob("*.yaml"))
    ]


def composed(*overrides, verb="train"):
    register()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose(verb, overrides=list(overrides))
    OmegaConf.resolve(config)
    return OmegaConf.to_object(config)


def overrides_for(group, option, tmp_path):
    if group == "data" and option == "folder":
        return ["data=folder", f"data.path={tmp_path}"]
    if group == "testset" and option == "folder":
        return ["testset=[folder]", f"testset.folder.path={tmp_path}"]
    return [f"testset=[{option}]"] if group == "testset" else [f"{group}={option}"]


@pytest.mark.parametrize(("group", "option"), options(*GROUPS))
def test_every_option_fits_the_code(group, option, tmp_path):
    config = composed(*overrides_for(group, option, tmp_path))
    assert isinstance(config, TrainConfig)
    parts = {key: getattr(config, key) for key in PARTS}
    check(parts)
    check_ranges(config)
    check_scale(config.scale)
    if group in PARTS:
        nodes = parts[group].values() if group == "testset" else [parts[group]]
        assert nodes
        assert all("_target_" in node for node in nodes)


@pytest.mark.parametrize(
    ("group", "option"), options("model", "upsampler", "loss", "optim", "schedule")
)
def test_every_option_for_networks_can_be_built(group, option):
    config = composed(f"{group}={option}", "scale=2", "colour=rgb")
    model = build(config.model, "model")
    assert model(torch.rand(1, 3, 6, 7)).shape == (1, 3, 12, 14)
    loss = build(config.loss, "loss")(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))
    assert all(term.isfinite() for term in loss.values())
    assert 0 < build(config.schedule, "schedule")(0, 10) <= 1
    parameters = list(model.parameters()) or [nn.Parameter(torch.zeros(1))]
    assert build(config.optim, "optim")(parameters).param_groups[0]["lr"] == config.optim["lr"]


def test_every_group_has_options():
    for group in GROUPS:
        assert list((config_dir() / group).glob("*.yaml")), group


def test_a_key_that_an_option_misspells_would_be_found(tmp_path):
    config = composed("+loss.pixle=1", "++optim.betas=[0.9]", "++testset.photos.path=x")
    said = faults({key: getattr(config, key) for key in PARTS})
    assert "loss.pixle" in said
    assert "optim.betas" in said
    assert "testset.photos.path" in said


@pytest.mark.parametrize("model", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize("verb", ["evaluate", "upscale"])
def test_the_baselines_fit_the_other_verbs(verb, model):
    files = ["input=a", "output=b"] if verb == "upscale" else []
    config = composed(f"model={model}", "scale=3", *files, verb=verb)
    check({"model": config.model, "testset": getattr(config, "testset", {})})
    assert build(config.model, "model")(torch.rand(1, 1, 5, 6)).shape == (1, 1, 15, 18)


def test_the_configs_lie_beside_the_package_or_above_it():
    assert (config_dir() / "train.yaml").is_file()
    assert Path(__file__).parent not in config_dir().parents


# --- numbers


def test_all_numbers_out_of_range_are_told_at_once():
    trainer = TrainerConfig(
        steps=0, batch_size=-1, clip=-0.5, ema=1.0, workers=-2, lr_factors={"body.4": -0.1}
    )
    with pytest.raises(UserError) as caught:
        check_ranges(TrainConfig(seed=-1, trainer=trainer))
    assert "seed must" in str(caught.value)
    for key in ("steps", "batch_size", "clip", "ema", "workers", "lr_factors.body.4"):
        assert f"trainer.{key} must" in str(caught.value)
    for key in ("patch_size", "log_every", "patience"):
        assert key not in str(caught.value)


def test_the_numbers_that_are_given_by_default_are_in_range():
    check_ranges(TrainConfig())
    trainer = TrainerConfig(ema=0.0, clip=0.0, lr_factors={"body": 0.0})
    check_ranges(TrainConfig(seed=0, trainer=trainer))


@pytest.mark.parametrize("scale", [None, 1, 0, -3])
def test_a_scale_under_2_is_refused(scale):
    with pytest.raises(UserError, match="scale"):
        check_scale(scale)
    assert check_scale(2) == 2
