#!/usr/bin/env bash
# Make the virtual environment VENV and install the package with EXTRAS: setup.sh VENV EXTRAS
# PYTHON names the interpreter. pip's own variables work, PIP_EXTRA_INDEX_URL for CPU-only wheels of torch among them.
set -euo pipefail
venv=$1 extras=$2
python=${PYTHON:-python3}

fail() { echo "set-up: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "no '$python' found: install Python 3.10 or newer, or say PYTHON=/path/to/python3."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "'$python' is $("$python" -V 2>&1), 3.10 or newer is needed: say PYTHON=/path/to/python3."

# Debian and Ubuntu keep ensurepip in a package of its own; without it `python3 -m venv` fails half-way.
if ! [ -x "$venv/bin/pip" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "'$python' has no venv: sudo apt-get install python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "could not make $venv: on Debian or Ubuntu, sudo apt-get install python3-venv"
fi

# With an NVIDIA driver torch's GPU build is taken, whichever fits. Without one the versions are pinned: all of them on
# the Python that the lock was made with, torch alone elsewhere.
constraints=(-c constraints-cpu.txt)
if nvidia-smi -L >/dev/null 2>&1; then
    constraints=()
elif "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    constraints=(-c constraints.txt)
fi

echo "set-up: installing monai_memvit[$extras] into $venv (${constraints[*]:-no constraints: GPU}); the first time takes minutes"
"$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "pip>=24"
"$venv/bin/pip" install --quiet --disable-pip-version-check ${constraints[@]+"${constraints[@]}"} -e ".[$extras]"
