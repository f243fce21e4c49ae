"""What upsamplers and models promise alike, and how a broken promise is told."""

import copy
import io
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from srlab.errors import WaitingWarning
from srlab.testing.waiting import WouldWait, rehearsal

TOLERANCE = 1e-5  # of the largest output, in double precision


def require(holds: bool, sentence: str) -> None:
    """Raise AssertionError with a sentence unless something holds."""
    if not holds:
        raise AssertionError(sentence)


def attempt(make: Callable[[], nn.Module], name: str) -> nn.Module | str:
    """Make a module, or return the sentence by which it refuses to be made.

    Raises:
        AssertionError: It fails otherwise than by a ValueError that says why.
    """
    try:
        module = make()
    except ValueError as error:
        require(len(str(error).split()) > 2, f"{name} is refused without a word: say why")
        return str(error)
    except Exception as error:
        raise AssertionError(
            f"{name} cannot be made: {type(error).__name__}: {error} "
            f"(sizes that it cannot do are refused by a ValueError that says why)"
        ) from error
    require(isinstance(module, nn.Module), f"{name} is a {type(module).__name__}, no nn.Module")
    return module


def run(name: str, module: nn.Module, *inputs: Tensor, **options: int) -> Tensor:
    """Call a module.

    Raises:
        AssertionError: It fails, or returns no tensor.
    """
    try:
        output = module(*inputs, **options)
    except Exception as error:
        given = " and ".join(size(x) for x in inputs)
        raise AssertionError(f"{name} fails on {given}: {type(error).__name__}: {error}") from error
    require(isinstance(output, Tensor), f"{name} returns a {type(output).__name__}, no tensor")
    return output


def size(x: Tensor) -> str:
    """Return the shape of a tensor as in 2x3x10x12."""
    return "x".join(str(n) for n in x.shape)


def distance(x: Tensor, y: Tensor) -> float:
    """Return the largest difference of two tensors, as a fraction of ``y`` where that is over 1."""
    return ((x - y).abs().max() / y.abs().max().clamp(min=1)).item()


def disturb(module: nn.Module) -> None:
    """Add noise to what is trained: a start may be zero or symmetric, and then hide faults."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                fan_in = parameter[0].numel() if parameter.dim() > 1 else 100
                parameter.add_(torch.randn_like(parameter), alpha=0.5 * max(fan_in, 1) ** -0.5)


def check_behaviour(name: str, make: Callable[[], nn.Module], inputs: Sequence[Tensor]) -> None:
    """Check what is independent of shapes.

    The output is finite at the start and keeps the number type, it is a function of the input and
    of the ``state_dict`` alone, pictures of a batch don't mix, and gradients reach everything. What
    in a training step waits for a GPU is warned of (``WaitingWarning``).

    Args:
        name: What to call the module in messages.
        make: Makes it; each time with weights of its own.
        inputs: Its arguments, float32, two pictures each.

    Raises:
        AssertionError: With the first fault.
    """
    module = make().eval()
    with torch.no_grad():
        start = run(name, module, *inputs)
    require(start.dtype == torch.float32, f"{name} makes {start.dtype} of torch.float32")
    require(bool(start.isfinite().all()), f"{name} makes numbers at its start that are not finite")
    module.double()
    disturb(module)
    double = [x.double() for x in inputs]
    with torch.no_grad():
        output = run(name, module, *double)
        require(output.dtype == torch.float64, f"{name} makes {output.dtype} of torch.float64")
        again = run(name, module, *double)
        require(
            torch.equal(output, again),
            f"{name} gives another output the second time, in evaluation mode",
        )
        first = run(name, module, *(x[:1] for x in double))
        require(
            distance(first, output[:1]) < TOLERANCE,
            f"{name} mixes the pictures of a batch: alone, one gives another output",
        )
        _check_copies(name, module, make, double, output)
    _check_gradients(name, module, double)
    if not getattr(module, "learns", False):
        _check_waits(name, make().train(), inputs)


def _check_copies(
    name: str, module: nn.Module, make: Callable[[], nn.Module], inputs: list[Tensor], want: Tensor
) -> None:
    try:
        twin = copy.deepcopy(module)
    except Exception as error:
        raise AssertionError(f"{name} cannot be copied by copy.deepcopy: {error}") from error
    require(torch.equal(run(name, twin, *inputs), want), f"a deep copy of {name} is another")
    file = io.BytesIO()
    other = make().double().eval()
    try:
        torch.save(module.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
    except Exception as error:
        raise AssertionError(f"the state_dict of {name} cannot be loaded: {error}") from error
    require(
        torch.equal(run(name, other, *inputs), want),
        f"{name} computes with something that its state_dict lacks: another one that has loaded "
        f"it gives another output (register parameters and buffers)",
    )


def _check_gradients(name: str, module: nn.Module, inputs: list[Tensor]) -> None:
    module.train()
    inputs = [inputs[0].clone().requires_grad_(), *inputs[1:]]
    output = run(name, module, *inputs)
    require(output.requires_grad, f"{name} cuts the gradient off")
    (output * torch.randn_like(output)).sum().backward()
    reached = {"the input": inputs[0].grad}
    reached |= {key: p.grad for key, p in module.named_parameters() if p.requires_grad}
    for key, gradient in reached.items():
        if gradient is None or not gradient.any():
            raise AssertionError(f"no gradient reaches {key} of {name}")
        require(bool(gradient.isfinite().all()), f"the gradient of {key} of {name} is not finite")


def _check_waits(name: str, module: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Warn of what waits for a GPU, or cannot be rehearsed without one: it works, but slowly."""
    module.to("meta")
    there = [x.to("meta").requires_grad_() for x in inputs]
    try:
        with rehearsal():
            module(*there).sum().backward()
    except WouldWait as found:
        sentence = (
            f"{name} waits for a GPU within a step, so that no CUDA graph can record it: {found}. "
            f"Make constants where they are used, as by torch.ones(3, device=x.device), or "
            f"register buffers, and decide nothing by the values of a tensor"
        )
    except Exception as error:
        sentence = (
            f"whether {name} waits for a GPU within a step cannot be told: on torch's meta device "
            f"it fails: {type(error).__name__}: {(str(error) or '-').splitlines()[0]}"
        )
    else:
        return
    warnings.warn(sentence, WaitingWarning, stacklevel=2)
