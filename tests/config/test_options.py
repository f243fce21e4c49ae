"""Guards: every option that the YAML files of srlab offer fits the code and can be built."""

from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import nn

from srlab.config.build import build
from srlab.config.check import check
from srlab.config.paths import config_dir
from srlab.config.ranges import check_ranges, check_scale
from srlab.config.register import register
from srlab.config.schema import TrainConfig
from srlab.errors import ConfigError, UserError

PARTS = ("model", "upsampler", "loss", "optim", "schedule", "data", "valset", "testset")
BESIDE = ("loss", "optim", "schedule", "data", "degradation", "valset")
EMPTY = ("upsampler", "valset")  # which may be left so


def options(group):
    found = sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))
    assert found, group
    return found


def composed(*overrides, verb="train"):
    register()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose(verb, overrides=list(overrides))
    OmegaConf.resolve(config)
    return OmegaConf.to_object(config)


def fitting(*overrides):
    """Compose the config of a training, check it, and return it."""
    config = composed(*overrides)
    assert isinstance(config, TrainConfig)
    nodes = {key: getattr(config, key) for key in PARTS}
    check(nodes)
    check_ranges(config)
    check_scale(config.scale)
    chosen = {key: node for key, node in nodes.items() if node or key not in EMPTY}
    for node in [*chosen.pop("testset").values(), *chosen.values()]:
        assert "_target_" in node
    return config


def test_every_option_fits_the_code_and_those_for_networks_can_be_built(tmp_path):
    # Options of other groups go with those of networks, which are more.
    models = [("model", name) for name in options("model")]
    others = [*models, *(("upsampler", name) for name in options("upsampler"))]
    beside = zip_longest(others, *(options(group) for group in BESIDE))
    offenders = []
    for (group, name), *rest in beside:
        given = dict(zip(BESIDE, rest, strict=True))
        chosen = [f"{group}={name}", *(f"{key}={value}" for key, value in given.items() if value)]
        if given["data"] == "folder":
            chosen += [f"data.path={tmp_path}", f"testset=[{','.join(options('testset'))}]"]
            chosen.append(f"testset.folder.path={tmp_path}")
            chosen += [f"testset.pairs.{key}={tmp_path}" for key in ("lr", "hr")]
        for group in ("data", "valset"):
            if given[group] == "pairs":
                chosen += [f"{group}.{key}={tmp_path}" for key in ("lr", "hr")]
        if given["valset"] == "folder":
            chosen.append(f"valset.path={tmp_path}")
        try:
            config = fitting(*chosen, "scale=2", "colour=rgb")
            model = build(config.model, "model")
            assert model(torch.rand(1, 3, 6, 7)).shape == (1, 3, 12, 14)
            loss = build(config.loss, "loss")(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))
            assert all(term.isfinite() for term in loss.values())
            assert 0 < build(config.schedule, "schedule")(0, 10) <= 1
            parameters = list(model.parameters()) or [nn.Parameter(torch.zeros(1))]
            optimizer = build(config.optim, "optim")(parameters)
            assert optimizer.param_groups[0]["lr"] == config.optim["lr"]
        except (UserError, AssertionError) as error:
            offenders.append((chosen, error))
    assert not offenders


def test_every_experiment_fits_the_code():
    offenders = []
    for name in options("experiment"):
        try:
            fitting(f"experiment={name}")
        except (UserError, AssertionError) as error:
            offenders.append((name, error))
    assert not offenders


def test_a_key_that_an_option_misspells_would_be_found():
    config = composed("+loss.pixle=1", "++optim.betas=[0.9]", "++testset.photos.path=x")
    with pytest.raises(ConfigError) as caught:
        check({key: getattr(config, key) for key in PARTS})
    for key in ("loss.pixle", "optim.betas", "testset.photos.path"):
        assert key in str(caught.value)


def test_the_baselines_fit_the_other_verbs():
    for verb, model, *files in (
        ("evaluate", "bicubic"),
        ("evaluate", "nearest"),
        ("upscale", "bilinear", "input=a", "output=b"),
    ):
        config = composed(f"model={model}", "scale=3", *files, verb=verb)
        check({"model": config.model, "testset": getattr(config, "testset", {})})
        network = build(config.model, "model")
        assert network(torch.rand(1, 1, 5, 6)).shape == (1, 1, 15, 18)


def test_the_configs_lie_beside_the_package_or_above_it():
    assert (config_dir() / "train.yaml").is_file()
    assert Path(__file__).parent not in config_dir().parents
