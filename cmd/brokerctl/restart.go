// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

func newRestart() *cobra.Command {
	var at clusterFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "restart NODE",
		Short: "Replace the pods of a BrokerNode, one after the other",
		Long: `Restart has the operator of a cluster replace the pods of a BrokerNode, as a change of its template would: in the order of a
rolling change, each when the one before is ready and connected again. Nothing of the node's spec changes; the annotation
brokermesh.dev/restartedAt has the time.

With --wait it ends when all pods are new and the node is ready.`,
		Example: "  brokerctl restart worker -n mesh --wait 5m",
		Args:    cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			api, namespace, err := at.connect()
			if err != nil {
				return err
			}
			r := restart{api: api, key: client.ObjectKey{Namespace: namespace, Name: args[0]}, at: time.Now().UTC().Format(time.RFC3339Nano)}
			if err := r.begin(cmd.Context()); err != nil {
				return err
			}
			if wait <= 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: its pods are going to be replaced\n", args[0])
				return nil
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			if err := r.wait(ctx, 500*time.Millisecond); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: all pods are new\n", args[0])
			return nil
		}),
	}
	at.add(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait at most this `TIME` for the new pods; 5m without a value")
	cmd.Flags().Lookup("wait").NoOptDefVal = "5m"
	return cmd
}

// restart is one restart of a node's pods.
type restart struct {
	api client.Client
	key client.ObjectKey
	at  string // the annotation's value
}

// begin asks for it.
func (r restart) begin(ctx context.Context) error {
	var node v1alpha1.BrokerNode
	if err := r.api.Get(ctx, r.key, &node); err != nil {
		return fmt.Errorf("read the BrokerNode: %w", err)
	}
	if node.Spec.Paused {
		return errors.New("the BrokerNode is paused (spec.paused), and its pods are not replaced")
	}
	before := node.DeepCopy()
	if node.Annotations == nil {
		node.Annotations = make(map[string]string)
	}
	node.Annotations[v1alpha1.RestartedAtAnnotation] = r.at
	if err := r.api.Patch(ctx, &node, client.MergeFrom(before), client.FieldOwner("brokerctl")); err != nil {
		return fmt.Errorf("annotate the BrokerNode: %w", err)
	}
	return nil
}

// wait returns when all pods are made from the template with the annotation, and the node is well.
func (r restart) wait(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		words, err := r.missing(ctx)
		if ctx.Err() == nil && (err != nil || words == "") {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctl.TimedOut(fmt.Errorf("%s: %s", r.key.Name, words))
			}
			return nil // Ctrl-C: the operator goes on
		}
	}
}

// missing says what the restart waits for; empty if it is over.
func (r restart) missing(ctx context.Context) (string, error) {
	var node v1alpha1.BrokerNode
	if err := r.api.Get(ctx, r.key, &node); err != nil {
		return "", fmt.Errorf("read the BrokerNode: %w", err)
	}
	pods := metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	err := r.api.List(ctx, &pods, client.InNamespace(r.key.Namespace), client.MatchingLabels{v1alpha1.NodeLabel: r.key.Name})
	if err != nil {
		return "", fmt.Errorf("read the pods: %w", err)
	}
	fresh := int32(0)
	for i := range pods.Items {
		if p := &pods.Items[i]; p.DeletionTimestamp == nil && p.Annotations[v1alpha1.RestartedAtAnnotation] == r.at {
			fresh++
		}
	}
	want := int32(1)
	if node.Spec.Replicas != nil {
		want = *node.Spec.Replicas
	}
	words := ""
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionConfigured} {
		if c := apimeta.FindStatusCondition(node.Status.Conditions, kind); c == nil || c.Status != metav1.ConditionTrue {
			words = "it is not " + kind + " yet"
			if c != nil {
				words = c.Message
			}
		}
	}
	if fresh < want {
		return fmt.Sprintf("%d of %d pods are new; %s", fresh, want, words), nil
	}
	return words, nil
}
