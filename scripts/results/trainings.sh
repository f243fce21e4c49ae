# shellcheck shell=bash
# train_once FOLDER OVERRIDE ...: a training, unless it is finished; one that was cut off goes on
train_once() {
    if [ -e "$1/results.csv" ]; then return; fi
    if [ -e "$1/config.yaml" ]; then srlab train resume="$1"; return; fi
    srlab train run_dir="$1" "${@:2}"
}

# check_names WORD NAME ...: each stands behind WORD at the beginning of a line of the script
check_names() {
    local known name
    known=" $(sed -n "s/^$1 \([a-z0-9_]*\).*/\1/p" "$0" | tr '\n' ' ')"
    for name in "${@:2}"; do
        if [[ "$known" != *" $name "* ]]; then echo "there is no $1 $name, but$known" >&2; exit 2; fi
    done
}
