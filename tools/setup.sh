# Sourced by tools/run and tools/test: finds Pythons and makes virtual environments.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# python_for 3.13: prints the path of that Python, its real executable; fails where there is none.
# A name on PATH may be a pyenv shim for a version that is not active, so each is tried.
python_for() {
    local candidate
    for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/"python$1"; do
        [ -x "$candidate" ] || continue
        # venv and ensurepip come in packages of their own on Debian
        "$candidate" -c 'import ensurepip, sys, venv; print(sys.executable)' 2>/dev/null && return
    done
    return 1
}

# newest_python: prints the path of the newest Python that all tests run with, or a later one, or an earlier one from
# 3.11 on.
newest_python() {
    local minor
    for minor in 14 $(seq 30 -1 15) 13 12 11; do
        python_for "3.$minor" && return
    done
    die "No Python 3.11 or later was found (with its venv module). On Debian: apt install python3 python3-venv"
}

# requirements_of PYTHON GROUPS: the requirements of dependency groups (test; test,apps), each in a line; pip knows
# groups (--group) from 25.1 on, and a new environment of Python 3.11 to 3.13 may have an older one.
requirements_of() {
    "$1" -c '
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]
def lines(name):
    for line in groups[name]:
        if isinstance(line, str):
            yield line
        else:
            yield from lines(line["include-group"])
print(*(line for name in sys.argv[2].split(",") for line in lines(name)), sep="\n")
' "$here/pyproject.toml" "$2"
}

# make_venv DIR PYTHON [GROUPS]: a virtual environment with the project in it, and with groups (test; test,apps) and all
# extras what its tests need. Does nothing where that is so already; starts anew where the Python changed.
make_venv() {
    local dir=$1 python=$2 extra=${3:-} stamp=$1/made-from made old=""
    made=$("$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')
    made="$made $here $(cksum <"$here/pyproject.toml")"
    [ -f "$stamp" ] && old=$(cat "$stamp")
    if [ -n "$old" ] && "$dir/bin/python" -c '' 2>/dev/null; then
        case "$old" in "$made $extra") return ;; esac
        # what was made with more serves, too, and what it has stays
        local had=${old#"$made"} wanted lacks=""
        had=${had# }
        if [ "$old" != "$had" ]; then
            for wanted in ${extra//,/ }; do
                case ",$had," in *",$wanted,"*) ;; *) lacks=1 ;; esac
            done
            [ -n "$lacks" ] || return 0
            for wanted in ${had//,/ }; do
                case ",$extra," in *",$wanted,"*) ;; *) extra=${extra:+$extra,}$wanted ;; esac
            done
        fi
    fi
    if [ "${old%% "$here"*}" != "${made%% "$here"*}" ] || ! "$dir/bin/python" -c '' 2>/dev/null; then
        say "Making ${dir#"$here"/} with $("$python" -V) ($python)"
        rm -rf "$dir"
        "$python" -m venv "$dir" || die "No virtual environment could be made with $python"
    fi
    say "Installing mpserver${extra:+ and what its tests need} in ${dir#"$here"/}"
    # (compat: a path in a .pth file, not a finder that each interpreter would have to import)
    [ -z "$extra" ] || requirements_of "$dir/bin/python" "$extra" >"$dir/requirements"
    "$dir/bin/python" -m pip install -qq --disable-pip-version-check --config-settings editable_mode=compat \
        -e "$here${extra:+[redis,brotli,zstd,acme,opentelemetry,completion,top]}" ${extra:+-r "$dir/requirements"} ||
        die "pip could not install the project in $dir; its message is above."
    printf '%s\n' "$made $extra" >"$stamp"
}
