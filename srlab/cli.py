"""The command line: ``srlab VERB key=value ...``; each verb is a Hydra app of its own.

Nothing here imports torch, so that help and completion are quick.
"""

import os
import re
import sys
import warnings

from srlab.command_line.arguments import _by_checkpoint, _quoted
from srlab.command_line.complaints import _fail, _sentence, _show_warning
from srlab.command_line.completion import _completion
from srlab.command_line.verbs import _LEFT, BENCHES, VERBS

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
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        _tell_plugin_faults()
        print(_help(), end="")
    elif arguments[0] == "--version":
        from srlab import __version__

        print(f"srlab {__version__}")
    elif arguments[0] == "completion":
        _completion(arguments[1:])
    elif arguments[0] == "bench":
        _bench(arguments[1:])
    elif arguments[0] in VERBS:
        _tell_plugin_faults()
        _run(arguments[0], arguments[1:])
    else:
        from srlab.config.check import did_you_mean

        meant = did_you_mean(arguments[0], VERBS)
        _fail(f"srlab has no verb {arguments[0]!r}{meant} It has {', '.join(VERBS)}.")


def _bench(arguments: list[str]) -> None:
    """Run one of the measurements, which are verbs of two words."""
    choices = f"{', '.join(BENCHES[:-1])} or {BENCHES[-1]}"
    if not arguments:
        _fail(f"srlab bench wants {choices}")
    elif arguments[0] in ("-h", "--help", "help"):
        print(f"srlab bench: {VERBS['bench']}\n\nusage: srlab bench {'|'.join(BENCHES)} [...]")
        print("\n`srlab bench train --help` and so on say more.")
    elif arguments[0] not in BENCHES:
        _fail(f"srlab bench wants {choices}, got {arguments[0]!r}")
    else:
        _tell_plugin_faults()
        _run(f"bench_{arguments[0]}", arguments[1:])


def _help() -> str:
    from srlab.config.plugins import option_files

    groups = [f"  {group + ':':<12}{', '.join(names)}" for group, names in option_files().items()]
    verbs = "\n".join(f"  {verb:<12}{text}" for verb, text in VERBS.items())
    return _HELP.format(verbs=verbs, groups="\n".join(groups))


def _run(verb: str, arguments: list[str]) -> None:
    """Run a verb and turn what goes wrong into an exit status and, for the user, one sentence."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from srlab.command_line.application import run_application
    from srlab.commands.sweep.command import run_sweep
    from srlab.config.register import uses_network
    from srlab.errors import Interrupted, UserError

    if uses_network(verb) and "model=list" in arguments:
        from srlab.commands.model_list import table

        print(table())
        return
    if uses_network(verb):
        arguments = _by_checkpoint(arguments)
    if verb == "convert":  # no field of a config can be called ``from``
        arguments = [re.sub(r"^(\+{0,2})from=", r"\1source=", a) for a in arguments]
    arguments = [_quoted(argument) for argument in arguments]
    warnings.showwarning = _show_warning
    full_error = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions come here
    try:
        if verb == "data":
            from srlab.commands.data import run

            run(arguments)
        elif verb == "sweep":
            run_sweep(arguments)
        else:
            run_application(verb, verb, arguments)
    except UserError as error:
        _fail(str(error))
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        print(f"srlab: interrupted{_LEFT.get(verb, '; nothing half is left')}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        if full_error:
            raise
        _fail(_sentence(verb, arguments, error))
    except OSError as error:
        if full_error or error.filename is None:
            raise
        _fail(f"cannot read or write {error.filename}: {error.strerror}")


def _tell_plugin_faults() -> None:
    from srlab.config.plugins import plugin_faults

    for fault in plugin_faults():
        print(f"srlab: {fault}", file=sys.stderr)
