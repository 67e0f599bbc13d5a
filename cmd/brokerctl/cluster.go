// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
)

// clusterFlags say which cluster, and where in it.
type clusterFlags struct{ kubeconfig, context, namespace string }

func (c *clusterFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "the kubeconfig `FILE` (default $KUBECONFIG, or ~/.kube/config)")
	f.StringVar(&c.context, "context", "", "the `CONTEXT` of the kubeconfig (default its current one)")
	f.StringVarP(&c.namespace, "namespace", "n", "", "the `NAMESPACE` of the mesh (default the context's)")
	_ = cmd.MarkFlagFilename("kubeconfig")
}

// set tells whether any of the flags is given.
func (c *clusterFlags) set() bool { return *c != clusterFlags{} }

// connect makes a client of the cluster, which knows the kinds of a mesh, and answers the namespace of the mesh.
func (c *clusterFlags) connect() (api client.Client, namespace string, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.context})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", ctl.BadInput(fmt.Errorf("read the kubeconfig: %w", err))
	}
	namespace = c.namespace
	if namespace == "" {
		if namespace, _, err = loader.Namespace(); err != nil {
			return nil, "", ctl.BadInput(fmt.Errorf("read the kubeconfig: %w", err))
		}
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, "", err
	}
	api, err = client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", fmt.Errorf("reach the cluster: %w", err)
	}
	return api, namespace, nil
}

// objects reads the mesh of the cluster's namespace.
func (c *clusterFlags) objects(ctx context.Context) (meshobjects.Mesh, error) {
	api, namespace, err := c.connect()
	if err != nil {
		return meshobjects.Mesh{}, err
	}
	return readObjects(ctx, api, namespace)
}

// readObjects reads all objects of a namespace, with their statuses.
func readObjects(ctx context.Context, api client.Reader, namespace string) (meshobjects.Mesh, error) {
	m := meshobjects.Mesh{Namespace: namespace, Origin: meshobjects.Cluster}
	var nodes v1alpha1.BrokerNodeList
	var peerings v1alpha1.PeeringList
	var stores v1alpha1.DataStoreList
	for _, list := range []client.ObjectList{&nodes, &peerings, &stores} {
		if err := api.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return m, fmt.Errorf("read the mesh of namespace %s: %w", namespace, err)
		}
	}
	var layouts v1alpha1.BrokerMeshList
	if err := api.List(ctx, &layouts, client.InNamespace(namespace)); err != nil && !apimeta.IsNoMatchError(err) {
		return m, fmt.Errorf("read the mesh of namespace %s: %w", namespace, err)
	}
	m.Objects.Meshes = layouts.Items // none where an older operator doesn't know the kind
	m.Objects.Nodes, m.Objects.Peerings, m.Objects.Stores = nodes.Items, peerings.Items, stores.Items
	return m, nil
}
