# shellcheck shell=bash
# Sourced: how the pieces under hack/ speak. Everything goes to stderr; stdout is for results.

SAY_SINCE=${SAY_SINCE:-$(date +%s)} # inherited, so that nested pieces count from one beginning
export SAY_SINCE

# One line per step, with the seconds since the command was typed.
step() { printf '[%4d s] %s\n' "$(($(date +%s) - SAY_SINCE))" "$*" >&2; }

# One clear sentence, and the end.
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Runs a command with its output in a log file; shows the file's end only when the command fails.
logged() { # LOG COMMAND...
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null || {
    tail -n 30 "$log" >&2
    fail "'$1' failed; everything it said is in $log"
  }
}
