# What the scripts share. Sourced by bash.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${TROUPE_JOBS:-$(nproc)}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

# configure PRESET: makes build/PRESET ready for ninja. Its output is shown only if it fails.
configure() {
  local preset=$1 log="$root/build/$1.configure.log"
  [[ -f "$root/build/$preset/build.ninja" ]] && return
  mkdir -p "$root/build"
  say "configuring $preset"
  (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 || {
    cat "$log" >&2
    die "cannot configure $preset; if something is missing, run scripts/setup"
  }
}

# build PRESET [TARGET...]: quiet, with progress; the log is shown if it fails.
build() {
  local preset=$1 log="$root/build/$1.log"
  shift
  configure "$preset"
  if [[ -z $(cd "$root" && ninja -C "build/$preset" -n "$@" 2>/dev/null | grep '^\[') ]]; then
    return
  fi
  say "building $preset (the first time takes some minutes; log: build/$preset.log)"
  if ! NINJA_STATUS='[%p] ' ninja -C "$root/build/$preset" -j "$jobs" "$@" 2>&1 | tee "$log" \
    | progress; then
    grep -v '^\[' "$log" | tail -n 60 >&2
    die "cannot build $preset"
  fi
}

# Of ninja's output, a line each tenth of the work.
progress() {
  awk '/^\[ *[0-9]+%\]/ {
         match($0, /[0-9]+/); p = substr($0, RSTART, RLENGTH) + 0
         if (int(p / 10) > tenth) { tenth = int(p / 10); print "  " p "%" > "/dev/stderr" }
       }'
}

# dispatch FOLDER NAME [ARGS...]: runs scripts/FOLDER/NAME; without a name lists them.
dispatch() {
  local folder=$1 name=${2:-}
  if [[ -z $name || $name == --list || $name == -h || $name == --help ]]; then
    say "usage: scripts/${0##*/} NAME [arguments]; the names:"
    find "$root/scripts/$folder" -maxdepth 1 -type f -perm -u+x -printf '%f\n' | sort
    [[ -n $name ]]
    return
  fi
  [[ $name != */* && -x "$root/scripts/$folder/$name" ]] \
    || die "there is no $name; scripts/${0##*/} --list tells the names"
  "$root/scripts/setup" --check 2>/dev/null || "$root/scripts/setup"
  build release troupe vocabularies # a benchmark with programs of its own builds them itself
  machine_line
  shift 2
  # Figures last, however early they are known.
  "$root/scripts/$folder/$name" "$@" | awk '
    /^figure / { figures[count++] = $0; next }
    { print; fflush() }
    END { for (i = 0; i < count; i++) print figures[i] }'
}

machine_line() {
  local cpu memory commit
  cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  memory=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
  commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
  echo "machine: $(nproc) cores, ${cpu:-unknown CPU}, $memory GiB, Linux $(uname -r), commit $commit"
}
