# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What every script under hack/kind and hack/envtest shares: where things are,
# how to speak, and how a stage is made idempotent. Source it; it runs nothing.

# A failure inside $(…) must end the script too, as set -e does outside.
shopt -s inherit_errexit

# Where things are. The cache is outside the checkout, so that every clone on
# this machine shares it; what belongs to one checkout is under .cache/kind.
KIND_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(cd "$KIND_DIR/../.." && pwd)
CACHE_DIR=${BROKERMESH_CACHE:-$HOME/.cache/brokermesh}
STATE_DIR=$REPO_DIR/.cache/kind
CLUSTER_NAME=brokermesh
export KUBECONFIG_FILE=$STATE_DIR/kubeconfig
export KIND_CLUSTER_NAME=$CLUSTER_NAME

# say prints progress. Standard output is left to results that callers read.
say() { printf '== %s\n' "$*" >&2; }

# die ends the script with a reason and what to do about it.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# lock lets one script at a time change the cache or the cluster. It is held
# until the script ends; what outlives the script must close descriptor 9.
lock() {
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/lock"
  flock -n 9 && return
  say "another hack/kind or hack/envtest script is at work, waiting for it"
  flock 9
}

# make_state_dir makes the checkout's folder, which ignores itself in git.
make_state_dir() {
  mkdir -p "$STATE_DIR"
  printf '*\n' >"$REPO_DIR/.cache/.gitignore"
}

# key prints a short hash of the given files and words: the same inputs have
# the same key, so a result stored under it never has to be checked for age.
key() {
  local input
  for input in "$@"; do
    if [[ -f $input ]]; then cat "$input"; else printf '%s\n' "$input"; fi
  done | sha256sum | cut -c1-12
}

# need_command makes a command available from a Debian package, or says how.
need_command() {
  local command=$1 package=$2
  command -v "$command" >/dev/null && return
  need_packages "$package"
}

# need_packages installs Debian packages that are not there yet.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]}. This is no Debian system; install what provides them."
  ((EUID == 0)) || die "missing: ${missing[*]}. Run: sudo apt-get install --no-install-recommends ${missing[*]}"
  apt_update_once "${missing[0]}"
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2 </dev/null ||
    die "apt-get could not install ${missing[*]}; see its messages above"
}

# apt_update_once fetches package lists where apt does not know the package.
apt_update_once() {
  apt-cache show "$1" >/dev/null 2>&1 && return
  say "fetching package lists"
  apt-get update >&2 || die "apt-get update failed; are Debian's packages reachable?"
}

# retry runs a command up to N times, a second apart. Only the last attempt's
# messages are shown, and only the successful one's output.
retry() {
  local times=$1 try output
  shift
  for ((try = 1; try < times; try++)); do
    if output=$("$@" 2>/dev/null); then
      [[ -z $output ]] || printf '%s\n' "$output"
      return
    fi
    sleep 1
  done
  "$@"
}
