"""The phases of a training: how large batches and patches are, by the number of the step alone."""

from dataclasses import dataclass

from srlab.config.schema import TrainerConfig


@dataclass(frozen=True)
class Phase:
    """Steps whose batches have one shape.

    Args:
        key: What of a config says it.
        first: The first step.
        last: The step after the last.
        batch_size: Patches in a batch.
        patch_size: Side of a patch in LR pixels.
    """

    key: str
    first: int
    last: int
    batch_size: int
    patch_size: int

    @property
    def told(self) -> str:
        """What its batches are."""
        return f"batches of {self.batch_size} patches of {self.patch_size}x{self.patch_size}"


def phases_of(trainer: TrainerConfig) -> list[Phase]:
    """Return the phases of a training, in order; what one leaves open is as in the one before."""
    batch_size, patch_size = trainer.batch_size, trainer.patch_size
    begins = [0, *(phase.step for phase in trainer.phases), trainer.steps]
    phases = [Phase("trainer", 0, begins[1], batch_size, patch_size)]
    for k, phase in enumerate(trainer.phases):
        batch_size = batch_size if phase.batch_size is None else phase.batch_size
        patch_size = patch_size if phase.patch_size is None else phase.patch_size
        key = f"trainer.phases[{k}]"
        phases.append(Phase(key, phase.step, begins[k + 2], batch_size, patch_size))
    return phases


def phase_faults(trainer: TrainerConfig) -> list[str]:
    """Return a sentence for each phase that makes no sense."""
    faults, before = [], 0
    for k, phase in enumerate(trainer.phases):
        key = f"trainer.phases[{k}]"
        if phase.step < 1:
            faults.append(f"{key}.step must be at least 1: the step from which on it counts")
        elif phase.step <= before:
            faults.append(f"{key}.step={phase.step} must be above {before}, the one before it")
        elif phase.step >= trainer.steps:
            faults.append(f"{key}.step={phase.step} must be under trainer.steps={trainer.steps}")
        before = max(before, phase.step)
        sizes = {"batch_size": phase.batch_size, "patch_size": phase.patch_size}
        if all(size is None for size in sizes.values()):
            faults.append(f"{key} changes nothing: give it a patch_size or a batch_size")
        faults += [
            f"{key}.{name} must be at least 1"
            for name, size in sizes.items()
            if size is not None and size < 1
        ]
    smallest = min(phases_of(trainer), key=lambda phase: phase.batch_size)
    if trainer.accumulate > smallest.batch_size:
        said = f"{smallest.key}.batch_size={smallest.batch_size}"
        faults.append(f"trainer.accumulate must be at most {said}")
    return faults
