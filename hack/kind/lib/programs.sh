# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The programs that a node image and envtest are made of, built from Go modules
# into the cache. Each build_… function prints the path of what it built, and
# takes no time when that is there already. Needs base.sh.

# module_version prints the version of a module that DIR/go.mod asks for.
module_version() {
  awk -v module="$2" '$1 == "require" { $1 = ""; $0 = $0 } $1 == module { print $2; exit }' "$1/go.mod"
}

# go_program NAME DIR PACKAGE VERSION [LDFLAGS] builds PACKAGE, as DIR/go.mod
# pins it, into a static binary NAME.
go_program() {
  local name=$1 dir=$2 package=$3 version=$4 flags=${5:-}
  command -v go >/dev/null || die "go is not installed; see the go line of $REPO_DIR/go.mod for the version"
  local id target
  id=$(key "$(go env GOVERSION GOOS GOARCH)" "$package" "$flags" "$dir"/*)
  target=$CACHE_DIR/programs/$name-$version-$id/$name
  if [[ ! -x $target ]]; then
    say "building $name $version"
    mkdir -p "${target%/*}"
    (cd "$dir" && CGO_ENABLED=0 GOFLAGS= GOWORK=off go build -trimpath -buildvcs=false \
      -ldflags "-s -w $flags" -o "$target.new" "$package") >&2 || die "building $name failed; see above"
    mv "$target.new" "$target"
  fi
  printf '%s\n' "$target"
}

# kubernetes_version prints the version of Kubernetes that the cluster runs.
kubernetes_version() { module_version "$KIND_DIR/k8s" k8s.io/kubernetes; }

# build_kubernetes builds all of Kubernetes as one binary: five to ten minutes on
# two cores when Go's own build cache is empty too.
build_kubernetes() {
  local version at=k8s.io/component-base/version
  version=$(kubernetes_version)
  local major=${version#v} minor=${version#v*.}
  go_program kubernetes "$KIND_DIR/k8s" . "$version" "\
-X $at.gitVersion=$version -X $at.gitMajor=${major%%.*} -X $at.gitMinor=${minor%%.*} \
-X $at.gitCommit=0000000000000000000000000000000000000000 -X $at.gitTreeState=clean \
-X $at.buildDate=1970-01-01T00:00:00Z"
}

build_etcd() {
  go_program etcd "$KIND_DIR/etcd" . "$(module_version "$KIND_DIR/etcd" go.etcd.io/etcd/server/v3)"
}

build_coredns() {
  go_program coredns "$KIND_DIR/coredns" . "$(module_version "$KIND_DIR/coredns" github.com/coredns/coredns)"
}

build_local_path_provisioner() {
  local module=github.com/rancher/local-path-provisioner
  local version
  version=$(module_version "$KIND_DIR/localpath" $module)
  go_program local-path-provisioner "$KIND_DIR/localpath" $module "$version" "-X main.VERSION=$version"
}

build_kind() {
  go_program kind "$KIND_DIR/cli" sigs.k8s.io/kind "$(module_version "$KIND_DIR/cli" sigs.k8s.io/kind)"
}

# The program that holds a pod's namespaces, and the one that selftest runs in
# pods. They need nothing but the standard library and no module of their own.
build_pause() { go_program pause "$KIND_DIR/pause" main.go v0; }
build_probe() { go_program probe "$KIND_DIR/probe" main.go v0; }

# build_mkimage builds this project's own image writer.
build_mkimage() {
  local id target
  id=$(key "$(go env GOVERSION)" "$REPO_DIR"/hack/mkimage/*.go)
  target=$CACHE_DIR/programs/mkimage-$id/mkimage
  if [[ ! -x $target ]]; then
    say "building mkimage"
    mkdir -p "${target%/*}"
    (cd "$REPO_DIR" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$target.new" ./hack/mkimage) >&2 ||
      die "building hack/mkimage failed; see above"
    mv "$target.new" "$target"
  fi
  printf '%s\n' "$target"
}

# build_envtest prints a folder with kube-apiserver, etcd and kubectl, the
# layout that envtest wants to be pointed at.
build_envtest() {
  local kubernetes etcd target
  kubernetes=$(build_kubernetes)
  etcd=$(build_etcd)
  target=$CACHE_DIR/envtest/$(kubernetes_version)-$(key "$kubernetes" "$etcd")
  if [[ ! -d $target ]]; then
    rm -rf "$target.new"
    mkdir -p "$target.new"
    ln -s "$kubernetes" "$target.new/kube-apiserver"
    ln -s "$kubernetes" "$target.new/kubectl"
    ln -s "$etcd" "$target.new/etcd"
    mv "$target.new" "$target"
  fi
  printf '%s\n' "$target"
}
