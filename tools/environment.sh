#!/bin/sh
# Makes or completes an environment: tools/environment.sh FOLDER demo|tests [PYTHON]
#
# `demo` is what `tfzoo demo` needs, the package and its fast runtime, at the versions of the tested
# set; `tests` is all of requirements.txt. Installed with uv where that is at hand, else with pip.
set -eu
cd "$(dirname "$0")/.."
venv=$1
what=$2
asked=${3:-}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

if [ -n "$asked" ]; then
    python=$(tools/find_python.sh "$asked")
elif inside=$(tools/find_python.sh "$venv/bin/python" 2>/dev/null); then
    # What the environment was made of; uv may be at hand there.
    python=$("$inside" -c 'import sys; print(sys._base_executable)')
else
    python=$(tools/find_python.sh)
fi

if uv --version >/dev/null 2>&1; then
    uv=uv
elif "$python" -m uv --version >/dev/null 2>&1; then
    uv="$python -m uv"
else
    uv=
fi

if ! has=$(version_of "$venv/bin/python" 2>/dev/null) || [ "$has" != "$(version_of "$python")" ]; then
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
        echo "$venv is there and is no environment of Python; name another: make VENV=FOLDER" >&2
        exit 1
    fi
    echo "Making $venv with $python."
    rm -rf "$venv"
    if [ -n "$uv" ]; then
        $uv venv --quiet --seed --python "$python" "$venv"
    else
        "$python" -m venv "$venv"
    fi
fi

# The set's versions for what the package itself asks for; a constraint has no extras.
sed 's/\[[a-z]*\]//' requirements.txt >"$venv/constraints.txt"
case $what in
    demo) set -- --constraint "$venv/constraints.txt" --editable '.[openvino]' ;;
    tests) set -- --requirement requirements.txt --editable . ;;
esac

# uv does not read pip's settings, where a company's own index may be named.
index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$index}}}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi

if [ -n "$uv" ]; then
    if $uv pip install --python "$venv/bin/python" "$@"; then exit 0; fi
    echo "uv could not install that; pip is asked instead." >&2
fi
# Compiled when first imported: most of it never is.
"$venv/bin/python" -m pip install --no-compile --prefer-binary "$@"
