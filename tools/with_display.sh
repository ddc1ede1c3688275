#!/bin/sh
# Run a command with a screen: the one there is, or one in memory (always in memory with HEADLESS=1).
set -eu
if [ "$(uname -s)" != Linux ] || { [ "${HEADLESS:-0}" != 1 ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }; then
    exec "$@"
fi
command -v xvfb-run >/dev/null 2>&1 || {
    echo "found no screen and no xvfb-run; install the Debian packages xvfb and xauth" >&2
    exit 1
}
unset WAYLAND_DISPLAY
export HEADLESS=1 QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1
exec xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" "$@"
