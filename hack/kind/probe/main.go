// SPDX-License-Identifier: Apache-2.0

// Command probe is what hack/kind/selftest runs in pods: a server whose pages
// show who served them, from which volume, and to whom, and a client for it. It is
// no shell with wget, because static C programs cannot resolve names.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func main() {
	err := fmt.Errorf("usage: probe serve DIR | probe get URL")
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		err = serve(os.Args[2])
	}
	if len(os.Args) == 3 && os.Args[1] == "get" {
		err = get(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// serve adds the host's name to DIR/id, so that the file tells how often a pod
// started on this volume, and serves DIR at / and the caller's address at /from.
func serve(dir string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	id, err := os.OpenFile(filepath.Join(dir, "id"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(id, host); err != nil {
		return err
	}
	http.Handle("/", http.FileServer(http.Dir(dir)))
	http.HandleFunc("/from", func(w http.ResponseWriter, r *http.Request) {
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, address)
	})
	return http.ListenAndServe(":8080", nil)
}

func get(url string) error {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
