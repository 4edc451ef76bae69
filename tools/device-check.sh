#!/usr/bin/env bash
# Everything that is checked on a GPU: tests, conformance, memory and race checks, benchmarks.
#
#   bash tools/device-check.sh [tests|conformance|webgpu|memcheck|racecheck|bench ...]
#
# Runs in a built checkout (or what tools/pack-device.sh packed), uses Node of PATH or .device/node, and writes logs and
# figures to $OUT (out/device). CONFORMANCE and BENCH choose operators and benchmarks by the start of their name. Ends
# with a summary and a code that is not 0 if a step failed.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out/device}
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -x .device/node ] && PATH="$PWD/.device:$PATH"
PATH="$PATH:/usr/local/cuda/bin"
CLIPGSTREAM_COMMIT=$(cat .device/commit 2>/dev/null || git rev-parse --short HEAD 2>/dev/null || echo unknown)
export CLIPGSTREAM_COMMIT
steps=("$@")
[ ${#steps[@]} -eq 0 ] && steps=(tests conformance webgpu memcheck racecheck bench)
summary="$out/summary.txt"
failed=0

say() { echo "$*" | tee -a "$summary"; }

# step TITLE SECONDS COMMAND...: output to the screen and to TITLE.log
step() {
  local title=$1 limit=$2 started=$SECONDS code
  shift 2
  echo; echo "== $title: $*"
  timeout "$limit" "$@" 2>&1 | tee "$out/$title.log"
  code=${PIPESTATUS[0]}
  if [ "$code" -eq 0 ]; then say "$title: ok, $((SECONDS - started)) s"
  elif [ "$code" -eq 124 ]; then say "$title: FAILED, longer than $limit s"; failed=1
  else say "$title: FAILED with code $code, $((SECONDS - started)) s"; failed=1; fi
}

conformance=(node --import tsx tools/conformance/run.ts --device cuda)
[ -n "${CONFORMANCE:-}" ] && conformance+=(--operator "$CONFORMANCE")

sanitize() {
  local tool=$1
  shift
  if ! command -v compute-sanitizer > /dev/null; then
    say "$tool: SKIPPED, there is no compute-sanitizer on PATH or in /usr/local/cuda/bin"
    return
  fi
  # The small cases: a kernel runs 10 to 100 times slower under it.
  step "$tool" 300 compute-sanitizer --tool "$tool" --error-exitcode 99 "$@" "${conformance[@]}" --size small
}

: > "$summary"
say "commit $CLIPGSTREAM_COMMIT, node $(node --version)"
say "GPU $({ nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; } 2>&1 | paste -sd';')"
for name in "${steps[@]}"; do
  case $name in
    tests)
      files=(packages/*/test/*cuda*.test.ts packages/tensor/test/primitives.test.ts)
      # Suites over all devices.
      files+=(packages/losses/test/losses.test.ts packages/optimizers/test/adam.test.ts)
      files+=(packages/gaussians/test/{operators,gpu}.test.ts)
      # One file after the other: they share the GPU, and some measure time.
      step tests 300 node node_modules/vitest/vitest.mjs run --no-file-parallelism "${files[@]}"
      grep -q 'skipped: device cuda' "$out/tests.log" && { say 'tests: FAILED, there is no usable GPU'; failed=1; }
      ;;
    conformance) step conformance 300 "${conformance[@]}" --json "$out/conformance.json" ;;
    webgpu)
      # Tests and conformance on the GPU through Vulkan; they fail where that does not work.
      through=(env CLIPGSTREAM_WEBGPU_ADAPTER=hardware CLIPGSTREAM_REQUIRE_WEBGPU=1)
      files=(packages/*/test/*webgpu*.test.ts packages/tensor/test/primitives.test.ts)
      step webgpu-tests 300 "${through[@]}" node node_modules/vitest/vitest.mjs run --no-file-parallelism "${files[@]}"
      against=(node --import tsx tools/conformance/run.ts --device webgpu)
      [ -n "${CONFORMANCE:-}" ] && against+=(--operator "$CONFORMANCE")
      step webgpu-conformance 300 "${against[@]}" --json "$out/conformance-webgpu.json"
      ;;
    memcheck) sanitize memcheck --leak-check no --report-api-errors no ;;
    racecheck) sanitize racecheck --racecheck-report all ;;
    bench)
      mapfile -t all < <(cd benchmarks && ls -- *{cuda,-gpu}*.bench.ts)
      read -ra names <<< "${BENCH:-${all[*]}}"
      step bench 400 node --import tsx benchmarks/run.ts "${names[@]}" --json "$out/bench.json"
      ;;
    *) say "there is no step $name"; failed=1 ;;
  esac
done
echo; echo "== summary"; cat "$summary"
exit $failed
