// SPDX-License-Identifier: Apache-2.0

// Command etcd is etcd's server, as released, in the version whose client
// Kubernetes requires. It exists so that the server can be built from Go modules.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
