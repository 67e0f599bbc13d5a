// SPDX-License-Identifier: Apache-2.0

// Package e2e tries the whole road on a real cluster: manifests applied with kubectl, pods that run the engine, conditions that say
// what the mesh does. It runs against the cluster that KUBECONFIG names; `make e2e` makes one with kind where it is unset.
//
// The features build on one another and run in the order of their files: a mesh comes up, is used, is hurt, is changed, is deleted.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// namespace is where the mesh of the running test lives. system is where the manager lives.
var namespace = "brokermesh-e2e"

const system = "brokermesh-system"

// root is the top of the repository.
const root = "../.."

var testenv env.Environment

func TestMain(m *testing.M) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		fmt.Fprintln(os.Stderr, "e2e: KUBECONFIG is not set; run `make e2e`, which makes a cluster, or point it to one that has the images")
		os.Exit(1)
	}
	testenv = env.NewWithConfig(envconf.NewWithKubeConfig(kubeconfig).WithNamespace(namespace))
	testenv.Setup(addTypes, deploy)
	os.Exit(testenv.Run(m))
}

func addTypes(ctx context.Context, cfg *envconf.Config) (context.Context, error) {
	client, err := cfg.NewClient()
	if err != nil {
		return ctx, fmt.Errorf("connect to the cluster: %w", err)
	}
	return ctx, v1alpha1.AddToScheme(client.Resources().GetScheme())
}

// deploy installs the operator as the README says, and makes the namespace of the tests.
func deploy(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", root + "/config/default"},
		{"-n", system, "rollout", "restart", "deployment/brokermesh-manager"},
		{"-n", system, "rollout", "status", "deployment/brokermesh-manager", "--timeout=180s"},
		{"create", "namespace", namespace},
	} {
		if out, err := kubectl(ctx, args...); err != nil {
			return ctx, fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
		}
	}
	return ctx, nil
}
