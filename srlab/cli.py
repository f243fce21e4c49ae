"""The command line: ``srlab VERB key=value ...``; each verb is a Hydra app of its own.

Nothing here imports torch, so that help and completion are quick.
"""

import io
import os
import sys
import warnings
from pathlib import Path

from srlab.command_line.verbs import BENCHES, DATA_SHOW, VERBS, Verb
from srlab.console.failure import fail
from srlab.errors import Interrupted, UserError

_HELP = """\
srlab: super-resolution networks whose upsampling is a choice

usage: srlab VERB [group=option ...] [key=value ...]

{verbs}
  completion  print the tab completion for bash or zsh

Groups and their options (srlab VERB --help says more):

{groups}

Examples:

  srlab train
  srlab train model=srcnn scale=2 trainer.steps=5000
  srlab evaluate model=bicubic scale=3

Tab completion:  eval "$(srlab completion bash)"    or zsh, in ~/.bashrc or ~/.zshrc
"""


def main() -> None:
    """Run ``srlab``; exit with 0, 2 for a mistake of the user's, 128 + n by signal n."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that cannot be shown ends nothing
            stream.reconfigure(errors="backslashreplace")
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        _tell_plugin_faults()
        print(_help(), end="")
    elif name == "--version":
        from srlab import __version__

        print(f"srlab {__version__}")
    elif name == "completion":
        from srlab.command_line.completion import complete

        complete(arguments)
    elif name == "bench":
        _bench(arguments)
    elif name == "data" and arguments[:1] == ["show"]:
        _tell_plugin_faults()
        _run("data show", DATA_SHOW, arguments[1:])
    elif name in VERBS:
        _tell_plugin_faults()
        _run(name, VERBS[name], arguments)
    else:
        from srlab.config.check import did_you_mean

        meant = did_you_mean(name, VERBS)
        fail(f"srlab has no verb {name!r}{meant} It has {', '.join(VERBS)}.")


def _bench(arguments: list[str]) -> None:
    """Run one of the measurements, which are verbs of two words."""
    *others, last = BENCHES
    choices = f"{', '.join(others)} or {last}"
    if not arguments:
        fail(f"srlab bench wants {choices}")
    elif arguments[0] in ("-h", "--help", "help"):
        print(f"srlab bench: {VERBS['bench'].says}\n\nusage: srlab bench {'|'.join(BENCHES)} [...]")
        print("\n`srlab bench train --help` and so on say more.")
    elif arguments[0] not in BENCHES:
        fail(f"srlab bench wants {choices}, got {arguments[0]!r}")
    else:
        _tell_plugin_faults()
        _run(f"bench {arguments[0]}", BENCHES[arguments[0]], arguments[1:])


def _help() -> str:
    from srlab.config.plugins import option_files

    groups = [f"  {group + ':':<12}{', '.join(names)}" for group, names in option_files().items()]
    verbs = "\n".join(f"  {name:<12}{verb.says}" for name, verb in VERBS.items())
    return _HELP.format(verbs=verbs, groups="\n".join(groups))


def _run(name: str, verb: Verb, arguments: list[str]) -> None:
    """Run a verb and turn what goes wrong into an exit status and, for the user, one sentence."""
    try:
        Path.cwd()
    except FileNotFoundError:
        fail("the folder where this was started is gone: change to another")
    full_error = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions come here
    try:
        _start(name, verb, arguments)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        print(f"srlab: interrupted{verb.interrupted}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        told = _told(verb.config or name, arguments, error, full_error)
        if told is None:
            raise
        fail(told)


def _start(name: str, verb: Verb, arguments: list[str]) -> None:
    from srlab.command_line.application import run_application
    from srlab.command_line.arguments import as_hydra_reads
    from srlab.command_line.complaints import show_warning
    from srlab.config.register import uses_network

    warnings.showwarning = show_warning
    arguments = as_hydra_reads(verb.config or name, arguments)
    if "model=list" in arguments and uses_network(verb.config):
        from srlab.commands.model_list import table

        print(table())
    elif verb.config:
        run_application(name, verb.config, arguments, verb.function)
    else:
        verb.function()(arguments)


def _told(config: str, arguments: list[str], error: Exception, full_error: bool) -> str | None:
    """Return the sentence for what the user can mend; None for a fault of ours."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from srlab.command_line.arguments import as_hydra_reads
    from srlab.command_line.complaints import sentence
    from srlab.machine.shortage import shortage

    if isinstance(error, UserError):
        return str(error)
    if full_error:
        return None
    if isinstance(error, HydraException | OmegaConfBaseException):
        return sentence(config, as_hydra_reads(config, arguments), error)
    told = shortage(error)
    if told is None and isinstance(error, OSError) and error.filename is not None:
        return f"cannot read or write {error.filename}: {error.strerror}"
    return told


def _tell_plugin_faults() -> None:
    from srlab.config.plugins import plugin_faults

    for fault in plugin_faults():
        print(f"srlab: {fault}", file=sys.stderr)
