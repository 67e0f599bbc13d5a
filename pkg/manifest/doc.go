// SPDX-License-Identifier: Apache-2.0

// Package manifest turns a BrokerNode, the configs of its pods and its certificates into the Kubernetes objects that run it: a
// StatefulSet, the Service that governs it, a ConfigMap, a Secret and a ServiceAccount. It follows the sections Identity, Trust, How
// configuration travels and Pods of the architecture.
//
// The package is pure: no client, no clock, no I/O. Equal input gives equal objects, byte for byte, so that the controllers can tell
// whether there is anything to send. Every object carries an ownerReference to the BrokerNode and dies with it.
//
// What stands in the pod template is exactly what a new pod is needed for: image, resources, storage, ports, TLS mode, queues. Neither a hash
// nor a version of config or certificates appears there; both reach a running pod through its mounts and its control port.
package manifest
