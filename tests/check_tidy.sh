#!/usr/bin/env bash
# clang-tidy has nothing to say:  tests/check_tidy.sh build/release
set -euo pipefail
build=$(realpath "${1:?usage: check_tidy.sh BUILD_FOLDER}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
found=$(mktemp)
trap 'rm -f "$found"' EXIT
# The tool prints every command it starts; only findings are worth reading.
if ! run-clang-tidy -quiet -p "$build" "$PWD/(core|plugins)/" >"$found" 2>&1; then
    grep -E '(warning|error|note):' "$found" | sort -u || cat "$found"
    exit 1
fi
