// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The two devices of the detour: the kernel sends packets into the first, they come back at the second.
const (
	tunIn   = "tunin"
	tunBack = "tunback"
)

// maxWaiting is how many packets wait in the detour at most; more are lost.
const maxWaiting = 1 << 15

// detour is a router in user space. Its goroutines run read and write.
type detour struct {
	in, back *os.File
	running  sync.WaitGroup
	wake     chan struct{} // one slot
	done     chan struct{}

	mu struct {
		sync.Mutex
		rng     *rand.Rand
		ways    map[way]Detour
		last    map[way]time.Time // when the latest packet of a way is due
		waiting packets
		count   uint64
	}
}

// packet waits until it is due.
type packet struct {
	due    time.Time
	number uint64
	bytes  []byte
}

// packets is a heap by time.
type packets []packet

func (p packets) Len() int { return len(p) }
func (p packets) Less(i, j int) bool {
	return p[i].due.Before(p[j].due) || p[i].due.Equal(p[j].due) && p[i].number < p[j].number
}
func (p packets) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *packets) Push(x any)   { *p = append(*p, x.(packet)) }
func (p *packets) Pop() any {
	old := *p
	last := old[len(old)-1]
	old[len(old)-1] = packet{}
	*p = old[:len(old)-1]
	return last
}

// newDetour makes the devices and routes in the router's namespace and starts the router.
func newDetour(hub *namespace, seed uint64) (*detour, error) {
	d := &detour{wake: make(chan struct{}, 1), done: make(chan struct{})}
	d.mu.rng = rand.New(rand.NewPCG(seed, 1))
	d.mu.last = make(map[way]time.Time)
	var err error
	if err = hub.do(func() error {
		if d.in, err = openTun(tunIn); err == nil {
			d.back, err = openTun(tunBack)
		}
		return err
	}); err != nil {
		return nil, errors.Join(err, closeFiles(d.in, d.back))
	}
	if err := hub.ip(
		"link set "+tunIn+" up", "link set "+tunBack+" up",
		fmt.Sprintf("route add default dev %s table 100", tunIn), fmt.Sprintf("rule add fwmark %d lookup 100", mark),
	); err != nil {
		return nil, errors.Join(err, closeFiles(d.in, d.back))
	}
	if err := hub.setting("ipv4/conf/"+tunBack+"/rp_filter", "0"); err != nil {
		return nil, errors.Join(err, closeFiles(d.in, d.back))
	}
	d.running.Go(d.read)
	d.running.Go(d.write)
	return d, nil
}

// openTun makes a TUN device in the namespace of the calling thread.
func openTun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func closeFiles(files ...*os.File) error {
	var all []error
	for _, f := range files {
		if f != nil {
			all = append(all, f.Close())
		}
	}
	return errors.Join(all...)
}

func (d *detour) close() error {
	err := closeFiles(d.in)
	close(d.done)
	d.running.Wait()
	return errors.Join(err, closeFiles(d.back))
}

// set replaces what is done to packets. Those that wait keep their time.
func (d *detour) set(ways map[way]Detour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.ways = ways
}

// read takes packets until the device is closed.
func (d *detour) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := d.in.Read(buf)
		if err != nil {
			return
		}
		if n < 20 || buf[0]>>4 != 4 {
			continue
		}
		w := way{netip.AddrFrom4([4]byte(buf[12:16])), netip.AddrFrom4([4]byte(buf[16:20]))}
		d.take(w, append([]byte(nil), buf[:n]...), time.Now())
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// take decides when a packet goes on.
func (d *detour) take(w way, b []byte, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how := d.mu.ways[w]
	due := now.Add(how.Delay)
	if how.Jitter > 0 {
		due = due.Add(time.Duration(d.mu.rng.Int64N(int64(how.Jitter))))
	}
	if last := d.mu.last[w]; due.Before(last) {
		due = last
	}
	if d.mu.rng.IntN(100) < how.Reorder {
		due = now
	} else {
		d.mu.last[w] = due
	}
	d.pushLocked(due, b)
	if d.mu.rng.IntN(100) < how.Duplicate {
		d.pushLocked(due.Add(how.Jitter/2), b)
	}
}

func (d *detour) pushLocked(due time.Time, b []byte) {
	if len(d.mu.waiting) >= maxWaiting {
		return
	}
	d.mu.count++
	heap.Push(&d.mu.waiting, packet{due, d.mu.count, b})
}

// write lets packets go when they are due.
func (d *detour) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		b, wait := d.next(time.Now())
		if b != nil {
			d.back.Write(b) // a packet that the kernel refuses is lost, as on any line
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-d.done:
			return
		}
	}
}

// next answers the packet that is due, or how long to wait for one.
func (d *detour) next(now time.Time) (b []byte, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.mu.waiting) == 0 {
		return nil, time.Hour
	}
	if wait = d.mu.waiting[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&d.mu.waiting).(packet).bytes, 0
}
