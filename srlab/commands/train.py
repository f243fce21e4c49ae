"""``srlab train``: from a config to a run."""

import io
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from srlab import __version__
from srlab.atomic import write_atomically
from srlab.commands.device import choose_device
from srlab.commands.folders import dated
from srlab.commands.network import method_of, trusted_roots
from srlab.commands.run_folder import create_run, lock, read_run
from srlab.commands.showcase import Showcase, open_showcase
from srlab.commands.testsets import build_testsets, judge, read_testsets
from srlab.config.build import build
from srlab.config.check import ConfigError, check, check_upsampler_used
from srlab.config.schema import Precision, TrainConfig, check_ranges, check_scale
from srlab.data.pack import Pack, open_pack
from srlab.data.pairs import Pair
from srlab.data.patches import PatchBatches, loader
from srlab.errors import Interrupted, UserError
from srlab.evaluation.score import mean_score, protocol
from srlab.evaluation.tables import Result, as_csv, as_json, console_table
from srlab.inference.tiles import upscale_tiled
from srlab.training.checkpoint import load, save
from srlab.training.loop import Callbacks, Diverged, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.progress import Progress
from srlab.training.record import Record
from srlab.training.schedule import Schedule
from srlab.training.signals import Stopper
from srlab.training.state import TrainingState, average_of

_TILE = 256
_TRAINING_PARTS = ("srlab.losses", "srlab.training", "srlab.data", "torch.optim")


@dataclass
class Job:
    """The parts of a run, all built and checked, before anything is written."""

    config: TrainConfig
    device: torch.device
    state: TrainingState
    objective: nn.Module
    schedule: Schedule
    pack: Pack
    pairs: dict[str, list[Pair]]
    showcase: Showcase
    method: str | None

    @property
    def done(self) -> bool:
        """Whether all steps are done, or patience ended the run."""
        trainer = self.config.trainer
        return self.state.step >= trainer.steps or 0 < trainer.patience <= self.state.stale


def run(
    config: TrainConfig, choices: dict[str, Any], overrides: list[str], output: str | None
) -> float:
    """Train, or resume, and return the mean PSNR of the first test set at the end.

    Args:
        config: The composed config.
        choices: Hydra's choice for each group; they name a run that has no name.
        overrides: The command line's overrides.
        output: The run folder if Hydra's multirun sets one.

    Raises:
        UserError: Something in the config, the data or on the disk must be mended.
        Interrupted: A signal asked to stop; everything is saved.
    """
    if config.resume is not None:
        folder = Path(config.resume).expanduser()
        job = prepare(read_run(folder, overrides, config), trusted_roots(config.trust))
        lock(folder)
        _take_up(job, folder)
    else:
        config.name = config.name or _name(choices, config.scale)
        job = prepare(config, None)
        place = config.run_dir or output or dated(Path("runs") / config.name)
        folder = create_run(Path(place).expanduser(), plain(job.config))
        lock(folder)
    if not job.done:
        _train(job, folder)
    elif (folder / "results.json").exists():
        print(f"{folder} is finished: {job.state.step:,} steps are done")
        return job.state.history[-1]["psnr"]
    return _finish(job, folder)


def _name(choices: dict[str, Any], scale: int) -> str:
    """Name a run by what was chosen, as in espcn-deconv-x3 or espcn_t91_x3-deconv."""
    first = str(choices.get("experiment") or choices.get("model"))
    parts = [first, choices.get("upsampler"), None if first.endswith(f"x{scale}") else f"x{scale}"]
    return "-".join(str(part) for part in parts if part)


def plain(config: TrainConfig) -> dict[str, Any]:
    """Return a config as plain data: what a run folder and a checkpoint hold."""
    container = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items() if key not in ("resume", "run_dir")}


