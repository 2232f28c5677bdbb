#!/usr/bin/env bash
# install.sh BUILD - installs what is built there into a temporary folder and uses it as a stranger would: the
# headers alone, pkg-config, the library's symbols, and the programs of graphs/embed on a model that the installed
# command trains. What Python or C++ is needed for is left out where they are missing.
set -eu
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
CC=${CC:-cc} CXX=${CXX:-c++}

fail() { echo "install: $*" >&2; exit 1; }
found() { command -v "${1%% *}" >/dev/null; }

if grep -q -- -fsanitize= "$build/build.ninja"; then
    echo "install: skipped: a library under a sanitizer is of no use to programs without it"
    exit 77
fi
meson install -C "$build" --no-rebuild --quiet --destdir "$at/to"
library=$(find "$at/to" -name libgraphrun.so) command=$(find "$at/to" -path '*/bin/graphrun') pc=$(find "$at/to" -name graphrun.pc)
[ -n "$library" ] && [ -x "$command" ] && [ -n "$pc" ] || fail "the library, the command or graphrun.pc is not there"
export PKG_CONFIG_SYSROOT_DIR=$at/to PKG_CONFIG_PATH=$(dirname "$pc") LD_LIBRARY_PATH=$(dirname "$library")
cflags=$(pkg-config --cflags graphrun) libs=$(pkg-config --libs graphrun)
warn="-Wall -Wextra -pedantic -Werror"

# ---- headers, each alone
for header in "$root"/include/graphrun/*.h; do
    name=graphrun/$(basename "$header")
    [ -f "$at/to$(pkg-config --variable=includedir graphrun | sed "s|^$at/to||")/$name" ] || fail "$name is not installed"
    printf '#include <%s>\nextern int nothing;\n' "$name" | $CC -std=c11 $warn $cflags -fsyntax-only -xc - || fail "$name is no C11 of its own"
    ! found "$CXX" || printf '#include <%s>\n' "$name" | $CXX -std=c++17 $warn $cflags -fsyntax-only -xc++ - || fail "$name is no C++17 of its own"
done

# ---- the library
readelf -d "$library" | grep -q 'SONAME.*\[libgraphrun\.so\.[0-9]*\]' || fail "the library has no soname with a version"
nm -D --defined-only "$library" | awk '{print $3}' | sort >"$at/shown"
sed -n 's/^[a-z].*[ *]\(gr_[a-z_]*\)(.*/\1/p' "$root/include/graphrun/graphrun.h" | sort >"$at/declared"
diff "$at/declared" "$at/shown" >&2 || fail "the library does not show what graphrun.h declares (<) and nothing else (>)"

# ---- a model, trained by the installed command
model=$root/graphs/language_model/char_lstm.yaml
sets="hidden=48 layers=1"
"$command" train "$model" --set text="$root/graphs/embed/weather.txt" $(printf -- '--set %s ' $sets) --set batch=4 --set time=16 \
    --steps 200 --quiet --save "$at/lstm.safetensors" >/dev/null
prompt="in the morning " length=40
"$command" generate "$model" --weights "$at/lstm.safetensors" $(printf -- '--set %s ' $sets) --prompt "$prompt" --length $length >"$at/wanted"
[ "$(wc -c <"$at/wanted")" -eq 56 ] || fail "the command writes '$(cat "$at/wanted")'"

# ---- the programs; the text that the model was trained on is not needed any more
cd "$at"
sets="$sets text=/nowhere"
$CC -std=c11 $warn $cflags "$root/graphs/embed/stream.c" $libs -o stream
./stream "$model" lstm.safetensors "$prompt" $length $sets >got || fail "stream.c"
diff wanted got >&2 || fail "stream.c writes something else than graphrun generate"
if ./stream "$model" lstm.safetensors "$prompt" $length hidden=49 layers=1 2>error; then fail "stream.c takes weights of another shape"; fi
grep -q "another shape: rnn.weight_hh_l0" error || fail "stream.c does not say what is wrong, but: $(cat error)"
for wrong in 0 -3 ten 4x ""; do
    if ./stream "$model" lstm.safetensors "$prompt" "$wrong" $sets 2>error; then fail "stream.c takes '$wrong' as a length"; fi
    grep -q "LENGTH is '$wrong'; write how many" error || fail "stream.c does not say what a length is, but: $(cat error)"
done
if ./stream "$model" lstm.safetensors "" $length $sets 2>error; then fail "stream.c takes an empty prompt"; fi
grep -q "PROMPT is empty; write" error || fail "stream.c does not say what a prompt is, but: $(cat error)"
if found "$CXX"; then
    $CXX -std=c++17 $warn $cflags "$root/graphs/embed/threads.cpp" $libs -pthread -o threads
    ./threads "$model" lstm.safetensors $length "$prompt" "the river " "$prompt" "$prompt" -- $sets >got || fail "threads.cpp"
    [ "$(grep -cxFf wanted got)" -eq 3 ] && [ "$(wc -l <got)" -eq 4 ] || fail "threads.cpp writes something else: $(cat got)"
else
    echo "install: skipped: $CXX is not there for threads.cpp"
fi
if found python3; then
    GRAPHRUN_LIBRARY=$library python3 "$root/graphs/embed/stream.py" "$model" lstm.safetensors "$prompt" $length $sets >got || fail "stream.py"
    diff wanted got >&2 || fail "stream.py writes something else than graphrun generate"
else
    echo "install: skipped: python3 is not there for stream.py"
fi

# ---- a project of new-op, which knows PKG_CONFIG_PATH alone; graphrun.pc as it would be had this been installed here
if found make; then
    mkdir pc older
    sed "s|^prefix=.*|prefix=${command%/bin/graphrun}|" "$pc" >pc/graphrun.pc
    printf '#!/bin/sh\necho "this is an older graphrun" >&2; exit 1\n' >older/graphrun
    chmod +x older/graphrun
    for kind in kernel data; do
        "$command" new-op MyOp --kind $kind -o $kind >/dev/null || fail "new-op --kind $kind"
        env -u PKG_CONFIG_SYSROOT_DIR PATH="$at/older:$PATH" PKG_CONFIG_PATH="$at/pc" make -C $kind check >got 2>&1 || fail "a project of new-op --kind $kind: $(cat got)"
        grep -q "all right" got || fail "a project of new-op --kind $kind is not checked: $(cat got)"
    done
else
    echo "install: skipped: make is not there for the projects of new-op"
fi
echo "install: all is well"
