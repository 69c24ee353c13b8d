# shellcheck shell=bash
# Sourced by engine and down: starts and stops the engine of our own. Everything it writes is under the cache's engine/.

# Asks for nothing that this machine may not give: the wrapper only where a capability is missing.
runtime_options() {
  local all
  all=$(printf '%x' $(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1)))
  if [ "$(awk '/^CapBnd/ {print $2}' /proc/self/status | sed 's/^0*//')" != "$all" ]; then
    printf '%s\n' --add-runtime "trawler=$ENGINE_DIR/bin/runtime" --default-runtime trawler
  fi
}

engine_process() { # prints its id while it lives
  local pid
  pid=$(cat "$ENGINE_DIR/pid" 2>/dev/null) && grep -qsx dockerd "/proc/$pid/comm" && ! grep -qs '^State:.*Z' "/proc/$pid/status" && echo "$pid"
}

start_engine() {
  if engine_process >/dev/null; then # under load it may take its time to answer: only a dead one is swept away
    for _ in $(seq 60); do
      private_engine_answers && return
      engine_process >/dev/null || break
      sleep 1
    done
    ! engine_process >/dev/null || fail "The Docker engine of our own (process $(engine_process)) does not answer: end that process and run this again."
  fi
  mkdir -p "$ENGINE_DIR/bin" "$ENGINE_DIR/config"
  remember_machine
  wipe_engine # what a crash may have left
  echo "{}" >"$ENGINE_DIR/daemon.json" # never the one in /etc
  install -m 755 "$HERE/runtime" "$ENGINE_DIR/bin/runtime" # outlives the checkout
  ln -sfn /usr/bin/docker "$ENGINE_DIR/bin/docker"
  # Docker would put its networks of last time, and their ranges, before what it is told now; after a crash the containers need them.
  [ -n "$(ls -A "$ENGINE_DIR/data/containers" 2>/dev/null)" ] || rm -rf "$ENGINE_DIR/data/network"
  # A bridge with a name of its own must be there before dockerd is.
  ip link add "$BRIDGE" type bridge
  local range mtu options
  range=$(free_range)
  ip addr add "$range.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  mtu=$(cat "/sys/class/net/$(ip route show default | awk '{print $5; exit}')/mtu" 2>/dev/null || echo 1500)
  mapfile -t options < <(runtime_options)
  # Debian's own Python runs the wrapper, not what PATH may have (version managers start slowly).
  PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin setsid nohup dockerd \
    --data-root "$ENGINE_DIR/data" --exec-root "$ENGINE_DIR/exec" --pidfile "$ENGINE_DIR/pid" -H "unix://$ENGINE_SOCKET" \
    --config-file "$ENGINE_DIR/daemon.json" --bridge "$BRIDGE" --mtu "$mtu" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$ENGINE_CGROUP" \
    "${options[@]}" >"$ENGINE_DIR/dockerd.log" 2>&1 </dev/null 9>&- &
  local pid=$!
  for _ in $(seq 150); do
    private_engine_answers && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.2
  done
  private_engine_answers || {
    tail -n 20 "$ENGINE_DIR/dockerd.log" >&2
    wipe_engine
    fail "The Docker engine does not start; all it said is in $ENGINE_DIR/dockerd.log"
  }
  # kind would make its network with a bridge and a range of Docker's choice: ours has some that can be found after a crash.
  private_docker network inspect kind >/dev/null 2>&1 || private_docker network create -d bridge kind --subnet "$(free_range).0/24" \
    -o com.docker.network.bridge.name="$KIND_BRIDGE" -o com.docker.network.driver.mtu="$mtu" >/dev/null
}

# Asks dockerd to end, as long as it is there to be asked.
stop_engine() {
  local pid
  pid=$(engine_process) || return 0
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 150); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.2
  done
}
