# shellcheck shell=bash
# Sourced by engine and down: what an engine of our own leaves on a machine, and how to take it away again.
# Written to work after any crash: it goes by names that are ours (paths.sh) and by a record of what the machine was like before,
# never by what a running engine says.

BEFORE=$ENGINE_DIR/before # exists from the first start until everything is gone again

# Settings of the whole machine, not of a container's namespaces, that dockerd, the kubelet and the node's systemd change.
SYSCTLS=(
  net.ipv4.ip_forward
  vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes
  fs.protected_fifos fs.protected_hardlinks fs.protected_regular fs.protected_symlinks kernel.pid_max
)

# Folders that appear with dockerd or a node and would stay.
FOLDERS=(/lib/modules /run/containerd /run/docker /opt/containerd /etc/docker)

# Process ids of dockerds that are not ours.
foreign_engine() {
  local p
  for p in $(pgrep -x dockerd || true); do
    tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q -- "--cgroup-parent /trawler-" || echo "$p"
  done | head -n 1
}

other_engine_runs() {
  local p
  for p in $(pgrep -x dockerd || true); do
    tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -qF -- "$ENGINE_DIR/" || return 0
  done
  return 1
}

# Once, before the first start: a later one, after a crash, would see our own traces.
remember_machine() {
  [ ! -f "$BEFORE" ] || return 0
  {
    local s f
    for s in "${SYSCTLS[@]}"; do [ ! -e "/proc/sys/${s//.//}" ] || echo "sysctl $s $(cat "/proc/sys/${s//.//}")"; done
    for f in "${FOLDERS[@]}"; do [ -e "$f" ] || echo "folder $f"; done
    iptables -S FORWARD 2>/dev/null | awk '/^-P FORWARD/ {print "policy", $3}'
    iptables -S DOCKER >/dev/null 2>&1 || echo "chains absent"
  } >"$BEFORE.partial"
  mv "$BEFORE.partial" "$BEFORE"
}

# The first three numbers of a /24 that no route of this machine knows; remembered, for the rules that will name it.
free_range() {
  local n
  for n in $(seq 255 -1 200); do
    if [ -z "$(ip route show root "172.30.$n.0/24")$(ip route show match "172.30.$n.0/24" | grep -v ^default)" ]; then
      echo "172.30.$n" | tee -a "$ENGINE_DIR/ranges"
      return
    fi
  done
  fail "every range that the engine's bridges could use is taken"
}

# Everything that runs or exists because of our engine, except its data: processes, mounts, bridges, rules, cgroups.
wipe_engine() {
  local p d m
  # The engine's own processes (dockerd, containerd, shims) name its folder in their arguments.
  for p in $(pgrep -f -- "$ENGINE_DIR/(exec|data)" || true); do
    case $(cat "/proc/$p/comm" 2>/dev/null) in dockerd | containerd*) kill -9 "$p" 2>/dev/null || true ;; esac
  done
  # What ran in containers is in our cgroup.
  for _ in $(seq 50); do
    local alive=''
    while read -r p; do
      kill -9 "$p" 2>/dev/null && alive=1
    done < <(find /sys/fs/cgroup -path "*/$ENGINE_CGROUP/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
    [ -n "$alive" ] || break
    sleep 0.1
  done
  while read -r m; do umount -l "$m" 2>/dev/null || true; done < <(awk -v d="$ENGINE_DIR/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r)
  while read -r d; do rmdir "$d" 2>/dev/null || true; done < <(find /sys/fs/cgroup -depth -type d \( -name "$ENGINE_CGROUP" -o -path "*/$ENGINE_CGROUP/*" \) 2>/dev/null)
  for d in "$BRIDGE" "$KIND_BRIDGE"; do ip link del "$d" 2>/dev/null || true; done
  wipe_rules
  rm -rf "$ENGINE_SOCKET" "$ENGINE_DIR/pid" "$ENGINE_DIR/exec"
}

# The iptables rules that name our bridges or their ranges, and Docker's chains where they are ours alone.
wipe_rules() {
  command -v iptables >/dev/null || return 0
  local table rule chain ours="$BRIDGE( |\$)|$KIND_BRIDGE( |\$)" range
  while read -r range; do ours+="|-[sd] ${range//./\\.}\\."; done < <(cat "$ENGINE_DIR/ranges" 2>/dev/null)
  for table in nat filter; do
    while read -r -a rule; do
      iptables -t $table -D "${rule[@]:1}" 2>/dev/null || true
    done < <(iptables -t $table -S 2>/dev/null | grep -E -- "^-A .*($ours)")
  done
  if grep -qs '^chains absent' "$BEFORE" && ! other_engine_runs; then
    for table in nat filter; do
      while read -r -a rule; do
        iptables -t $table -D "${rule[@]:1}" 2>/dev/null || true
      done < <(iptables -t $table -S 2>/dev/null | grep -E -- '^-A .*-j DOCKER')
      for chain in DOCKER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER; do
        iptables -t $table -F $chain 2>/dev/null && iptables -t $table -X $chain 2>/dev/null || true
      done
    done
  fi
}

# The machine's settings as they were, after wipe_engine.
restore_machine() {
  [ -f "$BEFORE" ] || return 0
  if other_engine_runs; then
    rm -f "$BEFORE" "$ENGINE_DIR/ranges"
    return
  fi
  local what name value
  while read -r what name value; do
    case $what in
      sysctl) echo "$value" >"/proc/sys/${name//.//}" ;;
      folder) find "$name" -depth \( -type s -o -type d -empty \) -delete 2>/dev/null || true ;; # sockets of shims that were killed
      policy) iptables -P FORWARD "$name" ;;
    esac
  done <"$BEFORE"
  rm -f "$BEFORE" "$ENGINE_DIR/ranges"
}
