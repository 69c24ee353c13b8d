# shellcheck shell=bash
# Sourced: where things live outside the checkout. One folder, TRAWLER_CACHE, holds all that is built or run here:
#   tools/    programs, by name, version and recipe, each folder with its SHA256SUMS
#   engine/   the Docker engine of our own, where one is needed
#   clusters/ one folder per cluster: kubeconfig, what it was made from

CACHE=${TRAWLER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trawler}
case $CACHE in /*) ;; *) CACHE=$PWD/$CACHE ;; esac
export TRAWLER_CACHE=$CACHE

# Free space, in GB, where FOLDER is or will be.
free_gb() { # FOLDER
  local d=$1
  while [ ! -d "$d" ]; do d=$(dirname "$d"); done
  df -Pk "$d" | awk 'NR==2 {print int($4 / 1048576)}'
}
