# shellcheck shell=bash
# Sourced by load and down: a registry beside the cluster, reachable from this machine's loopback and from kind's network only.
# Of a changed image only the changed layers travel through it, in a second, where `kind load` sends all of an image each time.

REGISTRY=trawler-registry-$ENGINE_KEY # container, and its name on kind's network; also the volume with what was pushed

# Starts it where it is not running; prints its port on this machine.
ensure_registry() {
  local program image context
  if [ "$(docker inspect -f '{{.State.Running}}' "$REGISTRY" 2>/dev/null)" != true ]; then
    docker rm -f "$REGISTRY" >/dev/null 2>&1 || true
    program=$("$REPO/hack/tools/ensure" registry)
    image=trawler/registry:$(cat "$HERE"/registry/* "$program" | sha256sum | cut -c1-8)
    if ! docker image inspect "$image" >/dev/null 2>&1; then
      context=$(mktemp -d)
      cp "$program" "$HERE"/registry/* "$context/"
      logged "$CACHE/clusters/registry.log" docker build -q -t "$image" "$context"
      rm -rf "$context"
    fi
    docker run -d --name "$REGISTRY" --network kind -p 127.0.0.1::5000 -v "$REGISTRY":/images "$image" >/dev/null
  fi
  docker port "$REGISTRY" 5000/tcp | sed 's/.*://'
}

# Ends it. What was pushed is kept for the next cluster as long as it is little, and in an engine of our own only.
end_registry() {
  docker rm -f "$REGISTRY" >/dev/null 2>&1 || true
  local pushed=$ENGINE_DIR/data/volumes/$REGISTRY
  if [ -z "$PRIVATE" ] || [ ! -d "$pushed" ] || [ "$(du -sm "$pushed" | cut -f1)" -gt 3000 ]; then
    docker volume rm "$REGISTRY" >/dev/null 2>&1 || true
  fi
}

# An image's name as the node knows it: `trawler-operator:dev` is `docker.io/library/trawler-operator:dev` there, in any tool.
full_name() { # IMAGE
  local name=$1 first=${1%%/*}
  [[ ${name##*/} == *:* ]] || name=$name:latest
  case $name in
    */*) [[ $first == *[.:]* || $first == localhost ]] || name=docker.io/$name ;;
    *) name=docker.io/library/$name ;;
  esac
  echo "$name"
}
