"""Guards: what earlier versions wrote is read, and goes on."""

import shutil
from pathlib import Path

import pytest
import torch
from common import command_line

import srlab
from srlab.data.pack import open_pack
from srlab.data.photos import training

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["espcn", "fsrcnn"])
def test_a_run_of_an_earlier_version_loads_and_goes_on_to_its_weights(
    name, tmp_path, monkeypatch, capsys
):
    # Stopped at step 4 of 8; expected.pt is what that version made of the rest.
    run = shutil.copytree(FILES / f"run-{name}", tmp_path / "run")
    model = srlab.load(run)
    assert model(torch.rand(1, 1, 7, 9)).shape == (1, 1, 21, 27)
    checkpoint = torch.load(run / "last.pt", weights_only=True)
    assert checkpoint["step"] == 4
    # Decoders differ by a level between machines; the images are the same.
    checkpoint["fingerprint"] = open_pack(training(), 3, "y", 8).fingerprint
    torch.save(checkpoint, run / "last.pt")

    monkeypatch.chdir(tmp_path)
    status, printed = command_line(monkeypatch, capsys)("train", "resume=run")
    assert status == 0, printed.err
    ours = torch.load(run / "last.pt", weights_only=True)
    assert ours["step"] == 8
    assert all("validation" not in record for record in ours["training"]["history"])
    expected = torch.load(run / "expected.pt", weights_only=True)
    assert ours["weights"].keys() == expected.keys()
    for key, weight in expected.items():
        assert (ours["weights"][key] - weight).abs().max() < 1e-4 * weight.abs().max().clamp(1e-3)
