// SPDX-License-Identifier: Apache-2.0

package review

import (
	"strings"
	"sync"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/docs"
	"github.com/brokermesh/brokermesh/pkg/lint"
)

// meanings are those of all reasons, by the page about conditions.
var meanings = sync.OnceValue(func() map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(docs.Conditions) {
		cells := strings.SplitN(strings.TrimSpace(line), " | ", 2)
		reason, ok := strings.CutPrefix(cells[0], "| `")
		if ok && len(cells) == 2 {
			out[strings.TrimSuffix(reason, "`")] = strings.ReplaceAll(strings.TrimSuffix(cells[1], " |"), `\|`, "|")
		}
	}
	return out
})

// meaning is what a reason means.
func meaning(r v1alpha1.Reason) string { return meanings()[string(r)] }

// next says what to do about what only shows while a mesh runs; what lint finds, too, has its advice there.
var next = map[v1alpha1.Reason]string{
	v1alpha1.ReasonPodPending:           "kubectl describe pod: its events say what it waits for (room on a machine, a volume, an image)",
	v1alpha1.ReasonImageUnavailable:     "check spec.image and spec.imagePullSecrets; kubectl describe pod has the registry's words",
	v1alpha1.ReasonNotListening:         "look into the node's log: a port that is taken, certificates that can't be read, a store that can't be opened",
	v1alpha1.ReasonCAMissing:            "put the Secret brokermesh-ca back from a backup; without one, delete the node's Secrets, and a new authority is made",
	v1alpha1.ReasonEvidenceTooOld:       "the node doesn't answer on its control port: is its pod alive, and does a NetworkPolicy keep the manager away?",
	v1alpha1.ReasonDraining:             "wait: the pod is on its way out, at most 30 seconds",
	v1alpha1.ReasonApplying:             "wait: the configuration is on its way",
	v1alpha1.ReasonRejected:             "the message has the node's own words; kubectl get configmap NAME-config shows the document",
	v1alpha1.ReasonRestartNeeded:        "wait for the roll; the message of the node says what it waits for",
	v1alpha1.ReasonNeedsNewerNode:       "set spec.image to that of the manager's version, or remove what is too new",
	v1alpha1.ReasonConflict:             "an object of that name belongs to somebody else: rename the node, remove the object, or hand it over with the annotation brokermesh.dev/adopt=true",
	v1alpha1.ReasonNotCompiled:          "the manager's log says why",
	v1alpha1.ReasonEndsDisagree:         "one end has a connection that the other doesn't know: a proxy or an address translation between them, or an end that is about to notice; look again in 30 seconds",
	v1alpha1.ReasonConnecting:           "the address doesn't answer: is the other end up, does its name resolve, does a NetworkPolicy or firewall drop packets?",
	v1alpha1.ReasonRefused:              "nobody listens there, or something refuses for it: is the other end ready, and is the port the one of its spec?",
	v1alpha1.ReasonIncompatible:         "the other end speaks something else: is it a Broker of version 2, and its native port rather than the WebSocket one?",
	v1alpha1.ReasonTLSFailed:            "certificates don't fit: both ends need leaves of the same authority (Secret brokermesh-ca), clocks that agree, and the mode of TLS that the other has",
	v1alpha1.ReasonQueueOverflow:        "the receiving end is slower than what is sent to it: see brokerctl top, and spec.queues",
	v1alpha1.ReasonBackendFailure:       "the message has the backend's words: a full or broken volume, a damaged file; brokerctl store verify looks closer",
	v1alpha1.ReasonNodeNotReady:         "explain the node of the master",
	v1alpha1.ReasonLoading:              "wait: the master reads what it has",
	v1alpha1.ReasonMasterMoving:         "wait: the master is handed over; writes wait as well",
	v1alpha1.ReasonFailingOver:          "wait: a clone is made the master",
	v1alpha1.ReasonLeaseMissing:         "the master doesn't hear of the operator: is the manager up, and does it reach the node's control port?",
	v1alpha1.ReasonSyncing:              "wait: clones get what they miss; if it doesn't end, explain their nodes and the peerings between",
	v1alpha1.ReasonStale:                "the clones that the message names don't hear of the master: explain the peerings between",
	v1alpha1.ReasonForeignCloneStranded: "attach that clone anew, in the program that holds it",
}

// advice says what to do about a reason.
func advice(r v1alpha1.Reason) string {
	if words := next[r]; words != "" {
		return words
	}
	if row, ok := lint.Lookup(r); ok {
		return row.Do
	}
	return ""
}
