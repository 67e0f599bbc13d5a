// SPDX-License-Identifier: Apache-2.0

// Package statusapi is what a node answers when it is asked how it is: the types, the paths, the server and the client.
// Operator and engine share it; it knows nothing of Kubernetes.
//
// The manager asks by long poll: [Client.Status] names the instance and the generation that it knows, and the answer comes
// when there is something else to know, or after ten seconds. A node gives two answers a second at most. [Client.Push] hands
// over a whole [nodeconfig.Config], which the node takes or refuses.
//
// Both go over HTTP/1.1 and mutual TLS 1.3. Who may ask is decided by the name in the certificate alone, which package
// meshtls spells: the node's port accepts the manager of its namespace ([ServerTLS]), the manager talks to the node that it
// means ([ClientTLS]). See "How evidence travels" and "Trust" of the design.
package statusapi
