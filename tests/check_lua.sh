#!/usr/bin/env bash
# Rules are plain Lua 5.4 that touches nothing but `rule` and `kontor`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find scripts plugins tests -name '*.lua' -print0 |
    xargs -0 --no-run-if-empty luacheck --no-config --std lua54 --read-globals rule kontor \
        --no-unused-args --max-line-length 100 --codes
