"""Give damaged checkpoints, exported models, packs and run configs to srlab.

usage: python scripts/fuzz/checkpoints.py [--seed 0] [--count 100] [--first 0] [--keep FOLDER]

What a small training left is damaged, byte by byte as disks do (``mutations.py``) or part by part
as a wrong program or a hostile one would, and given to ``srlab.load``, ``srlab evaluate`` and
``srlab train resume=``. Faults are what ``cases.plain_faults`` names, and: weights, scores or final
bits that differ though bytes were damaged and nothing was said; a file of code that runs; something
of the user's that was changed.
"""

import io
import json
import os
import pickle
import shutil
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml
from cases import Case, contents, in_fork, plain_faults, run_tool, touched
from mutations import cut, field, flip, overwrite, splice
from safetensors import safe_open
from safetensors.torch import save_file
from small import SMALL, done, final_bits, make_pictures, same, srlab, warm_up

import srlab as library
from srlab.commands.train import training
from srlab.storage.checkpoint import save

Damage = Callable[[Random, bytes], bytes]

_SET = ("testset=folder", "testset.folder.path=test", "device=cpu")
_RAN = "hostile-code-ran"
_BY_BYTES: tuple[Damage, ...] = (flip, flip, cut, overwrite, splice, field)
_VALUES = (None, True, -1, 0, 1, 3, 2**40, 1e30, "", "x", "é\x00", [], [1, "a"], {}, {"a": 1})
_TARGETS = ("os.system", "torch.nn.Conv2d", "builtins.exec", "srlab.models.edsr.EDSR", "none.such")


class _Hostile:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {_RAN}",)


def zip_parts(random: Random, data: bytes) -> bytes:
    """Take parts of a zip away, rename them, let two change places, pack them; right CRCs."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = [(item.filename, file.read(item)) for item in file.infolist()]
    at, other = (random.randrange(len(parts)) for _ in range(2))
    how = random.randrange(6)
    packing = zipfile.ZIP_DEFLATED if how == 0 else zipfile.ZIP_STORED
    if how == 1:
        del parts[at]
    elif how == 2:
        parts[at] = random.choice(("../x", "/x", "archive/data.pkl", "é")), parts[at][1]
    elif how == 3:
        (a, first), (b, second) = parts[at], parts[other]
        parts[at], parts[other] = (a, second), (b, first)
    elif how == 4 and parts[at][1]:
        parts[at] = parts[at][0], random.choice(_BY_BYTES)(random, parts[at][1])
    elif how == 5:
        parts = [(n, pickle.dumps(_Hostile()) if n.endswith("data.pkl") else c) for n, c in parts]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        for name, content in dict(parts).items():
            file.writestr(name, content)
    return buffer.getvalue()


def change_value(random: Random, node: Any) -> Any:
    """Change something of nested data: a value, a key, a tensor's shape or type."""
    if isinstance(node, torch.Tensor):
        return random.choice((
            node.double(), node.half(), node.flatten(), node[..., None], node.to(torch.complex64),
            torch.full_like(node, torch.nan) if node.is_floating_point() else node + 1,
            torch.empty(0), torch.zeros(1).expand(2**40), node.to_sparse() if node.dim() else node,
            None,
        ))  # fmt: skip
    if isinstance(node, dict) and node and random.random() < 0.85:
        changed, key = dict(node), random.choice(list(node))
        how = random.randrange(8)
        if how == 0:
            del changed[key]
        elif how == 1:
            changed[random.choice((0, "other", f"{key} "))] = changed.pop(key)
        else:
            changed[key] = change_value(random, node[key])
        return changed
    if isinstance(node, list) and node and random.random() < 0.85:
        at = random.randrange(len(node))
        return [*node[:at], change_value(random, node[at]), *node[at + 1 :]]
    if isinstance(node, str) and random.random() < 0.5:
        return random.choice((*_TARGETS, "${oc.env:HOME}", node + " "))
    return random.choice(_VALUES)


def values_of_checkpoint(random: Random, data: bytes) -> bytes:
    """Change something that a checkpoint says, and write it as torch does."""
    content = torch.load(io.BytesIO(data), weights_only=True)
    buffer = io.BytesIO()
    torch.save(change_value(random, content), buffer)
    return buffer.getvalue()


def values_of_model(random: Random, data: bytes) -> bytes:
    """Change something that the header of a safetensors file says."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(change_value(random, header)).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def values_of_config(random: Random, data: bytes) -> bytes:
    """Change something that a run's config says."""
    return yaml.safe_dump(change_value(random, yaml.safe_load(data))).encode()


