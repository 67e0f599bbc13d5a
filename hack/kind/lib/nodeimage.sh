# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The node image, for machines that cannot get kind's. Needs base.sh, programs.sh,
# rootfs.sh, images.sh and a working docker.

# build_node_image prints the name of a node image that docker has.
build_node_image() {
  local kubernetes rootfs kind_files tars name
  kubernetes=$(build_kubernetes)
  rootfs=$(build_rootfs)
  kind_files=$(kind_base_files)
  tars=$(node_images "$rootfs")
  name=brokermesh/kind-node:$(kubernetes_version)-$(key "$kubernetes" "$rootfs" "$kind_files" "$tars" \
    "$KIND_DIR"/node/* "$KIND_DIR/lib/nodeimage.sh")
  if ! docker image inspect "$name" >/dev/null 2>&1; then
    say "assembling node image $name"
    local overlay=$CACHE_DIR/node-overlay
    rm -rf "$overlay"
    fill_overlay "$overlay" "$kind_files" "$kubernetes"
    import_node_image "$name" "$rootfs" "$overlay" "$tars"
    rm -rf "$overlay"
    remove_old_images "$name"
  fi
  printf '%s\n' "$name"
}

# remove_old_images frees the half gigabyte of each node image that this one
# replaces; docker keeps those that a cluster is on.
remove_old_images() {
  local old
  docker images --format '{{.Repository}}:{{.Tag}}' brokermesh/kind-node | grep -vxF -e "$1" -e "$1-base" |
    while read -r old; do docker rmi "$old" >/dev/null 2>&1 || true; done || true
}

# kind_base_files prints the folder of the files that kind puts on its base image.
kind_base_files() {
  local module
  module=$(cd "$KIND_DIR/cli" && go mod download -json sigs.k8s.io/kind | jq -r .Dir) && [[ -d $module ]] ||
    die "cannot download the Go module sigs.k8s.io/kind"
  printf '%s\n' "$module/images/base/files"
}

# fill_overlay writes what a node has on top of Debian: kind's files as its
# Dockerfile places them, changed where this machine differs, then Kubernetes.
fill_overlay() {
  local to=$1 files=$2 kubernetes=$3 program
  mkdir -p "$to"/{kind/bin,kind/manifests,etc/kubernetes/manifests,opt/cni,usr/bin,usr/local/bin}
  cp -r "$files/etc" "$files/kind" "$to/"
  cp "$files/usr/local/bin/entrypoint" "$to/usr/local/bin/"
  chmod -R u+w "$to"
  fit_to_machine "$to"
  enable_units "$to"
  ln -s /usr/bin/containerd "$to/usr/local/bin/containerd"
  ln -s /usr/lib/cni "$to/opt/cni/bin"
  cp "$kubernetes" "$to/usr/bin/kubernetes"
  for program in kubeadm kubectl kubelet; do ln -s kubernetes "$to/usr/bin/$program"; done
  kubernetes_version | tr -d '\n' >"$to/kind/version"
  sed -e "s|@PROVISIONER_IMAGE@|$(provisioner_image)|" -e "s|@HELPER_IMAGE@|$HELPER_IMAGE|" \
    "$KIND_DIR/node/default-storage.yaml" >"$to/kind/manifests/default-storage.yaml"
  cp "$KIND_DIR/node/pod-routes" "$to/kind/bin/"
  chmod -R u=rwX,go=rX "$to"
  chmod 0755 "$to"/kind/bin/* "$to/usr/local/bin/entrypoint"
}

# fit_to_machine takes out of kind's settings what needs CAP_SYS_RESOURCE or
# cgroup v2, and names the pause image that kubeadm wants.
fit_to_machine() {
  local to=$1
  sed -i -e '/base_runtime_spec/d' -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
    -e 's/SystemdCgroup = true/SystemdCgroup = false/' \
    -e "s|sandbox_image = .*|sandbox_image = \"$(required_image pause)\"|" "$to/etc/containerd/config.toml"
  sed -i -e '/^OOMScoreAdjust/d' -e '/^Limit/d' "$to/etc/systemd/system/containerd.service"
  sed -i -e '/^CPUAccounting/d' -e '/^MemoryAccounting/d' "$to"/etc/systemd/system/kubelet.{service,slice}
}

# enable_units does by hand what systemctl enable and mask would.
enable_units() {
  local units=$1/etc/systemd/system unit
  cp "$KIND_DIR/node/brokermesh-routes.service" "$units/"
  mkdir -p "$units/multi-user.target.wants"
  for unit in kubelet containerd undo-mount-hacks brokermesh-routes; do
    ln -s "/etc/systemd/system/$unit.service" "$units/multi-user.target.wants/$unit.service"
  done
  ln -s /dev/null "$units/systemd-binfmt.service"
}

# import_node_image turns both folders into one layer, puts the image archives
# into its containerd, and names the result only when it is whole.
import_node_image() {
  local name=$1 rootfs=$2 overlay=$3 tars=$4 container=brokermesh-node-build tar
  docker rm -f "$container" >/dev/null 2>&1 || true
  # The copy of Debian is made of hard links: laying files over it must replace
  # them, never write into them.
  local whole=$CACHE_DIR/node-whole
  rm -rf "$whole"
  cp -al "$rootfs" "$whole"
  cp -a --remove-destination "$overlay/." "$whole/"
  tar -C "$whole" -c . | docker import - "$name-base" >/dev/null
  rm -rf "$whole"
  # systemd ends on this signal; docker stop sends it because the image says so.
  docker run -d --name "$container" --network none --security-opt seccomp=unconfined \
    --stop-signal SIGRTMIN+3 --env container=docker --entrypoint sleep "$name-base" infinity >/dev/null ||
    die "docker cannot run a container; see its message above"
  docker exec -d "$container" containerd
  retry 30 docker exec "$container" ctr version >/dev/null || die "containerd does not start in the node image"
  while read -r tar; do
    docker exec -i "$container" ctr -n k8s.io images import --label=io.cri-containerd.pinned=pinned \
      --no-unpack - <"$tar" >/dev/null || die "containerd cannot import $tar"
  done <<<"$tars"
  docker exec "$container" pkill containerd
  docker commit --change 'ENTRYPOINT [ "/usr/local/bin/entrypoint", "/sbin/init" ]' "$container" "$name" >/dev/null
  docker rm -f "$container" >/dev/null
}
