# shellcheck shell=bash
# shellcheck disable=SC2034  # names for whoever sources this
# Sourced: the files and names of the engine and the cluster, the speaking pieces, and which Docker engine is ours to use.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
# shellcheck source=hack/tools/say.sh
. "$REPO/hack/tools/say.sh"
# shellcheck source=hack/tools/cache.sh
. "$REPO/hack/tools/cache.sh"

CLUSTER=${CLUSTER:-trawler}
[[ $CLUSTER =~ ^[a-z0-9][a-z0-9.-]*$ ]] || fail "CLUSTER is '$CLUSTER': a cluster's name has small letters, digits, dots and dashes."
CLUSTER_DIR=$CACHE/clusters/$CLUSTER
ENGINE_DIR=$CACHE/engine
ENGINE_SOCKET=$ENGINE_DIR/docker.sock
# Names in the kernel (bridges, at most 15 letters; a cgroup) that tell this cache's engine from any other.
ENGINE_KEY=$(printf '%s' "$CACHE" | sha256sum | cut -c1-6)
BRIDGE=trw-$ENGINE_KEY KIND_BRIDGE=trk-$ENGINE_KEY ENGINE_CGROUP=trawler-$ENGINE_KEY

POD_RANGE=10.244.0.0/16 SERVICE_RANGE=10.96.0.0/16 # kind's defaults

# The Docker CLI for the engine of our own: Debian's, whatever else PATH has.
private_docker() { DOCKER_HOST=unix://$ENGINE_SOCKET DOCKER_CONFIG=$ENGINE_DIR/config /usr/bin/docker "$@"; }
private_engine_answers() { [ -S "$ENGINE_SOCKET" ] && private_docker info >/dev/null 2>&1; }

# The user's CLI where it can build with BuildKit: from 23 on that takes the buildx plugin, which Debian's 20.10 does not need.
user_docker_cli() {
  local cli first
  first=$(type -P docker) || first=docker
  for cli in "$first" /usr/bin/docker; do
    if "$cli" buildx version >/dev/null 2>&1 || [[ "$("$cli" version -f '{{.Client.Version}}' 2>/dev/null)" =~ ^(19|20)\. ]]; then
      echo "$cli"
      return
    fi
  done
  echo "$first"
}

# Points every later `docker` and `kind` at the engine to use: ours where it runs, else the user's.
# Sets DOCKER (the CLI) and PRIVATE (1 or empty).
use_engine() {
  if private_engine_answers; then
    PRIVATE=1 DOCKER=/usr/bin/docker
    export DOCKER_HOST=unix://$ENGINE_SOCKET DOCKER_CONFIG=$ENGINE_DIR/config
    PATH=$ENGINE_DIR/bin:$PATH # holds a link `docker`, for kind
  else
    PRIVATE='' DOCKER=$(user_docker_cli)
  fi
}
docker() { command "${DOCKER:-docker}" "$@"; }

use_cluster() { export KUBECONFIG=$CLUSTER_DIR/kubeconfig; }
