#!/bin/sh
# Make .venv with the package in it, and see that the system has what Qt and OpenGL need.
# Usage: sh tools/setup.sh VENV. Python is $PYTHON (python3), the package's extra is $EXTRA (dev).
set -eu
venv=$1
python=${PYTHON:-python3}
extra=${EXTRA:-dev}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

command -v "$python" >/dev/null 2>&1 || stop "found no '$python'; install Python 3.10 or newer, or say PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || stop "'$python' is $("$python" -V 2>&1); napari-medsam2 needs Python 3.10 or newer (PYTHON=/path/to/another)"

# A Debian package for each thing that is missing. `NAME:PACKAGE`, looked up in the linker's cache.
missing=''
need() { case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac; }

if [ "$(uname -s)" = Linux ]; then
    libraries=$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null || true)
    for pair in \
        libGL.so.1:libgl1 libEGL.so.1:libegl1 libglib-2.0.so.0:libglib2.0-0 libdbus-1.so.3:libdbus-1-3 \
        libfontconfig.so.1:libfontconfig1 libX11-xcb.so.1:libx11-xcb1 libxkbcommon.so.0:libxkbcommon0 \
        libxkbcommon-x11.so.0:libxkbcommon-x11-0 libxcb-cursor.so.0:libxcb-cursor0 libxcb-icccm.so.4:libxcb-icccm4 \
        libxcb-image.so.0:libxcb-image0 libxcb-keysyms.so.1:libxcb-keysyms1 libxcb-randr.so.0:libxcb-randr0 \
        libxcb-render-util.so.0:libxcb-render-util0 libxcb-shape.so.0:libxcb-shape0 libxcb-shm.so.0:libxcb-shm0 \
        libxcb-sync.so.1:libxcb-sync1 libxcb-xfixes.so.0:libxcb-xfixes0 libxcb-xinerama.so.0:libxcb-xinerama0 \
        libxcb-xkb.so.1:libxcb-xkb1; do
        case "$libraries" in *"${pair%%:*} "*) ;; *) need "${pair#*:}" ;; esac
    done
    # What draws without a graphics card, a screen in memory, and letters.
    found() { find "$@" 2>/dev/null | grep -q .; }
    found /usr/lib /usr/lib64 -name 'swrast_dri.so' -o -name 'libgallium*.so' || need libgl1-mesa-dri
    command -v xvfb-run >/dev/null 2>&1 || need xvfb
    command -v xauth >/dev/null 2>&1 || need xauth
    found /usr/share/fonts /usr/local/share/fonts -name '*.[to]tf' || need fonts-dejavu-core
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || need "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing system packages:$missing"
        apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
        # shellcheck disable=SC2086  # one word for each package
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null \
            || stop "apt-get could not install$missing; the lines above say why"
    else
        say "this machine lacks what these Debian packages hold:$missing"
        stop "install them, on Debian or Ubuntu as root with: apt-get install --no-install-recommends$missing"
    fi
fi

# An environment that was moved or half made has no working pip: make it anew.
if [ -d "$venv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "$venv has no working Python in it; making it anew"
    "$python" -m venv --clear "$venv"
fi
[ -d "$venv" ] || "$python" -m venv "$venv"

say "installing napari-medsam2[$extra] into $venv (the first time takes some minutes)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extra]"