def prepare(config: TrainConfig, roots: tuple[str, ...] | None) -> Job:
    """Check everything, find the data, and build the parts.

    Args:
        config: The config of the run.
        roots: What it may name, if it comes from a file; None trusts it.

    Raises:
        UserError: Something must be mended; nothing was written but packs in the cache.
    """
    check_scale(config.scale)
    check_ranges(config)
    _check_components(config, roots)
    device = choose_device(config.device)
    trainer = config.trainer
    if trainer.precision != Precision.fp32 and device.type != "cuda":
        raise ConfigError(f"trainer.precision={trainer.precision.value} needs CUDA, not {device}")
    if trainer.threads:
        torch.set_num_threads(trainer.threads)

    torch.manual_seed(config.seed)
    model = build(config.model, "model").to(device)
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError("this model has no weights to train; use it with srlab evaluate")
    objective = build(config.loss, "loss").to(device)
    schedule = build(config.schedule, "schedule")
    groups = parameter_groups(model, trainer.lr_factors)
    try:
        optimizer = build(config.optim, "optim")(groups)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"optim: {error}") from None
    scaler = torch.amp.GradScaler(device.type, enabled=trainer.precision == Precision.fp16)
    state = TrainingState(model, optimizer, average_of(model, trainer.ema), scaler)

    images = build(config.data, "data")
    testsets = build_testsets(config.testset)
    pack = open_pack(images, config.scale, config.colour.value, trainer.patch_size)
    pairs = read_testsets(testsets, config.scale, config.colour)
    showcase = open_showcase(testsets[0].paths[0], config.scale, config.colour)
    method = method_of(config.model)
    return Job(config, device, state, objective, schedule, pack, pairs, showcase, method)


def _check_components(config: TrainConfig, roots: tuple[str, ...] | None) -> None:
    keys = ("model", "loss", "optim", "schedule", "data", "testset")
    empty = [key for key in keys if not getattr(config, key)]
    if empty:
        raise ConfigError(f"{', '.join(empty)} left empty: choose an option, as in {empty[0]}=...")
    check_upsampler_used(config.model, config.upsampler)
    allowed = None if roots is None else (*roots, *_TRAINING_PARTS)
    parts = {key: getattr(config, key) for key in ("upsampler", *keys)}
    if config.upsampler:
        shared = {key: config.upsampler.get(key) for key in ("_target_", "_partial_")}
        parts["model"] = config.model | {"upsampler": shared}  # its faults are told once
    check(parts, allowed)


