"""Guards: one training serves several scales, and is what it is however it is run."""

import json

import pytest
import torch
from common import for_all, ran, save_pictures
from forks import forked
from PIL import Image

SETTINGS = (
    "scale=2", "upsampler=meta", "upsampler.hidden=16", "trainer.scales=[3,2]", "data=folder",
    "data.path=train", "testset=folder", "testset.folder.path=test", "device=cpu",
    "trainer.batch_size=4", "trainer.patch_size=8", "trainer.log_every=1", "schedule=constant",
    "trainer.threads=1", "trainer.phases=[{step: 12, patch_size: 6}]",
)  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with images, and a run of 20 steps."""
    place = tmp_path_factory.mktemp("scales")
    save_pictures(place, train=3, test=1)
    said = train(place, *SETTINGS, "trainer.steps=20", "run_dir=whole")
    wanted = "judge it at each of its scales: srlab evaluate checkpoint=whole/last.pt"
    assert f"{wanted} 'scale=[3,2]'" in said
    return place


def train(place, *overrides):
    done = ran(place, "train", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout


def checkpoint(run):
    return torch.load(run / "last.pt", weights_only=True)


def distance(a, b):
    assert a["step"] == b["step"]
    return max(float((w - b["weights"][k]).abs().max()) for k, w in a["weights"].items())


def test_a_run_that_is_resumed_has_the_same_bits(workplace):
    train(workplace, *SETTINGS, "trainer.steps=13", "run_dir=cut")
    train(workplace, "resume=cut", "trainer.steps=16", "trainer.workers=1")
    train(workplace, "resume=cut", "trainer.steps=20")
    whole, cut = (checkpoint(workplace / name) for name in ("whole", "cut"))
    assert distance(whole, cut) == 0
    assert whole["fingerprint"] == cut["fingerprint"]
    for mine, own in zip(*(c["training"]["optimizer"]["state"].values() for c in (whole, cut)),
                         strict=True):  # fmt: skip
        assert torch.equal(mine["exp_avg"], own["exp_avg"])


def test_two_workers_come_to_what_one_comes_to(workplace):
    process = forked(
        workplace, "train", *SETTINGS, "trainer.steps=20", "run_dir=two", "trainer.devices=2"
    )
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert distance(*(checkpoint(workplace / name) for name in ("whole", "two"))) < 1e-5


def test_both_scales_are_learnt(workplace):
    more = ("trainer.phases=[]", "trainer.ema=0", "trainer.log_every=100", "optim.lr=0.003")
    train(workplace, *SETTINGS, "trainer.steps=200", *more, "run_dir=longer")
    train(workplace, *SETTINGS, "trainer.steps=1", *more, "run_dir=begun")
    judged = ran(
        workplace, "evaluate", "checkpoint=[longer,begun]", "scale=[2,3]", "testset=folder",
        "testset.folder.path=test", "output=judged", "device=cpu",
    )  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    rows = json.loads((workplace / "judged/results.json").read_text())
    for scale in (2, 3):
        _, longer, begun = (row["psnr"] for row in rows if row["scale"] == scale)
        assert longer > begun + 1


def test_what_cannot_be_trained_for_several_scales_is_refused(workplace):
    (workplace / "low").mkdir()
    for path in (workplace / "train").iterdir():
        with Image.open(path) as picture:
            picture.resize((33, 33)).save(workplace / "low" / path.name)
    fixed = [setting for setting in SETTINGS if "hidden" not in setting]
    pairs = [setting for setting in SETTINGS if "data" not in setting]

    def check(settings, given, said):
        refused = ran(workplace, "train", *settings, *given, "run_dir=never")
        assert refused.returncode == 2, refused.stdout
        assert said in refused.stderr
        assert not (workplace / "never").exists()

    for_all(
        [
            (
                fixed,
                ["upsampler=deconv"],
                "is of scale 2 alone: trainer.scales goes with upsampler",
            ),
            (SETTINGS, ["trainer.scales=[3,4]"], "scale=2 is what the run is judged at"),
            (
                pairs,
                ["data=pairs", "data.hr=train", "data.lr=low"],
                "brings low resolution of one scale along: leave trainer.scales out",
            ),
        ],
        check,
    )
