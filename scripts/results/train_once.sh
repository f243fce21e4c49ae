# shellcheck shell=bash
# train_once FOLDER OVERRIDE ...: a training, unless it is finished; one that was cut off goes on
train_once() {
    if [ -e "$1/results.csv" ]; then return; fi
    if [ -e "$1/last.pt" ]; then srlab train resume="$1"; return; fi
    srlab train run_dir="$1" "${@:2}"
}
