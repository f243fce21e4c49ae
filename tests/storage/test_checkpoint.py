"""Guards: a checkpoint comes back as it was saved; another file is refused, its code never runs."""

import pickle
from pathlib import Path

import pytest
import torch
from common import for_all
from torch import nn

from srlab.errors import UserError
from srlab.storage.checkpoint import FORMAT, load, save

CONFIG = {"scale": 3, "model": {"_target_": "a.b", "betas": [0.9, 0.999], "x": None}}


def checkpoint(**others):
    return {"config": CONFIG, "weights": {"w": torch.arange(6.0).view(2, 3)}, **others}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(3))])
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    training = {"optimizer": optimizer.state_dict(), "best": None, "history": [{"psnr": 30.5}]}
    saved = checkpoint(step=3, training=training, info={"torch": "2"})
    save(tmp_path / "last.pt", saved)
    found = load(tmp_path / "last.pt")
    assert found.pop("format") == FORMAT
    assert torch.equal(found.pop("weights")["w"], saved.pop("weights")["w"])
    tensors = [c["training"]["optimizer"].pop("state")[0] for c in (found, saved)]
    assert tensors[0].keys() == tensors[1].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert all(torch.equal(value, tensors[1][key]) for key, value in tensors[0].items())
    assert found == saved
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 3


def test_what_is_cut_off_or_no_checkpoint_is_refused(tmp_path):
    save(tmp_path / "whole.pt", checkpoint())
    whole = (tmp_path / "whole.pt").read_bytes()
    texts = (b"not a checkpoint", b"{}", b"this is text", b"some text", b"\0" * 100)
    broken = (b"PK\3\4 not a zip", b"\x80\x02.", b"\x80\x02M.")
    cut = [whole[: int(share * len(whole))] for share in (0.0, 0.1, 0.5, 0.9, 0.999)]

    def check(content):
        (tmp_path / "other.pt").write_bytes(content)
        with pytest.raises(UserError, match=r"other\.pt is not a checkpoint .* cut off"):
            load(tmp_path / "other.pt")

    for_all((*texts, *broken, *cut), check)


def test_a_checkpoint_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pt does not exist"):
        load(tmp_path / "gone.pt")
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path)


def test_what_lacks_config_and_weights_is_refused(tmp_path):
    def check(content):
        torch.save(content, tmp_path / "bare.pt")
        with pytest.raises(UserError, match=r"bare\.pt is not a checkpoint of srlab: it has no"):
            load(tmp_path / "bare.pt")

    dicts = [nn.Linear(2, 2).state_dict(), {"weights": {}, "config": {}}]
    dicts += [{"format": FORMAT, "weights": {}}, {"format": FORMAT, "config": {}}]
    for_all([*dicts, [1, 2], torch.zeros(3), None], check)


def test_another_layout_is_refused(tmp_path):
    for number in (0, FORMAT + 1, "new"):
        torch.save(checkpoint(format=number), tmp_path / "a.pt")
        with pytest.raises(UserError, match=f"layout {number}; this srlab reads {FORMAT}"):
            load(tmp_path / "a.pt")


class Touch:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path):
    harmful = checkpoint(format=FORMAT, info=Touch(tmp_path / "executed"))
    path = tmp_path / "evil.pt"

    def check(kind):
        if kind == "pickle":
            path.write_bytes(pickle.dumps(harmful, protocol=2))
        else:
            torch.save(harmful, path, _use_new_zipfile_serialization=kind == "zip")
        with pytest.raises(UserError, match=r"evil\.pt is not a checkpoint"):
            load(path)
        assert not (tmp_path / "executed").exists()

        if kind == "pickle":
            pickle.loads(path.read_bytes())
        else:
            torch.load(path, weights_only=False)
        assert (tmp_path / "executed").exists(), "the file would have done no harm anyway"
        (tmp_path / "executed").unlink()

    for_all(("zip", "torch before 1.6", "pickle"), check)


def test_a_checkpoint_that_cannot_be_written_keeps_the_one_before(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    save(tmp_path / "last.pt", checkpoint(step=1))
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"last\.pt: No space left"):
        save(tmp_path / "last.pt", checkpoint(step=2))
    assert load(tmp_path / "last.pt")["step"] == 1
