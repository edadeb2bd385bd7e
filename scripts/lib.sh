# shellcheck shell=bash disable=SC2034
# Shared by scripts/run and scripts/test: what the build needs, and how it is made.

BUILD_PACKAGES=(
    gcc libc6-dev cmake ninja-build pkg-config
    libevent-dev liblmdb-dev liblua5.4-dev libmsgpack-dev libsodium-dev libutf8proc-dev
    libcsv-dev libjansson-dev
    libcmocka-dev
    lua-check # its parser is that of `kontor rules check`
    python3 # the demo plays its story through the command `kontor`
)
TEST_PACKAGES=(
    binutils clang clang-format clang-tidy libclang-rt-14-dev
    python3-msgpack python3-pynvim # a client that nobody here wrote
)

say() {
    printf '\n== %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root or sudo to run: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what is missing, and asks no mirror when nothing is.
install_packages() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}

build() {
    local preset=$1
    say "building $preset"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset"
}
