#!/usr/bin/env bash
# Measure srlab on a GPU, within nine minutes: every table of docs/performance.md, as JSON.
# usage: [SRLAB_DATA=FOLDER] scripts/gpu_bench.sh [FOLDER FOR THE RESULTS]
# Needs torch, torchvision and srlab's requirements; srlab itself need not be installed. With T91
# and Set5 under SRLAB_DATA it also trains ESPCN x3 to the paper's score against the clock.
# DEVICE=cpu TINY=1 runs all of it in a minute or two, to see that it runs.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
out=${1:-runs/gpu_bench}
device=${DEVICE:-cuda}
python=${PYTHON:-python3}
mkdir -p "$out"
if [ -n "$(ls -A "$out")" ]; then
    echo "$out is not empty: name another folder, nothing is overwritten" >&2
    exit 2
fi
if [ -n "${TINY:-}" ]; then
    often=(repeats=2) train=(seconds=0.05 batch_size=2 patch_size=8) sizes=("48 27 3" "36 20 4") steps=30 seeds=2
else
    often=(repeats=7) train=(seconds=0.5) sizes=("640 360 3" "480 270 4") steps=20_000 seeds=8
fi
failed=0
step() { # NAME COMMAND...: run a command, keep what it prints, go on when it fails
    echo "== $1"
    "${@:2}" 2>&1 | tee "$out/$1.txt" || { echo "failed: $1"; failed=1; }
}
srlab() { "$python" -m srlab "$@"; }

kinds=(fp32)
[ "$device" = cpu ] || kinds+=(bf16)
for kind in "${kinds[@]}"; do
    for model in espcn fsrcnn edsr_baseline; do
        step "train-$model-$kind" srlab bench train model=$model device="$device" \
            precision="$kind" "${train[@]}" "${often[@]}" output="$out/train-$model-$kind.json"
    done
done
step train-espcn-launched srlab bench train model=espcn device="$device" graph=false \
    "${train[@]}" "${often[@]}" output="$out/train-espcn-launched.json"

kinds=(fp32)
[ "$device" = cpu ] || kinds+=(fp16 bf16)
for size in "${sizes[@]}"; do
    read -r width height scale <<<"$size"
    for kind in "${kinds[@]}"; do
        for model in espcn fsrcnn; do
            name=upscale-$model-x$scale-$kind
            step "$name" srlab bench upscale model=$model scale="$scale" width="$width" \
                height="$height" device="$device" precision="$kind" "${often[@]}" \
                output="$out/$name.json"
        done
    done
done
step evaluate-espcn srlab bench evaluate model=espcn scale=3 device="$device" "${often[@]}" \
    output="$out/evaluate-espcn.json"
step seeds "$python" "$here/scripts/time_seeds.py" --device "$device" --seeds "$seeds" \
    --json "$out/seeds.json"

# Against the clock: the paper has 32.55 dB, 32.4 is what reproductions reach.
data=(data=photos testset=photos)
[ -d "${SRLAB_DATA:-data}/T91" ] && [ -d "${SRLAB_DATA:-data}/Set5" ] && data=(data=t91 testset=set5)
start=$(date +%s.%N)
step clock srlab train "${data[@]}" scale=3 device="$device" trainer.steps="$steps" \
    trainer.batch_size=32 trainer.patch_size=16 trainer.eval_every="$steps" run_dir="$out/clock"
"$python" - "$out" "$start" <<'PY' || failed=1
import json
import sys
import time

out, start = sys.argv[1], float(sys.argv[2])
with open(f"{out}/clock/results.json") as file:
    ours = json.load(file)[1]
answer = {key: ours[key] for key in ("testset", "psnr")} | {"seconds": time.time() - start}
with open(f"{out}/clock.json", "w") as file:
    json.dump(answer, file)
print("the whole command, imports and tables included:", answer)
PY
exit $failed