@dataclass
class Sound:
    """What is made of files that are not damaged.

    Args:
        weights: By name of a file.
        scores: The table of an evaluation.
        bits: What a run ends with.
    """

    weights: dict[str, Any]
    scores: Any
    bits: Any


def loads(sound: Sound, path: Path) -> bool:
    """Load weights; tell whether they are those that were saved."""
    return same(library.load(path).state_dict(), sound.weights[path.name])


def evaluates(sound: Sound, path: Path) -> bool:
    """Evaluate a checkpoint; tell whether the scores are as ever."""
    srlab(path.parents[1], "evaluate", f"checkpoint={path}", *_SET, "output=scores")
    return scores_in(path.parents[1]) == sound.scores


def resumes(sound: Sound, path: Path) -> bool:
    """Resume a run that was killed half-way; tell whether it ends with the same bits."""
    (folder,) = (p for p in path.parents if p.name == "case")
    srlab(folder, "train", "resume=half")
    return same(final_bits(folder / "half"), sound.bits)


def scores_in(folder: Path) -> Any:
    """Return the scores that an evaluation wrote."""
    (result,) = json.loads((folder / "scores/results.json").read_text())
    return result["images"]


# By name: how often, what is done, with which files, damaged how else than byte by byte.
_KINDS: dict[str, tuple[int, Callable[[Sound, Path], bool], str, tuple[Damage, ...]]] = {
    "load": (8, loads, "run/*.pt", (zip_parts, values_of_checkpoint, values_of_checkpoint)),
    "load a model": (4, loads, "model.safetensors", (values_of_model, values_of_model)),
    "load an older model": (1, loads, "older.safetensors", (values_of_model,)),
    "evaluate": (1, evaluates, "run/last.pt", (values_of_checkpoint,)),
    "resume": (2, resumes, "half/last.pt", (zip_parts, values_of_checkpoint)),
    "resume by a config": (1, resumes, "half/config.yaml", (values_of_config,)),
    "train on a pack": (1, resumes, "cache/packs/*/*", (zip_parts,)),
}


def _write_older(model: Path, older: Path) -> None:
    """Write a model as older versions did, without the sum of its weights."""
    with safe_open(model, framework="pt") as file:
        told = {key: text for key, text in file.metadata().items() if key != "sha256"}
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(weights, older, told)


def prepare(place: Path) -> Case:
    """Make a run, half of one and what is exported of it; return a case."""
    home = place / "home"
    make_pictures(home)
    warm_up(home, *SMALL)
    done(home, "export", "checkpoint=run", "format=safetensors", "output=model.safetensors")
    done(home, "evaluate", "checkpoint=run", *_SET, "output=scores")
    in_fork(lambda: _train_half(home))
    _write_older(home / "model.safetensors", home / "older.safetensors")
    files = [*home.glob("run/*.pt"), *home.glob("*.safetensors")]
    weights = {path.name: library.load(path).state_dict() for path in files}
    sound = Sound(weights, scores_in(home), final_bits(home / "run"))
    shutil.rmtree(home / "scores")
    shares = [share for share, *_ in _KINDS.values()]

    def case(random: Random, folder: Path) -> tuple[str, list[str]]:
        (kind,) = random.choices(list(_KINDS), shares)
        _, use, pattern, others = _KINDS[kind]
        shutil.copytree(home, folder, dirs_exist_ok=True)
        path = random.choice(sorted(folder.glob(pattern)))
        damage = random.choice((*_BY_BYTES, *others))
        if damage is zip_parts and path.suffix == ".bin":
            damage = flip
        path.write_bytes(damage(random, path.read_bytes()))
        before = contents(folder)
        outcome = in_fork(lambda: use(sound, path))
        faults = plain_faults(outcome)
        if damage in _BY_BYTES and outcome.answer is False and "older" not in kind:
            faults.append("what comes of it is another, and nothing is said")
        if any(folder.rglob(_RAN)):
            faults.append("code from the file ran")
        if use is not resumes:
            faults += touched(before, contents(folder))
        return f"{kind}: {damage.__name__} of {path.name}", faults

    return case


def _train_half(home: Path) -> None:
    """Train a run that is killed when it has saved for the first time."""

    def save_and_die(path: Path, checkpoint: dict[str, Any]) -> None:
        save(path, checkpoint)
        os.kill(os.getpid(), signal.SIGKILL)

    training.save = save_and_die
    srlab(home, "train", *SMALL, "run_dir=half")


if __name__ == "__main__":
    run_tool(__doc__ or "", prepare)
