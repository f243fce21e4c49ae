"""Guards: what chooses is written down, and is not what is trained on."""

import pytest

from srlab.assembly.testsets import build_valset, settle_valset, tell_shared
from srlab.config.schema import TrainConfig
from srlab.data.images import folder
from srlab.data.named import SETS


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with BSDS500-test, or what has its number of files."""
    place = tmp_path / "BSDS500-test"
    place.mkdir()
    for number in range(SETS[place.name][0]):
        (place / f"{number:03}.png").touch()
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


def settled(root, **data):
    config = TrainConfig(valset={"_target_": "srlab.data.validation.standard", "root": root})
    config.data = data
    settle_valset(config)
    valset = build_valset(config)
    return config.valset["_target_"].rpartition(".")[2], valset.name, len(valset.paths)


def test_the_standard_set_is_settled_by_what_is_there_and_not_trained_on(there):
    assert settled(there, name="T91") == ("named", "BSDS500-test", 50)
    assert settled(there, names=["T91", "BSDS500-test"]) == ("photos", "scikit-image", 4)
    assert settled("elsewhere", name="T91") == ("photos", "scikit-image", 4)


def test_pictures_that_two_sets_share_are_found_by_their_content(tmp_path, capsys):
    for number, content in enumerate((b"one", b"two", b"six")):
        (tmp_path / f"{number}.png").write_bytes(content)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies/other.png").write_bytes(b"two")
    (tmp_path / "copies/new.png").write_bytes(b"ten")
    sets = (folder(str(tmp_path)), folder(str(tmp_path / "copies")))
    tell_shared(*sets, "are seen twice")
    assert capsys.readouterr().err == "srlab: 1 of the 2 pictures of copies/ are seen twice\n"
