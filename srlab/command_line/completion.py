"""Tab completion."""

import os

from srlab.command_line.complaints import _fail
from srlab.command_line.verbs import BENCHES, DATA, VERBS

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
        from srlab.command_line.application import run_application

        run_application(verb, verb, ["-sc", "query=bash"])
        if uses_network(verb) and rest.rpartition(" ")[2].startswith("model="):
            print(" ".join(f"model={name}" for name in (*shipped(), "list")))
