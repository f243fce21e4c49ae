"""Guards: what a sweep compares is all else equal, and grids and launchers can be chosen."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from srlab.assembly.learner import build_state
from srlab.command_line.invocation import Invocation
from srlab.commands.sweep.axes import split_axes
from srlab.commands.sweep.launchers import check_launcher
from srlab.commands.sweep.plan import _folder_name, make_plan
from srlab.config.compose import option_node
from srlab.config.paths import config_dir
from srlab.config.register import register
from srlab.config.schema import SweepConfig, TrainConfig
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.errors import UserError
from srlab.upsamplers.base import Upsampler

HEADS = ["pixel_shuffle", "deconv", "unpool", "carafe"]  # of all: models/test_contract.py
GRIDS = sorted(path.stem for path in (config_dir() / "grid").glob("*.yaml"))


def network(head):
    """The network of a run with seed 0, as the trainer builds it."""
    node = option_node("model", "espcn", "model", 3)
    node["upsampler"] = option_node("upsampler", head, "upsampler", 3)
    loss = OmegaConf.to_container(OmegaConf.load(config_dir() / "loss/mse.yaml"))
    config = TrainConfig(
        seed=0, model=node, loss=loss,
        optim={"_target_": "torch.optim.SGD", "_partial_": True, "lr": 1e-3},
    )  # fmt: skip
    return build_state(config, torch.device("cpu"))[0].model


def body(model):
    """The weights that belong to no upsampler."""
    heads = [name for name, m in model.named_modules() if isinstance(m, Upsampler)]
    return {
        name: p for name, p in model.named_parameters()
        if not any(name.startswith(f"{head}.") for head in heads)
    }  # fmt: skip


def test_every_head_begins_with_the_same_body():
    first, *others = (body(network(head)) for head in HEADS)
    assert first
    for head, other in zip(HEADS[1:], others, strict=True):
        assert first.keys() == other.keys(), head
        assert all(torch.equal(first[name], other[name]) for name in first), head


def test_every_head_sees_the_same_batches():
    pack = open_pack(training(), 3, "y", 8)
    narrow, wide = (PatchBatches(pack, 4, 8, halo, seed=5)[7] for halo in (2, 6))
    assert torch.equal(narrow[1], wide[1])
    assert torch.equal(narrow[0], wide[0][..., 4:-4, 4:-4])


def test_axes_are_told_from_what_is_fixed():
    fixed, axes = split_axes(["scale=3", "seed=range(0,3)", "testset=[set5,set14]", "loss=l1,mse"])
    assert fixed == {"scale": "scale=3", "testset": "testset=[set5,set14]"}
    assert axes == {"seed": ["0", "1", "2"], "loss": ["l1", "mse"]}
    for text in ("optim.lr=interval(0,1)", "upsampler=glob(*)"):
        with pytest.raises(UserError, match="an axis is a list of values"):
            split_axes([text])


def test_more_values_share_a_folder_and_other_settings_do_not():
    few, many = {"seed": ["0"], "loss": ["l1"]}, {"seed": ["0", "1"], "loss": ["l1", "mse"]}
    two, three = ({"trainer.steps": f"trainer.steps={steps}"} for steps in (2, 3))
    assert _folder_name(None, two, few) == _folder_name(None, two, many)
    assert _folder_name(None, two, few) != _folder_name(None, three, few)


def test_a_launcher_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for launcher, extra in (("joblib", "joblib"), ("slurm", "slurm"), ("cluster", "ray")):
        with pytest.raises(UserError, match=rf"needs: pip install 'srlab\[{extra}\]'"):
            check_launcher(launcher)
    check_launcher("basic")


def composed(*overrides):
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides=list(overrides), return_hydra_config=True)


def test_settings_for_launchers_fit_the_plugins():
    offenders = []
    for launcher, plugin in (("parallel", "joblib"), ("slurm", "submitit"), ("cluster", "ray")):
        if find_spec(f"hydra_plugins.hydra_{plugin}_launcher") is None:
            continue
        ours = OmegaConf.load(config_dir() / "hydra/launcher" / f"{launcher}.yaml")
        node = composed(f"hydra/launcher={launcher}").hydra.launcher
        assert plugin in node["_target_"]
        offenders += [
            (launcher, name) for name in ours.keys() - {"defaults"}
            if str(node[name]) != str(ours[name])  # joblib's plug-in has texts for numbers
        ]  # fmt: skip
    assert not offenders


def test_every_grid_can_be_made(tmp_path, monkeypatch):
    register()
    monkeypatch.chdir(tmp_path)
    for grid in GRIDS:
        node = OmegaConf.load(config_dir() / "grid" / f"{grid}.yaml")
        fixed, axes = split_axes(f"{key}={value}" for key, value in node.items())
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            call = Invocation(SweepConfig(sweep_dir=grid), {"grid": grid})
            plan = make_plan(call, fixed, axes, "srlab sweep")
        assert len(plan.names) == np.prod([len(values) for values in axes.values()]), grid
        assert plan.missing == plan.names
