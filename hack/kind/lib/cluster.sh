# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Making and reaching the cluster. Needs base.sh, programs.sh and docker.sh; a
# cluster on an image built here also needs nodeimage.sh and what that needs.

CONTROL_PLANE=$CLUSTER_NAME-control-plane

# kind runs kind in the version pinned here, on the cluster's Docker.
kind() { "$(build_kind)" "$@"; }

# kubectl runs in the control plane's container: every node image has it.
kubectl() { docker exec -i "$CONTROL_PLANE" kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }

cluster_exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER_NAME"; }

# cluster_answers tells whether the API server does, and knows all nodes: one
# whose making was interrupted may not.
cluster_answers() { [[ $(kubectl get nodes -o name 2>/dev/null | wc -l) == 3 ]]; }

# choose_image prints the node image: one built here, or nothing for kind's own,
# which is taken where Docker has it or can pull it. BROKERMESH_NODE_IMAGE=own
# (or a name) decides by hand.
choose_image() {
  case ${BROKERMESH_NODE_IMAGE:-} in
    '') ;;
    own) build_node_image; return ;;
    *) printf '%s\n' "$BROKERMESH_NODE_IMAGE"; return ;;
  esac
  if ! private_docker_runs && public_image_at_hand; then return; fi
  build_node_image
}

public_image_at_hand() {
  local image
  image=$(default_node_image)
  [[ -n $image ]] || return 1
  docker image inspect "$image" >/dev/null 2>&1 && return
  say "pulling $image"
  timeout 300 docker pull -q "$image" >&2
}

# default_node_image prints the node image that this kind takes by default.
default_node_image() {
  local module
  module=$(cd "$KIND_DIR/cli" && go mod download -json sigs.k8s.io/kind | awk -F'"' '$2 == "Dir" { print $4 }')
  sed -n 's/^const Image = "\(.*\)"/\1/p' "$module/pkg/apis/config/defaults/image.go"
}

# is_own tells whether the running cluster is on an image built here: those have
# our route program.
is_own() { docker exec "$CONTROL_PLANE" test -x /kind/bin/pod-routes; }

create_cluster() {
  local image=$1 config=$STATE_DIR/cluster.yaml arguments=()
  cp "$KIND_DIR/cluster.yaml" "$config"
  if [[ $image == brokermesh/* ]]; then cat "$KIND_DIR/own-image.yaml" >>"$config"; fi
  [[ -z $image ]] || arguments+=(--image "$image")
  say "creating cluster $CLUSTER_NAME${image:+ on $image}"
  make_network
  KIND_EXPERIMENTAL_DOCKER_NETWORK=$CLUSTER_NAME kind create cluster --name "$CLUSTER_NAME" --config "$config" --kubeconfig "$KUBECONFIG_FILE" "${arguments[@]}" >&2 9>&- ||
    die "kind could not create the cluster; see its messages above"
}

# write_kubeconfig puts the kubeconfig in place in one step, also for a cluster
# that another checkout has made.
write_kubeconfig() {
  kind get kubeconfig --name "$CLUSTER_NAME" >"$KUBECONFIG_FILE.new"
  chmod 0600 "$KUBECONFIG_FILE.new"
  mv "$KUBECONFIG_FILE.new" "$KUBECONFIG_FILE"
}

# connect_nodes gives every node its pod network and routes to the others', in
# files that survive a restart of the node.
connect_nodes() {
  retry 60 ranges_assigned || die "the control plane gives no pod ranges to the nodes"
  local nodes node range address pods
  nodes=$(node_table)
  pods=$(kubectl get node "$CONTROL_PLANE" -o jsonpath='{.spec.podCIDR}' | sed 's|\.[0-9]*\.[0-9]*/.*|.0.0/16|')
  while read -r node range address; do
    {
      echo "$pods"
      awk -v me="$node" '$1 != me { print $2, $3 }' <<<"$nodes"
    } | docker exec -i "$node" sh -c 'cat >/kind/routes && /kind/bin/pod-routes' </dev/stdin
    network_config "$range" | docker exec -i "$node" sh -c \
      'mkdir -p /etc/cni/net.d && cat >/etc/cni/net.d/.new && mv /etc/cni/net.d/.new /etc/cni/net.d/10-bridge.conflist'
  done <<<"$nodes"
}

# node_table prints NAME POD-RANGE ADDRESS of each node.
node_table() {
  kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
}

ranges_assigned() { [[ $(node_table | awk 'NF == 3' | wc -l) == 3 ]]; }

# network_config prints the CNI configuration of a node. It does not masquerade
# by itself: a pod on another node shall see the pod's address, not the node's.
network_config() {
  cat <<JSON
{
  "cniVersion": "0.4.0",
  "name": "bridge",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$1"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
}

# keep_names_inside gives cluster DNS our Corefile, before it starts.
keep_names_inside() {
  kubectl -n kube-system create configmap coredns --from-file=Corefile=/dev/stdin --dry-run=client -o yaml \
    <"$KIND_DIR/node/Corefile" | kubectl apply --server-side --force-conflicts -f - >/dev/null
}

# settle opens the control plane to pods, keeps DNS on it so that stopping a
# worker takes nothing from the others, and waits until all is ready.
settle() {
  kubectl taint nodes --all node-role.kubernetes.io/control-plane- >/dev/null 2>&1 || true
  kubectl -n kube-system patch deployment coredns --type merge -p \
    '{"spec": {"replicas": 1, "template": {"spec": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}}}' >/dev/null
  say "waiting for nodes, DNS and storage"
  kubectl wait --for=condition=Ready nodes --all --timeout=180s >/dev/null || die "not all nodes become Ready"
  kubectl -n kube-system rollout status deployment coredns --timeout=180s >/dev/null || die "cluster DNS does not become ready"
  kubectl -n kube-system rollout status daemonset kube-proxy --timeout=180s >/dev/null || die "kube-proxy does not become ready"
  kubectl -n local-path-storage rollout status deployment local-path-provisioner --timeout=180s >/dev/null ||
    die "the storage provisioner does not become ready"
}
