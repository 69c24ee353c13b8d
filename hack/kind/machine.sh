# shellcheck shell=bash
# Sourced by up and down: what a cluster of ours changes on the machine outside any engine. Each change is recorded in the cluster's
# folder before it is made, so that it can be undone after a crash. All of it is for root on Linux; elsewhere nothing is changed.

may_change_machine() { [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ]; }

# No packet for an address of a pod or a service may leave the machine when somebody uses one on the host by mistake.
# A range that the machine itself has a route for is left alone.
keep_traffic_here() {
  may_change_machine || return 0
  local range
  for range in "$POD_RANGE" "$SERVICE_RANGE"; do
    if [ -z "$(ip route show match "$range" | grep -v ^default)$(ip route show root "$range" | grep -v '^default')" ]; then
      echo "$range" >>"$CACHE/clusters/blackholes"
      ip route add blackhole "$range"
    fi
  done
}

release_traffic() {
  may_change_machine && [ -f "$CACHE/clusters/blackholes" ] || return 0
  local range
  while read -r range; do ip route del blackhole "$range" 2>/dev/null || true; done <"$CACHE/clusters/blackholes"
  rm -f "$CACHE/clusters/blackholes"
}

# Makes a folder a mount of its own that passes on what is mounted under it later.
share_folder() { # FOLDER (absolute)
  may_change_machine || fail "NAS_DIR needs root on Linux: the folder must become a shared mount."
  case $1 in /*) ;; *) fail "NAS_DIR must be an absolute path, and is '$1'." ;; esac
  mkdir -p "$1"
  grep -qxF "$1" "$CLUSTER_DIR/shared" 2>/dev/null && mountpoint -q "$1" && return
  echo "$1" >>"$CLUSTER_DIR/shared"
  mount --bind "$1" "$1"
  mount --make-rshared "$1"
}

unshare_folders() {
  may_change_machine && [ -f "$CLUSTER_DIR/shared" ] || return 0
  local folder
  while read -r folder; do
    while mountpoint -q "$folder"; do umount -R -l "$folder" || break; done
  done <"$CLUSTER_DIR/shared"
  rm -f "$CLUSTER_DIR/shared"
}

# kind mounts the host's /lib/modules, and Docker makes the folder where there is none.
remember_folders() {
  if may_change_machine && [ ! -e /lib/modules ]; then touch "$CACHE/clusters/made-lib-modules"; fi
}

remove_folders() {
  [ -f "$CACHE/clusters/made-lib-modules" ] || return 0
  rmdir /lib/modules 2>/dev/null || true
  rm -f "$CACHE/clusters/made-lib-modules"
}
