// SPDX-License-Identifier: Apache-2.0

// Command record writes down what two endpoints of this version say to each other on the native protocol (wire specification,
// sections 5 to 9): a folder for each conversation, with the bytes of both directions, the same frames decoded, and a note. Later
// versions play them. It uses the public API only, so that it can be copied into older versions of this module.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"
)

func main() {
	out := flag.String("o", "", "folder to write to")
	only := flag.String("only", "", "the one scenario to record")
	version := flag.String("version", "", "what to write down as the version of both endpoints")
	flag.Parse()
	if *out == "" {
		log.Fatal("record: -o FOLDER is needed")
	}
	for _, s := range scenarios {
		if *only != "" && *only != s.name {
			continue
		}
		for _, originator := range []string{"connecting", "accepting"} {
			dir := filepath.Join(*out, s.name+"."+originator+"-is-originator")
			if err := record(dir, *version, s, originator == "connecting"); err != nil {
				log.Fatalf("record %s: %v", dir, err)
			}
		}
	}
}

// record plays a scenario and writes its folder.
func record(dir, version string, s scenario, connectingFirst bool) error {
	c, err := newCast(s, connectingFirst)
	if err != nil {
		return err
	}
	if err := c.play(s); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	note, err := json.MarshalIndent(map[string]any{
		"note": s.note, "version": version, "connections": len(c.proxy.tapes), "c2s": "bytes sent by the endpoint that opened the TCP connection",
		"s2c": "bytes sent by the endpoint that accepted it", "connecting_id": c.connecting.ID().String(), "accepting_id": c.accepting.ID().String(),
		"connecting": kindName(s.connecting), "accepting": kindName(s.accepting),
	}, "", " ")
	if err != nil {
		return err
	}
	errs := []error{os.WriteFile(filepath.Join(dir, "scenario.json"), append(note, '\n'), 0o644)}
	for i, tape := range c.proxy.tapes {
		for way, raw := range map[string][]byte{"c2s": tape.c2s, "s2c": tape.s2c} {
			name := filepath.Join(dir, fmt.Sprintf("conn%d.%s", i, way))
			twin, err := decode(raw)
			errs = append(errs, err, os.WriteFile(name+".bin", raw, 0o644), os.WriteFile(name+".jsonl", twin, 0o644))
		}
	}
	return errors.Join(errs...)
}

// tape is what went over one connection.
type tape struct{ c2s, s2c []byte }

// proxy passes connections on to an address and writes everything down.
type proxy struct {
	l     net.Listener
	to    string
	all   sync.WaitGroup
	tapes []*tape
}

func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{l: l, to: to}
	p.all.Go(p.serve)
	return p, nil
}

func (p *proxy) serve() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close()
			continue
		}
		t := &tape{}
		p.tapes = append(p.tapes, t)
		p.all.Go(func() { pass(near, far, &t.c2s) })
		p.all.Go(func() { pass(far, near, &t.s2c) })
	}
}

// pass copies one direction until its end, which ends the other one too.
func pass(from, to net.Conn, keep *[]byte) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		*keep = append(*keep, buf[:n]...)
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			io.Copy(io.Discard, from)
			return
		}
	}
}

// close waits for the end of all connections; the tapes may be read afterwards.
func (p *proxy) close() {
	p.l.Close()
	p.all.Wait()
}
