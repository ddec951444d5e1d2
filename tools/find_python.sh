#!/bin/sh
# Prints the newest Python on the PATH that is supported and runs, or says what to install.
#
# Usage: tools/find_python.sh [PYTHON]    looks at that one alone
set -eu
asked=${1:-}

# The range is said once, in pyproject.toml: at least 3.$least, below 3.$below.
project=$(dirname "$0")/../pyproject.toml
range=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' "$project")
least=${range% *}
below=${range#* }
newest=3.$((below - 1))

candidates() {
    minor=$((below - 1))
    while [ "$minor" -ge "$least" ]; do
        on_path "python3.$minor"
        minor=$((minor - 1))
    done
    on_path python3
    on_path python
}

# Prints every program of that name: one that fails, as a shim of pyenv may, can hide one that runs.
on_path() (
    IFS=:
    for folder in $PATH; do
        if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then echo "$folder/$1"; fi
    done
)

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null
}

supported() {
    case $1 in
        3.*) [ "${1#3.}" -ge "$least" ] && [ "${1#3.}" -lt "$below" ] ;;
        *) false ;;
    esac
}

case $asked in
    '') found=$(candidates) ;;
    */*) found=$asked ;;
    *) found=$(on_path "$asked") ;;
esac
seen=
while IFS= read -r python; do
    [ -n "$python" ] || continue
    if ! version=$(version_of "$python"); then
        told='does not run'
    elif supported "$version"; then
        echo "$python"
        exit 0
    else
        told="is Python $version"
    fi
    seen="$seen
    $python $told"
done <<FOUND
$found
FOUND

cat >&2 <<TOLD
tfzoo needs Python 3.$least to $newest, the versions TensorFlow is made for. Looked at:${seen:-
    nothing: there is no ${asked:-python3} on the PATH}
Install one, then run make again, or name it: make PYTHON=/where/it/is/python$newest
    Debian, Ubuntu   apt install python$newest python$newest-venv
    Fedora           dnf install python$newest
    macOS            brew install python@$newest
    with uv          uv python install $newest
    with pyenv       pyenv install $newest && pyenv local $newest
TOLD
exit 1