def _take_up(job: Job, folder: Path) -> None:
    """Load the state of a run that was stopped; one that was killed before it saved starts anew."""
    path = folder / "last.pt"
    if not path.exists():
        return
    checkpoint = load(path)
    if "training" not in checkpoint:
        raise UserError(f"{path} holds no training state, so it cannot be resumed")
    if checkpoint["fingerprint"] != job.pack.fingerprint:
        raise UserError(f"the training images have changed since {folder} was begun")
    try:
        job.state.load_state_dict(checkpoint["training"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its run: {str(error).splitlines()[0]}") from None


def _train(job: Job, folder: Path) -> None:
    config, state = job.config, job.state
    trainer = config.trainer
    record = Record(folder, state.step)
    progress = Progress(trainer.steps, state.step)
    first_set = next(iter(job.pairs))

    def log(step: int, terms: dict[str, float], lr: float) -> None:
        record.losses(step, terms, lr, progress.rate(step))
        progress.update(step, sum(terms.values()))

    def evaluate() -> float:
        results = _judge(job)
        means = {r.testset: mean_score(r.scores) for r in results}
        state.history.append(
            {"step": state.step, "psnr": means[first_set].psnr, "ssim": means[first_set].ssim}
        )
        for name, mean in means.items():
            record.score(state.step, name, mean.psnr, mean.ssim)
        for name, image in job.showcase.pictures(_upscaler(job)).items():
            record.picture(state.step, f"{job.showcase.name}/{name}", image)
        scores = "  ".join(f"{n} {m.psnr:.2f} dB / {m.ssim:.4f}" for n, m in means.items())
        progress.score = f"  {first_set} {means[first_set].psnr:.2f} dB"
        progress.note(f"step {state.step:,}  {scores}  ({progress.rate(state.step):.0f} steps/s)")
        return means[first_set].psnr

    batches = PatchBatches(
        job.pack, trainer.batch_size, trainer.patch_size, state.model.halo, config.seed
    )
    settings = LoopSettings(
        trainer.steps, trainer.log_every, trainer.eval_every, trainer.save_every, trainer.clip,
        trainer.patience, trainer.precision.value, trainer.compile,
    )  # fmt: skip
    where = (
        f"{trainer.steps:,} steps on {job.device}, {state.step:,} done"
        if state.step
        else (f"{trainer.steps:,} steps on {job.device}")
    )
    progress.note(f"training {config.name} in {folder}: {where}")
    try:
        with Stopper() as stopper:
            callbacks = Callbacks(
                log=log,
                evaluate=evaluate,
                save_last=lambda: save(folder / "last.pt", _checkpoint(job, whole=True)),
                save_best=lambda: save(folder / "best.pt", _checkpoint(job, whole=False)),
                stop=lambda: stopper.signal is not None,
            )
            pin = job.device.type == "cuda"
            ending = fit(
                state, job.objective,
                loader(batches, state.step, trainer.steps, trainer.workers, pin),
                job.schedule, settings, callbacks, job.device, state.model.halo,
            )  # fmt: skip
    except Diverged as error:
        raise UserError(f"{error}; {_advice(folder)}") from None
    finally:
        progress.close()
        record.close()
    if ending == "signal" and not job.done:
        raise Interrupted(
            f"stopped at step {state.step:,} and saved; go on with: srlab train resume={folder}",
            128 + int(stopper.signal or 0),
        )
    if ending == "patience":
        print(f"stopped early: no better score in {trainer.patience} evaluations")


def _advice(folder: Path) -> str:
    kept = folder / "last.pt"
    good = (
        f"the last good checkpoint is {kept} (step {load(kept)['step']:,})"
        if kept.exists()
        else ("no checkpoint was saved before")
    )
    return f"{good}; try a lower optim.lr, trainer.clip=1, a longer schedule.warmup or fp32"


def _finish(job: Job, folder: Path) -> float:
    """Judge the final weights beside bicubic, and write the tables and the picture."""
    results = _judge(job)
    bicubic = judge(
        job.showcase.bicubic, job.pairs, job.config.scale, job.config.colour, "bicubic", "bicubic"
    )
    results = [r for pair in zip(bicubic, results, strict=True) for r in pair]
    sheet = job.showcase.sheet(_upscaler(job), str(job.config.name))
    write_atomically(folder / "results.json", as_json(results).encode())
    write_atomically(folder / "results.csv", as_csv(results).encode())
    metrics = json.dumps({"step": job.state.step, "history": job.state.history}, indent=2) + "\n"
    write_atomically(folder / "metrics.json", metrics.encode())
    drawn = io.BytesIO()
    sheet.save(drawn, format="PNG")
    write_atomically(folder / "comparison.png", drawn.getbuffer())
    print(f"\n{console_table(results, per_image=False)}\n")
    print(f"protocol:   {protocol(job.config.scale, job.config.colour.value)}")
    print(f"checkpoint: {folder}/last.pt\npicture:    {folder}/comparison.png")
    print(f"use it:     srlab upscale checkpoint={folder}/last.pt input=PICTURE output=LARGER.png")
    return job.state.history[-1]["psnr"]


def _upscaler(job: Job):
    return partial(upscale_tiled, job.state.network.eval(), tile=_TILE)


def _judge(job: Job) -> list[Result]:
    config = job.config
    name = str(config.name)
    return judge(_upscaler(job), job.pairs, config.scale, config.colour, name, job.method)


def _checkpoint(job: Job, whole: bool) -> dict[str, Any]:
    checkpoint = {
        "config": plain(job.config),
        "weights": job.state.network.state_dict(),
        "step": job.state.step,
        "fingerprint": job.pack.fingerprint,
        "info": {"srlab": __version__, "torch": str(torch.__version__)},
    }
    return checkpoint | ({"training": job.state.state_dict()} if whole else {})
