// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/node"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// With these variables the test binary is a node that masters store "s": which backend, and its data folder.
const (
	nodeBackendEnv = "BROKERMESH_INTEROP_BACKEND"
	nodeFolderEnv  = "BROKERMESH_INTEROP_FOLDER"
)

func TestMain(m *testing.M) {
	if backend := os.Getenv(nodeBackendEnv); backend != "" {
		if err := serveStore(backend, os.Getenv(nodeFolderEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveStore is a node that prints its address, and ends with its standard input.
func serveStore(backend, folder string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := node.New(node.Options{DataDir: folder, ListenHost: "127.0.0.1", EphemeralPorts: true})
	err := n.Apply(ctx, nodeconfig.Config{
		Version: nodeconfig.Version, Namespace: "default", Node: "vault", Pod: "vault-0", TLS: nodeconfig.TLSDisabled,
		Stores: []nodeconfig.Store{{Object: "s", StoreName: "s", Role: nodeconfig.RoleMaster, Backend: backend}},
	})
	if err == nil {
		for _, l := range n.Status().Listeners {
			if l.Name == "broker" {
				fmt.Println(l.Address)
			}
		}
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	ending, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(err, n.Close(ending))
}

// vault is a process that masters a store.
type vault struct {
	cmd     *exec.Cmd
	address string
	ended   bool
}

// openVault starts a process with a data folder. It ends with the test at the latest.
func openVault(t *testing.T, backend, folder string) *vault {
	t.Helper()
	self, err := os.Executable()
	ok(t, err)
	v := &vault{cmd: exec.Command(self)}
	v.cmd.Env = append(os.Environ(), nodeBackendEnv+"="+backend, nodeFolderEnv+"="+folder)
	v.cmd.Stderr = os.Stderr
	_, err = v.cmd.StdinPipe() // open for as long as this process lives
	ok(t, err)
	out, err := v.cmd.StdoutPipe()
	ok(t, err)
	ok(t, v.cmd.Start())
	t.Cleanup(v.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the node of %s doesn't say where it listens: %v", folder, err)
	}
	v.address = strings.TrimSpace(line)
	return v
}

// kill is kill -9.
func (v *vault) kill() {
	if v.ended {
		return
	}
	v.ended = true
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait() // it was killed
}
