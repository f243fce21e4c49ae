"""The typed part of each config: what a verb is told besides its components.

Components (model, upsampler, loss, optim, schedule, data, degradation, valset, testset) are open
dicts with a ``_target_``; ``config.check`` holds them against the signature of what they name.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from srlab.words import (
    Colour,
    Effort,
    ExportFormat,
    ExportPrecision,
    Picture,
    PictureFormat,
    Precision,
    Protocol,
    UpscalePrecision,
)


@dataclass
class PhaseConfig:
    """A phase of a training, from a step on; what it leaves open is as in the phase before.

    Args:
        step: The step from which on it counts.
        batch_size: Patches in a batch.
        patch_size: Side of a patch in LR pixels, without the frame that the network adds.
    """

    step: int = 0
    batch_size: int | None = None
    patch_size: int | None = None


@dataclass
class TrainerConfig:
    """How long, on how much, and what happens when; all counts are optimizer steps.

    Args:
        steps: Steps in all.
        batch_size: Patches in a batch.
        patch_size: Side of a patch in LR pixels, without the frame that the network adds.
        phases: Other batches from a step on, and what they have instead of ``batch_size``,
            ``patch_size`` or both: ``'trainer.phases=[{step: 5000, patch_size: 32}]'``.
        scales: Several scales that the network is trained for at once, as ``[2,3,4]``, of which
            each batch has one; it is judged at ``scale``, which is one of them. Its upsampler is
            ``meta`` or ``liif``.
        accumulate: In how many turns a batch is computed: what lies in memory at a time is so much
            less, and the step is the same.
        lr_factors: Factors on the learning rate: ``'+trainer.lr_factors={body.2: 0.1}'``.
        even_steps: Whether weights that all pixels of a block share, those of resize-convolution,
            learn at a rate that is lower by as many, and those that make the kernel of ``meta``.
        freeze: Parts of the network that keep their weights, by the names of their parameters'
            beginnings: ``[body]``.
        clip: Largest norm of the gradient; 0 does not clip.
        ema: Decay of the average of the weights, which is what is judged and kept; 0: no average.
        patience: Evaluations without a better score after which training stops; 0: never.
        precision: Number type of the layers; all but fp32 want CUDA, or bf16 a processor that has
            it. ``tf32`` rounds what goes into a convolution to 10 bits of mantissa, ``bf16`` to 7,
            ``fp16`` to 10 with gradients that are scaled.
        compile: Whether ``torch.compile`` fuses the forward pass and the loss.
        graph: Whether a step is recorded as a CUDA graph, where there is CUDA.
        log_every: Steps between two reports of the loss.
        eval_every: Steps between two evaluations.
        save_every: Steps between two checkpoints.
        devices: Processes that share each batch, on a GPU each, or on the CPU.
        workers: Processes that cut batches, for data that outgrow memory; 0: the training itself.
        threads: Threads on the CPU, each for a part of a batch; 0: PyTorch's own number.
    """

    steps: int = 10_000
    batch_size: int = 32
    patch_size: int = 16
    phases: list[PhaseConfig] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    accumulate: int = 1
    lr_factors: dict[str, float] = field(default_factory=dict)
    even_steps: bool = True
    freeze: list[str] = field(default_factory=list)
    clip: float = 0.0
    ema: float = 0.999
    patience: int = 0
    precision: Precision = Precision.fp32
    compile: bool = False
    graph: bool = True
    log_every: int = 100
    eval_every: int = 1000
    save_every: int = 500
    devices: int = 1
    workers: int = 0
    threads: int = 0


@dataclass
class TrainConfig:
    """A training run.

    Args:
        name: What tables call the run; made of what was chosen if null.
        scale: The factor s, a whole number; 1 restores a picture at its size.
        colour: What the network sees: luma, or all three channels.
        seed: What the start of the network and all batches depend on.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        run_dir: The run's folder; ``runs/NAME/TIME`` if null.
        resume: Folder of a run that is to go on where it was stopped or killed.
        start: Checkpoint, run or name, as compact_x3, of the network whose weights this one begins
            with, converted where scale, colour or upsampler are others.
        trust: Packages besides srlab's own that a checkpoint may name.
        model: The network.
        upsampler: What changes the size; the model brings its own unless one is chosen.
        loss: What is minimised.
        optim: The optimizer, with its learning rate.
        schedule: How the learning rate changes.
        data: The images to train on.
        degradation: What makes low resolution of them, and of what is judged; MATLAB's bicubic if
            empty.
        valset: The pictures that choose: ``best.pt``, the end of ``trainer.patience``, what
            ``srlab tune`` finds.
        testset: The sets that are reported on; nothing is chosen by them.
    """

    name: str | None = None
    scale: int = 3
    colour: Colour = Colour.y
    seed: int = 0
    device: str = "auto"
    run_dir: str | None = None
    resume: str | None = None
    start: str | None = None
    trust: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)
    valset: dict[str, Any] = field(default_factory=dict)
    testset: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


@dataclass
class SweepConfig(TrainConfig):
    """A training for every combination of the axes.

    It names its runs itself, so ``name``, ``run_dir`` and ``resume`` are refused;
    ``hydra/launcher`` says how the runs are started.

    Args:
        sweep_dir: The sweep's folder, with one for each run; named by the axes if null.
        tuned: Folder of a tuning: each choice is given what ``srlab tune`` found for it.
        until: Half a width in dB: seeds are added until each comparison of choices is decided, or
            known to it; null adds none.
        most_seeds: How many seeds there may be in all then.
    """

    sweep_dir: str | None = None
    tuned: str | None = None
    until: float | None = None
    most_seeds: int = 10


@dataclass
class TuneConfig(SweepConfig):
    """A search of the learning rate for each choice, by the validation set.

    Its folder is that of a sweep, and it holds ``tuned.json``, what was found. The seeds of a grid
    are left out: one seed searches, or those that the command line names.

    Args:
        search: The keys that are searched; all other axes are what is chosen for.
        stops: Fractions of the steps after which the poorer runs of a choice stop.
        keep: The part of a choice's runs that goes on at each stop.
        extend: At most so many further rates are tried for a choice whose best is at an end.
        margin: The lowest rate is taken that comes so near to the best, in dB: high ones lie beside
            those that diverge, and scatter with the seed.
    """

    search: list[str] = field(default_factory=lambda: ["optim.lr"])
    stops: list[float] = field(default_factory=lambda: [0.25, 0.5])
    keep: float = 0.5
    extend: int = 4
    margin: float = 0.05


@dataclass
class NetworkConfig:
    """A network: from a checkpoint, or as a model that is named.

    Args:
        checkpoint: A file, or a run folder, which stands for its ``last.pt``.
        scale: The factor s; a checkpoint has its own, and one with ``meta`` or ``liif`` any.
        colour: What the network sees: luma, or all three channels; a checkpoint has its own.
        trust: Packages besides srlab's own that the checkpoint may name.
        model: The network, where there is no checkpoint: an option, or one that comes with srlab.
        upsampler: What changes the size; the model brings its own unless one is chosen.
    """

    checkpoint: str | None = None
    scale: int | None = None
    colour: Colour | None = None
    trust: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)


@dataclass
class UseConfig(NetworkConfig):
    """What evaluating and upscaling share.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tile: LR pixels a side, 0 for the whole picture, or ``auto``; it changes no result.
        ensemble: Whether to average over the eight flips and rotations: eight times the work.
    """

    device: str = "auto"
    tile: int | str = "auto"
    ensemble: bool = False


@dataclass
class EvaluateConfig(UseConfig):
    """An evaluation on test sets, of one network or of several side by side.

    Args:
        checkpoint: A file, or a run folder, which stands for its ``last.pt``; or several, as
            ``[A,B]``.
        scale: The factor s, or several, as ``[2,2.5,3]``, for what has no weights and for
            checkpoints with ``meta`` or ``liif``; others have their own, and what lies between it
            and the whole one below.
        models: Several models by name, those that come with srlab and those without weights; on the
            command line it is ``model=A,B``. Bicubic stands above several whether named or not.
        testset: The sets to judge on.
        degradation: What makes low resolution of them; MATLAB's bicubic if empty.
        protocol: Whose tables the scores compare with: ``matlab``, as EDSR's and most since;
            ``vdsr``, as SRCNN's and VDSR's, LR not rounded; ``basicsr``, RGB of 8 bits, Y not
            rounded.
        details: Whether to print the scores of every image, not the means alone.
        output: Folder for the tables; beside the checkpoint, or in ``runs/evaluations``, if null.
        pictures: Folder for what was judged, as ``Set5/compact_x3/baby.png``; nowhere if null.
    """

    checkpoint: Any = None
    scale: Any = None
    models: list[str] = field(default_factory=list)
    testset: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)
    protocol: Protocol = Protocol.matlab
    details: bool = False
    output: str | None = None
    pictures: str | None = None


@dataclass
class UpscaleConfig(UseConfig):
    """An upscaling of pictures and videos, single ones or folders.

    Args:
        scale: How many times larger, as ``3`` or ``2.5``; by default what a checkpoint makes,
            else 2.
        size: Columns and rows, as ``3840x2160``, whatever the shape of the pictures.
        width: Columns; the rows follow from the shape.
        height: Rows; the columns follow from the shape.
        precision: Number type of the layers; ``auto`` is fp16 for 8-bit pictures on CUDA, else
            fp32. ``bf16`` costs up to 0.1 dB.
        effort: Which of the models that come with srlab are taken, where none is named: ``fast``,
            ``balanced`` or ``best``; if null, balanced for pictures and fast for videos.
        input: A picture, a video, ``[several,of,them]`` or a folder of them.
        recursive: Whether to look into the folders in a folder, too.
        first_frame: Whether to take only the first frame or page of a file that has several.
        format: What pictures become where ``output`` names no file; PNG if null, or for several
            frames and pages what they are.
        quality: Of JPEG and WebP, 1 to 100; 95 if null. JPEG keeps the colour of every pixel from
            90 on.
        output: Where the larger ones go: a file, or a folder for several; beside the input, as
            ``photo_x3.png``, if null.
    """

    scale: Any = None
    size: str | None = None
    width: int | None = None
    height: int | None = None
    precision: UpscalePrecision = UpscalePrecision.auto
    effort: Effort | None = None
    input: Any = MISSING
    recursive: bool = False
    first_frame: bool = False
    format: PictureFormat | None = None
    quality: int | None = None
    output: str | None = None


@dataclass
class DescribeConfig(NetworkConfig):
    """A description of a network, in words and as a picture.

    Args:
        seed: What the start of a network depends on that is not trained.
        plot: PNG file for a drawing of the upsampler: kernels, spectrum, flat areas, an edge.
    """

    seed: int = 0
    plot: str | None = None


@dataclass
class ExportConfig(NetworkConfig):
    """An export of a trained network.

    Args:
        format: ``onnx``, ``torch_export``, ``safetensors`` (weights and config, for srlab) or
            ``spandrel`` (SRVGGNetCompact, for chaiNNer and ComfyUI).
        picture: What a program takes: ``rgb``, or ``own``, what the network sees.
        precision: Number type of the layers; ``fp16`` halves the file.
        name: The title of the model; the run's name if null.
        output: The file; if null beside the checkpoint, or here for one that comes with srlab.
    """

    format: ExportFormat = MISSING
    picture: Picture = Picture.rgb
    precision: ExportPrecision = ExportPrecision.fp32
    name: str | None = None
    output: str | None = None


@dataclass
class ConvertConfig:
    """A conversion of a checkpoint to another upsampler, or of weights of others to a checkpoint.

    Args:
        checkpoint: What to convert, a file or a run folder; it is left as it is.
        output: File for the converted one; beside the checkpoint, as ``last-NAME.pt``, if null, or
            beside the weights of others, as ``STEM-srlab.pt``.
        trust: Packages besides srlab's own that the checkpoint may name.
        upsampler: What its upsampler is to become; its kernel size is chosen to fit. With ``scale``
            it is ``pixel_shuffle`` unless said otherwise, and ``liif`` stays what it is.
        source: File with weights of others; on the command line it is ``from``, a word that Python
            keeps for itself.
        scale: The factor s of these, where it does not show in them; or of a checkpoint with
            ``meta`` or ``liif``, what it is to be converted at.
    """

    checkpoint: str | None = None
    output: str | None = None
    trust: list[str] = field(default_factory=list)
    upsampler: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    scale: int | None = None


@dataclass
class DataShowConfig:
    """A picture of what a training is fed.

    Args:
        scale: The factor s.
        colour: Luma, or all three channels.
        seed: What the batches of a training depend on.
        patch_size: Side of a patch in LR pixels.
        patches: How many are drawn.
        data: The images to train on.
        degradation: What makes low resolution of them; MATLAB's bicubic if empty.
        output: The PNG file.
    """

    scale: int = 3
    colour: Colour = Colour.rgb
    seed: int = 0
    patch_size: int = 32
    patches: int = 8
    data: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)
    output: str = "patches.png"


@dataclass
class BenchTrainConfig:
    """A measurement of how fast training is.

    Args:
        scale: The factor s, a whole number; 1 restores a picture at its size.
        colour: What the network sees: luma, or all three channels.
        seed: What the start of the network and all batches depend on.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: Patches in a batch.
        patch_size: Side of a patch in LR pixels, without the frame that the network adds.
        ema: Decay of the average of the weights; 0: no average.
        precision: Number type of the layers; all but fp32 want CUDA, or bf16 a processor that has
            it.
        compile: Whether ``torch.compile`` fuses the forward pass and the loss.
        graph: Whether a step is recorded as a CUDA graph, where there is CUDA.
        workers: Processes that cut batches; 0: the training itself.
        threads: Threads on the CPU, each for a part of a batch; 0: PyTorch's own number.
        repeats: Pairs of measurements, srlab's and the bare limit's, in turn.
        seconds: Length of each.
        output: JSON file for the figures.
        model: The network.
        upsampler: What changes the size; the model brings its own unless one is chosen.
        loss: What is minimised.
        optim: The optimizer.
        data: The images to train on.
        degradation: What makes low resolution of them; MATLAB's bicubic if empty.
    """

    scale: int = 3
    colour: Colour = Colour.y
    seed: int = 0
    device: str = "auto"
    batch_size: int = 16
    patch_size: int = 17
    ema: float = 0.999
    precision: Precision = Precision.fp32
    compile: bool = False
    graph: bool = True
    workers: int = 0
    threads: int = 0
    repeats: int = 7
    seconds: float = 1.0
    output: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)


@dataclass
class BenchUseConfig(NetworkConfig):
    """What measurements of upscaling and of evaluating share.

    Args:
        seed: What the start of a network depends on that is not trained.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tile: LR pixels a side, 0 for the whole picture, or ``auto``.
        threads: Threads of PyTorch on the CPU; 0: its own choice.
        repeats: How often each thing is measured, in turn.
        output: JSON file for the figures.
    """

    seed: int = 0
    device: str = "auto"
    tile: int | str = "auto"
    threads: int = 0
    repeats: int = 7
    output: str | None = None


@dataclass
class BenchUpscaleConfig(BenchUseConfig):
    """A measurement of how fast a network upscales.

    Args:
        width: Width of the LR picture.
        height: Height of the LR picture.
        precision: Number type of the layers; ``auto`` is fp16 on CUDA, else fp32.
    """

    width: int = 640
    height: int = 360
    precision: UpscalePrecision = UpscalePrecision.auto


@dataclass
class BenchEvaluateConfig(BenchUseConfig):
    """A measurement of how fast a network is judged.

    Args:
        testset: The sets to judge on.
    """

    testset: dict[str, Any] = field(default_factory=dict)


@dataclass
class ReportConfig:
    """A report on the runs of a sweep, or on any networks.

    Args:
        sweep: The sweep's folder; runs that are not finished are left out.
        checkpoint: Instead of a sweep, checkpoints and run folders, as ``[A,B]``; they are judged
            anew.
        models: Models by name beside them, those that come with srlab and those without weights; on
            the command line it is ``model=A,B``.
        scale: The factor s, where no checkpoint says it.
        colour: What the networks see, where no checkpoint says it.
        testset: The sets to judge networks on; a sweep's are its own.
        degradation: What makes low resolution of them; MATLAB's bicubic if empty.
        output: Folder for the page and its tables; ``report`` in the sweep's if null, or in
            ``runs``.
        baseline: A choice that all others are compared with, beside all pairs.
        within: How many dB choices may differ that count as equal; 0: none do.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; where speed and memory are measured.
        threads: Threads of PyTorch on the CPU; 0: its own choice.
        width: Width of the LR picture on which speed and memory are measured.
        height: Height of that picture.
        trust: Packages besides srlab's own that the checkpoints may name.
    """

    sweep: str | None = None
    checkpoint: Any = None
    models: list[str] = field(default_factory=list)
    scale: int | None = None
    colour: Colour | None = None
    testset: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)
    output: str | None = None
    baseline: str | None = None
    within: float = 0.05
    device: str = "auto"
    threads: int = 0
    width: int = 320
    height: int = 180
    trust: list[str] = field(default_factory=list)
