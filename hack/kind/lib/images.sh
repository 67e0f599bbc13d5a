# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The images that a cluster starts with, each a docker-archive tar in the cache
# made of programs built here. Needs base.sh, programs.sh and rootfs.sh.

HELPER_IMAGE=localhost/busybox:latest

# required_image prints the name under which kubeadm wants the component $1.
required_image() {
  (exec -a kubeadm "$(build_kubernetes)" config images list --kubernetes-version "$(kubernetes_version)" 2>/dev/null) |
    grep "/$1:"
}

provisioner_image() {
  printf 'localhost/local-path-provisioner:%s\n' \
    "$(module_version "$KIND_DIR/localpath" github.com/rancher/local-path-provisioner)"
}

# image_tar NAME ARGUMENTS… prints the path of an archive that mkimage makes
# with these arguments, which name files that never change under their names.
image_tar() {
  local name=$1 target mkimage
  shift
  mkimage=$(build_mkimage)
  target=$CACHE_DIR/images/$name-$(key "$mkimage" "$@").tar
  if [[ ! -f $target ]]; then
    say "writing image $name"
    mkdir -p "${target%/*}"
    "$mkimage" -o "$target" "$@" || die "mkimage could not write $target"
  fi
  printf '%s\n' "$target"
}

# kubernetes_image is one image under the names of all four components, so that
# their common binary is stored once. kube-proxy calls nft.
kubernetes_image() {
  local rootfs=$1 component program libraries arguments=()
  program=$(build_kubernetes)
  libraries=$(with_libraries "$rootfs" /usr/sbin/nft)
  for component in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
    arguments+=(-t "$(required_image $component)" -link "/usr/local/bin/$component=kubernetes")
  done
  mapfile -t -O "${#arguments[@]}" arguments <<<"$libraries"
  image_tar kubernetes -user 0:0 "${arguments[@]}" "/usr/local/bin/kubernetes=$program"
}

# helper_image has a shell: local-path-provisioner's helper pods need one, and
# it serves as a small pod for looking around in a cluster.
helper_image() {
  need_packages busybox-static
  local applet links=()
  for applet in $(/bin/busybox --list); do
    [[ $applet == busybox ]] || links+=(-link "/bin/$applet=busybox")
  done
  image_tar busybox -t "$HELPER_IMAGE" -user 0:0 -entrypoint /bin/sh "${links[@]}" /bin/busybox=/bin/busybox
}

# node_images prints the archives that go into a node image, one a line.
node_images() {
  local rootfs=$1 program
  kubernetes_image "$rootfs"
  program=$(build_etcd)
  image_tar etcd -t "$(required_image etcd)" -user 0:0 "/usr/local/bin/etcd=$program"
  program=$(build_coredns)
  image_tar coredns -t "$(required_image coredns)" -user 0:0 -entrypoint /coredns "/coredns=$program"
  program=$(build_pause)
  image_tar pause -t "$(required_image pause)" -user 65535:65535 -entrypoint /pause "/pause=$program"
  program=$(build_local_path_provisioner)
  image_tar local-path-provisioner -t "$(provisioner_image)" -user 0:0 "/usr/local/bin/local-path-provisioner=$program"
  helper_image
}
