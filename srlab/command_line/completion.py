"""Tab completion."""

import os

from srlab.command_line.verbs import BENCHES, DATA, VERBS
from srlab.console.failure import fail

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


def complete(arguments: list[str]) -> None:
    """Do what ``srlab completion`` is asked: print the script of a shell, or answer it."""
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
            fail("srlab completion wants bash or zsh")


def _answer_query(line: str, point: str) -> None:
    """Print what may follow in the command line ``line``, up to the cursor at ``point``."""
    line = line[: int(point)] if point.isdigit() else line
    program, _, rest = line.partition(" ")
    name, space, rest = rest.lstrip().partition(" ")
    verb = VERBS.get(name)
    if not space:
        print(" ".join([*VERBS, "completion"]))
        return
    if name == "bench":
        name, space, rest = rest.lstrip().partition(" ")
        verb = BENCHES.get(name)
        if not space:
            print(" ".join(BENCHES))
        if not space or verb is None:
            return
    if name == "completion":
        print("bash zsh")
    elif name == "data":
        from srlab.data.manifest import read_manifests

        print(" ".join(read_manifests() if " " in rest.lstrip() else DATA))
    elif verb is not None:
        from srlab.command_line.application import run_application
        from srlab.config.register import uses_network
        from srlab.weights import shipped

        config = verb.config or name
        line = f"{program} {rest}"
        os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
        run_application(name, config, ["-sc", "query=bash"], verb.function)
        if uses_network(config) and rest.rpartition(" ")[2].startswith("model="):
            print(" ".join(f"model={name}" for name in (*shipped(), "list")))
