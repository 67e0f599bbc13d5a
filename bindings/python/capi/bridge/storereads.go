// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Read reads from a store.
func Read(h Handle, op string, args []byte, timeout time.Duration) (data.Value, error) {
	s, err := find[*storeHandle](h)
	if err != nil {
		return data.Value{}, err
	}
	a, err := parseArguments(op, args)
	if err != nil {
		return data.Value{}, err
	}
	read, err := s.read(op, a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return data.Value{}, err
	}
	ctx := patience{limit: timeout}
	defer ctx.stop()
	return read(&ctx)
}

// read reads what is asked for; nil without an error: that is no read.
func (f *frontend) read(op string, a *arguments) (func(context.Context) (data.Value, error), error) {
	switch op {
	case "get":
		key := a.any("key")
		return func(ctx context.Context) (data.Value, error) { return f.Get(ctx, key) }, nil
	case "exists":
		key := a.any("key")
		return func(ctx context.Context) (data.Value, error) {
			ok, err := f.Exists(ctx, key)
			return data.Boolean(ok), err
		}, nil
	case "index":
		key, index := a.any("key"), a.any("index")
		return func(ctx context.Context) (data.Value, error) { return f.GetIndex(ctx, key, index) }, nil
	case "keys":
		return f.Keys, nil
	case "size":
		return func(ctx context.Context) (data.Value, error) {
			size, err := f.Size(ctx)
			return data.Vector(data.Count(uint64(size.Entries)), data.Count(uint64(size.Bytes))), err
		}, nil
	case "status":
		return func(context.Context) (data.Value, error) { return f.status(), nil }, nil
	}
	return nil, unknownOperation(op)
}
