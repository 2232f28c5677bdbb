# setup.sh - sourced by tools/run and tools/test: the packages that a build needs, installed
# if missing. Costs nothing once a build folder exists.

packages=(gcc libc6-dev pkg-config meson ninja-build libblis-serial-dev libyaml-dev libhwloc-dev
    libcunit1-dev libjansson-dev zlib1g-dev libzip-dev libcsv-dev)
# A test is skipped without it, nothing else needs it.
for_tests=python3-jsonschema

have_packages() {
    command -v cc >/dev/null && command -v meson >/dev/null && command -v ninja >/dev/null &&
        command -v pkg-config >/dev/null && pkg-config --exists yaml-0.1 hwloc jansson zlib libzip cunit &&
        echo '#include <csv.h>' | cc -E - >/dev/null 2>&1 &&
        compgen -G '/usr/lib/*/blis-*/libblis.a' >/dev/null
}

# apt_install PACKAGE...: as root, or with the words of as_root before
apt_install() {
    echo "Installing $*" >&2
    "${as_root[@]}" apt-get update -qq >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
}

install_needed() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "graphrun needs these packages; install them as root: apt-get install ${packages[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        echo "graphrun needs a C compiler, meson, ninja, BLIS, libyaml, hwloc, CUnit, Jansson, zlib, libzip and libcsv" >&2
        exit 1
    fi
    apt_install "${packages[@]}"
}

# Asks for no password and may fail.
install_for_tests() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    apt_install "$for_tests" 2>/dev/null || echo "$for_tests could not be installed: the test of graphrun schema is skipped" >&2
}

install_packages() {
    have_packages || install_needed
    python3 -c 'import jsonschema' 2>/dev/null || install_for_tests
}

# build_in FOLDER [meson options]: configures FOLDER if it is new, and builds what is stale: all, or $targets.
build_in() {
    local folder=$1
    shift
    if [ ! "$folder/build.ninja" -nt "$root/tools/setup.sh" ]; then
        install_packages
    fi
    if [ ! -f "$folder/build.ninja" ]; then
        echo "Building graphrun in $folder: a minute or two, this once" >&2
        meson setup "$folder" "$root" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
        rm -f "$folder.log"
    fi
    local output
    output=$(ninja -C "$folder" ${targets:-} 2>&1) || { printf '%s\n' "$output" >&2; exit 1; }
}
