# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Which Docker the cluster runs on: the machine's own where one works, otherwise
# a private daemon with its own data, sockets and process, so that nothing else
# on the machine is touched. Needs base.sh.

DOCKER_DATA=$CACHE_DIR/docker
# Sockets have short paths, and a path per cache lets two caches live side by side.
DOCKER_RUN=/run/brokermesh-docker-$(key "$CACHE_DIR")
DOCKER_PID=$DOCKER_RUN/docker.pid
DOCKER_SOCKET=$DOCKER_RUN/docker.sock

private_docker_runs() {
  [[ -f $DOCKER_PID ]] && [[ $(cat "/proc/$(cat "$DOCKER_PID")/comm" 2>/dev/null) == dockerd ]]
}

# use_docker points docker at the daemon that the cluster is on: the private one
# when it runs, otherwise whatever the environment says.
use_docker() {
  if private_docker_runs; then export DOCKER_HOST=unix://$DOCKER_SOCKET; fi
}

# start_docker makes sure that a daemon works. BROKERMESH_DOCKER=private asks for
# the private one although the machine has one.
start_docker() {
  use_docker
  if [[ ${BROKERMESH_DOCKER:-} != private ]] || private_docker_runs; then
    docker info >/dev/null 2>&1 && return
  fi
  ((EUID == 0)) || die "no Docker daemon answers, and starting a private one takes root. Start Docker, or run this as root."
  need_command dockerd docker.io
  need_command docker docker.io
  need_command iptables iptables
  need_command jq jq
  start_private_docker
}

start_private_docker() {
  say "starting a private Docker daemon (data in $DOCKER_DATA)"
  mkdir -p "$DOCKER_DATA" "$DOCKER_RUN"
  local runtime=()
  if lacks_sys_resource; then
    install -m 0755 "$KIND_DIR/lib/runc-wrapper" "$DOCKER_DATA/runc-wrapper"
    runtime=(--add-runtime "brokermesh=$DOCKER_DATA/runc-wrapper" --default-runtime brokermesh)
  fi
  # Its own containerd namespace and no default bridge: another daemon on this
  # machine may have both.
  setsid nohup dockerd --host "unix://$DOCKER_SOCKET" --pidfile "$DOCKER_PID" \
    --data-root "$DOCKER_DATA/data" --exec-root "$DOCKER_RUN/exec" \
    --containerd-namespace brokermesh --containerd-plugins-namespace brokermesh-plugins \
    --bridge none "${runtime[@]}" >"$DOCKER_DATA/dockerd.log" 2>&1 9>&- </dev/null &
  export DOCKER_HOST=unix://$DOCKER_SOCKET
  retry 30 docker info >/dev/null ||
    die "the private Docker daemon does not answer; see $DOCKER_DATA/dockerd.log"
}

# stop_private_docker stops the daemon by its recorded process id.
stop_private_docker() {
  private_docker_runs || return 0
  local pid
  pid=$(cat "$DOCKER_PID")
  say "stopping the private Docker daemon (process $pid)"
  kill "$pid"
  retry 30 not_running "$pid" || die "the Docker daemon $pid does not stop; see $DOCKER_DATA/dockerd.log"
}

not_running() { [[ ! -d /proc/$1 ]]; }

# lacks_sys_resource tells whether this process may not raise limits: bit 24 of
# its effective capabilities is CAP_SYS_RESOURCE.
lacks_sys_resource() {
  local caps
  caps=$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status)
  (((0x$caps >> 24 & 1) == 0))
}

# make_network makes the cluster's network, with a subnet that is given and not
# only taken: Docker pins addresses only in such. Which subnet is free, Docker
# knows; so a first network asks for one, and the second is given the same.
make_network() {
  docker network inspect "$CLUSTER_NAME" >/dev/null 2>&1 && return
  local subnet
  docker network create "$CLUSTER_NAME" >/dev/null
  subnet=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$CLUSTER_NAME")
  docker network rm "$CLUSTER_NAME" >/dev/null
  docker network create --subnet "$subnet" "$CLUSTER_NAME" >/dev/null
}

# address_of prints the address of a node's container, also of a stopped one
# whose address is pinned.
address_of() {
  docker inspect -f '{{range .NetworkSettings.Networks}}{{or .IPAddress (and .IPAMConfig .IPAMConfig.IPv4Address)}}{{end}}' "$1"
}
