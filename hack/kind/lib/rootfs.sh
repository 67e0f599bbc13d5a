# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The Debian system of a kind node, made with debootstrap. Needs base.sh.

ROOTFS_RELEASE=bookworm
ROOTFS_PACKAGES=systemd,dbus,iproute2,kmod,procps,iptables,nftables,conntrack,ethtool,socat,mount,containerd,runc,containernetworking-plugins,ca-certificates,jq

# build_rootfs prints a folder with a Debian system, trimmed as kind's base
# image trims its own: units that a container has no use for are not wanted.
build_rootfs() {
  local target
  target=$CACHE_DIR/rootfs/$ROOTFS_RELEASE-$(key "$ROOTFS_PACKAGES" "$KIND_DIR/lib/rootfs.sh")
  if [[ ! -d $target ]]; then
    ((EUID == 0)) || die "making a node image takes root: debootstrap needs chroot and mknod"
    need_command debootstrap debootstrap
    say "making a Debian $ROOTFS_RELEASE system for the nodes (about a minute)"
    rm -rf "$target.new"
    mkdir -p "$target.new"
    # Without a mirror argument debootstrap takes Debian's own.
    debootstrap --variant=minbase --include="$ROOTFS_PACKAGES" "$ROOTFS_RELEASE" "$target.new" \
      ${BROKERMESH_DEBIAN_MIRROR:+"$BROKERMESH_DEBIAN_MIRROR"} >"$CACHE_DIR/debootstrap.log" 2>&1 </dev/null ||
      die "debootstrap failed; see $CACHE_DIR/debootstrap.log. BROKERMESH_DEBIAN_MIRROR names another mirror."
    trim_rootfs "$target.new"
    mv "$target.new" "$target"
  fi
  printf '%s\n' "$target"
}

trim_rootfs() {
  local root=$1
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/* \
    "$root"/var/log/* "$root"/etc/systemd/system/*.wants \
    "$root"/lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* \
    "$root"/lib/systemd/system/sockets.target.wants/*{udev,initctl}* \
    "$root"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
  # Kernel messages of the host would only confuse in a node's journal.
  echo 'ReadKMsg=no' >>"$root/etc/systemd/journald.conf"
  ln -sf /usr/lib/systemd/systemd "$root/usr/sbin/init"
}

# with_libraries prints, for a program in the folder ROOT, mkimage arguments for
# it and for every shared library it loads.
with_libraries() {
  local root=$1 program=$2 file
  printf '%s=%s\n' "$program" "$root$program"
  chroot "$root" ldd "$program" | grep -o '/[^ ]*' | while read -r file; do
    printf '%s=%s\n' "$file" "$root$(chroot "$root" readlink -f "$file")"
  done
}
