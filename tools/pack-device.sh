#!/usr/bin/env bash
# Packs a built checkout and this machine's Node for a GPU machine that has neither: DIR/node.tar.xz, which rarely
# changes, and DIR/workspace.tar.xz. Unpack both in one folder there and run `bash tools/device-check.sh`.
# `--no-images` leaves sharp out, `--no-tests` vitest.
set -euo pipefail
dir=$(realpath -m "${1:?usage: pack-device.sh DIR [--no-images] [--no-tests]}")
shift
cd "$(dirname "$0")/.."
mkdir -p "$dir"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
# The filter is for machine code; a large dictionary finds what the libraries have in common.
pack=(xz -T2 --x86 --lzma2=preset=9,dict=64MiB -c)

if [ ! -e "$dir/node.tar.xz" ]; then
  mkdir "$stage/.device"
  cp "$(readlink -f "$(command -v node)")" "$stage/.device/node"
  strip "$stage/.device/node"
  tar -C "$stage" -c .device/node | "${pack[@]}" > "$dir/node.tar.xz"
fi
mkdir -p "$stage/commit/.device"
{ git rev-parse --short HEAD; git diff --quiet HEAD -- || echo 'with changes'; } | paste -sd' ' > "$stage/commit/.device/commit"
node tools/device-files.mjs "$@" > "$stage/list"
tar -c --no-recursion -T "$stage/list" -C "$stage/commit" .device/commit | "${pack[@]}" > "$dir/workspace.tar.xz"
ls -l "$dir/node.tar.xz" "$dir/workspace.tar.xz"
