"""The command line: ``srlab VERB key=value ...``; each verb is a Hydra app of its own.

Nothing here imports torch, so that help and completion are quick.
"""

import os
import re
import sys
import warnings

VERBS = {
    "train": "train a network; ends with a table and a picture",
    "sweep": "train all combinations of what is to be compared, all else equal",
    "report": "compare the runs of a sweep: ranking, cost, pictures, in one page",
    "evaluate": "PSNR and SSIM of a checkpoint or a baseline",
    "upscale": "enlarge a picture, a folder of pictures or a video",
    "describe": "what a network consists of and costs, what its upsampler can do; with a picture",
    "convert": "give a checkpoint another upsampler that computes the same, or bring a model in",
    "export": "write a trained network as safetensors, ONNX, torch.export, or for spandrel",
    "data": "list, fetch and check the public image sets",
    "bench": "how fast training, upscaling or evaluating is here, beside the bare limit",
}
BENCHES = ("train", "upscale", "evaluate")
DATA = ("list", "fetch", "check")

# What an interrupted verb leaves, where it is not nothing.
_LEFT = {
    "train": " before there was anything to save",
    "data": "; the same command goes on with what has arrived",
}

_PATH_KEY = re.compile(
    r"\+{0,2}(input|output|checkpoint|source|run_dir|sweep_dir|sweep|resume|start|plot|(\w+\.)+(path|root))"
)

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

_COMPLETION = """\
_srlab() {
    local line="${COMP_LINE:0:$COMP_POINT}" entry
    local word="${line##* }"
    COMPREPLY=($(compgen -W "$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \\
        srlab completion query 2>/dev/null)" -- "$word"))
    if [ ${#COMPREPLY[@]} -eq 0 ] && [ "$word" != "${word#*=}" ]; then
        for entry in $(compgen -f -- "${word#*=}"); do
            COMPREPLY+=("${word%%=*}=$entry")
        done
    fi
    if [ "$word" != "${word#*=}" ] && [ "$COMP_WORDBREAKS" != "${COMP_WORDBREAKS#*=}" ]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
    fi
}
complete -o nospace -o default -F _srlab srlab
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


def _completion(arguments: list[str]) -> None:
    match arguments:
        case ["bash"]:
            print(_COMPLETION, end="")
        case ["zsh"]:
            print("autoload -Uz compinit bashcompinit")
            print("(( $+functions[compdef] )) || compinit")
            print("bashcompinit\n" + _COMPLETION, end="")
        case ["query"]:
            _answer_query(os.environ.get("COMP_LINE", ""), os.environ.get("COMP_POINT", ""))
        case _:
            _fail("srlab completion wants bash or zsh")


def _answer_query(line: str, point: str) -> None:
    """Print what may follow in the command line ``line``, up to the cursor at ``point``."""
    line = line[: int(point)] if point.isdigit() else line
    program, _, rest = line.partition(" ")
    verb, space, rest = rest.lstrip().partition(" ")
    if space and verb == "bench":
        subject, space, rest = rest.lstrip().partition(" ")
        if not space:
            print(" ".join(BENCHES))
            return
        verb = f"bench_{subject}"
    if not space:
        print(" ".join([*VERBS, "completion"]))
    elif verb == "completion":
        print("bash zsh")
    elif verb == "data":
        from srlab.data.manifest import read_manifests

        print(" ".join(read_manifests() if " " in rest.lstrip() else DATA))
    elif verb in VERBS or verb.removeprefix("bench_") in BENCHES:
        from srlab.config.register import uses_network
        from srlab.weights import shipped

        line = f"{program} {rest}"
        os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
        from srlab.commands.application import run_application

        run_application(verb, verb, ["-sc", "query=bash"])
        if uses_network(verb) and rest.rpartition(" ")[2].startswith("model="):
            print(" ".join(f"model={name}" for name in (*shipped(), "list")))


def _run(verb: str, arguments: list[str]) -> None:
    """Run a verb and turn what goes wrong into an exit status and, for the user, one sentence."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from srlab.commands.application import run_application, run_sweep
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


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Tell our own warnings in a sentence, and others as Python does."""
    from srlab.errors import CheckerboardWarning

    if issubclass(category, CheckerboardWarning):
        print(f"srlab: {message}", file=sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, end="", file=file or sys.stderr)


def _by_checkpoint(arguments: list[str]) -> list[str]:
    """Let the name of a model that comes with srlab stand for its checkpoint."""
    from srlab.weights import shipped

    names = {f"model={name}": path for name, path in shipped().items()}
    named = [argument for argument in arguments if argument in names]
    given = [argument for argument in arguments if argument.startswith("checkpoint=")]
    if named and given:
        _fail(f"give {named[0]} or {given[0]}, not both")
    return [f"checkpoint={names[a]}" if a in names else a for a in arguments]


def _quoted(argument: str) -> str:
    """Quote the value of a key that holds a path, so that Hydra takes any file name as it is."""
    key, equals, value = argument.partition("=")
    plain = re.fullmatch(r"[\w./~:-]*", value, re.ASCII) or "${" in value or value[:1] in "'\""
    if not equals or plain or not _PATH_KEY.fullmatch(key):
        return argument
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


def _sentence(verb: str, arguments: list[str], error: Exception) -> str:
    """Say in a sentence what Hydra or OmegaConf found wrong."""
    from srlab.config.suggest import explain

    text = str(error)
    if "Could not override 'upsampler'" in text:
        if any(a.startswith("checkpoint=") for a in arguments):
            return "a checkpoint has its upsampler; srlab convert gives it another"
        if not any(a.startswith("model=") for a in arguments):
            return "upsampler=... goes with a model: add model=NAME"
        model = next((a for a in arguments if a.startswith("model=")), "the model")
        return f"{model} takes no upsampler: it would ignore upsampler=..."
    cause = str(error.__cause__ or "")
    explained = explain(verb, text) or explain(verb, cause)
    if explained is not None:
        return explained
    if text.startswith("Error merging override"):
        override = text.splitlines()[0].removeprefix("Error merging override ")
        hint = "; write whole numbers as 10_000" if "to Integer" in cause else ""
        return f"{override}: {cause.splitlines()[0] if cause else 'it does not fit'}{hint}"
    return text.strip()


def _tell_plugin_faults() -> None:
    from srlab.config.plugins import plugin_faults

    for fault in plugin_faults():
        print(f"srlab: {fault}", file=sys.stderr)


def _fail(message: str) -> None:
    print(f"srlab: {message}", file=sys.stderr)
    sys.exit(2)
