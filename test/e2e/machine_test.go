// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// unknownWithin is what the operator promises: 30 s of silence, and what it takes to notice.
const unknownWithin = 40 * time.Second

// stopMachine stops one machine of the cluster. E2E_STOP_NODE and E2E_START_NODE are the commands for it, with the machine's name
// as argument; a cluster whose machines can't be stopped sets E2E_MACHINES=fixed.
func stopMachine(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
	stop, start := os.Getenv("E2E_STOP_NODE"), os.Getenv("E2E_START_NODE")
	if stop == "" || start == "" {
		if os.Getenv("E2E_MACHINES") == "fixed" {
			t.Log("the machines of this cluster can't be stopped: not tried")
			return ctx
		}
		t.Fatal("E2E_STOP_NODE and E2E_START_NODE are not set: `make e2e` sets them for kind; set E2E_MACHINES=fixed for a cluster whose machines can't be stopped")
	}
	victim, there, elsewhere := chooseMachine(ctx, t, cfg)
	t.Logf("stopping %s, which runs %v", victim, there)
	runMachineCommand(ctx, t, stop, victim)
	stopped := true
	t.Cleanup(func() {
		if stopped {
			runMachineCommand(context.WithoutCancel(ctx), t, start, victim)
		}
	})
	for _, name := range there {
		eventually(ctx, t, name+" turns Unknown", unknownWithin+patience/4,
			wantCondition(cfg, name, &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceTooOld))
		reportDelay(ctx, t, cfg, name)
	}
	for _, name := range elsewhere {
		if err := wantCondition(cfg, name, &v1alpha1.BrokerNode{}, v1alpha1.ConditionReady, metav1.ConditionTrue, "")(ctx); err != nil {
			t.Errorf("a node that was not touched: %v", err)
		}
	}
	runMachineCommand(ctx, t, start, victim)
	stopped = false
	eventually(ctx, t, "everything is healthy again", patience, allReady(cfg))
	return ctx
}

// chooseMachine picks a machine that runs nodes of the mesh, but neither the manager nor the control plane.
func chooseMachine(ctx context.Context, t *testing.T, cfg *envconf.Config) (victim string, there, elsewhere []string) {
	t.Helper()
	keep := map[string]bool{}
	var machines corev1.NodeList
	if err := cfg.Client().Resources().List(ctx, &machines); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines.Items {
		if _, ok := m.Labels["node-role.kubernetes.io/control-plane"]; ok {
			keep[m.Name] = true
		}
	}
	var managers corev1.PodList
	if err := cfg.Client().Resources(system).List(ctx, &managers); err != nil {
		t.Fatal(err)
	}
	for _, p := range managers.Items {
		keep[p.Spec.NodeName] = true
	}
	pods := podsByNode(ctx, t, cfg)
	if victim = outside(keep, pods); victim == "" {
		moveAway(ctx, t, cfg, keep, "worker-1")
		pods = podsByNode(ctx, t, cfg)
		victim = outside(keep, pods)
	}
	if victim == "" {
		t.Fatalf("no machine runs nodes of the mesh but neither the manager nor the control plane: %v", keep)
	}
	for name, pod := range pods {
		if pod.Spec.NodeName == victim {
			there = append(there, name)
		} else {
			elsewhere = append(elsewhere, name)
		}
	}
	return victim, there, elsewhere
}

// outside names a machine that is not to be kept and runs a pod.
func outside(keep map[string]bool, pods map[string]corev1.Pod) string {
	for _, pod := range pods {
		if pod.Spec.NodeName != "" && !keep[pod.Spec.NodeName] {
			return pod.Spec.NodeName
		}
	}
	return ""
}

// moveAway lets the scheduler place a node's pod anew, on another machine than those to be kept.
func moveAway(ctx context.Context, t *testing.T, cfg *envconf.Config, keep map[string]bool, node string) {
	t.Helper()
	for machine := range keep {
		mustKubectl(ctx, t, "cordon", machine)
	}
	mustKubectl(ctx, t, "delete", "pod", node+"-0")
	eventually(ctx, t, node+" runs elsewhere", patience, func(ctx context.Context) error {
		if machine := podsByNode(ctx, t, cfg)[node].Spec.NodeName; machine == "" || keep[machine] {
			return fmt.Errorf("its machine is %q", machine)
		}
		return nil
	})
	eventually(ctx, t, "the mesh is ready again", patience, allReady(cfg))
	for machine := range keep {
		mustKubectl(ctx, t, "uncordon", machine)
	}
}

func runMachineCommand(ctx context.Context, t *testing.T, command, machine string) {
	t.Helper()
	if out, err := exec.CommandContext(ctx, command, machine).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", command, machine, err, out)
	}
}

// reportDelay logs how long it took: machines are noisy, so it is a figure and no assertion.
func reportDelay(ctx context.Context, t *testing.T, cfg *envconf.Config, name string) {
	t.Helper()
	node := &v1alpha1.BrokerNode{}
	if err := cfg.Client().Resources(namespace).Get(ctx, name, namespace, node); err != nil {
		t.Fatal(err)
	}
	for _, c := range conditionsOf(node) {
		if c.Type == v1alpha1.ConditionReady {
			t.Logf("%s: Ready is %s since %s: %s", name, c.Status, c.LastTransitionTime.Format(time.TimeOnly), c.Message)
		}
	}
}
