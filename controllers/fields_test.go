// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"slices"
	"testing"
)

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func TestComparison(t *testing.T) {
	for name, c := range map[string]struct {
		owned, live, desired string
		exact                bool
		want                 []string // fields that differ; a + marks those that somebody else's value stands in
	}{
		"equal": {
			owned: `{"f:data":{".":{},"f:a":{}}}`, live: `{"data":{"a":"1","other":"2"},"more":true}`, desired: `{"data":{"a":"1"}}`,
		},
		"another value": {
			owned: `{"f:data":{"f:a":{}}}`, live: `{"data":{"a":"2"}}`, desired: `{"data":{"a":"1"}}`, want: []string{"data.a+"},
		},
		"taken over": {
			owned: `{"f:data":{}}`, live: `{"data":{"a":"2"}}`, desired: `{"data":{"a":"1"}}`, want: []string{"data+"},
		},
		"the right value, but not owned": {
			owned: `{"f:data":{"f:b":{}}}`, live: `{"data":{"a":"1","b":"1"}}`, desired: `{"data":{"a":"1","b":"1"}}`, want: []string{"data.a"},
		},
		"new field": {
			owned: `{"f:data":{"f:a":{}}}`, live: `{"data":{"a":"1"}}`, desired: `{"data":{"a":"1","b":"1"}}`, want: []string{"data.b"},
		},
		"not wanted any more": {
			owned: `{"f:data":{"f:a":{},"f:b":{}}}`, live: `{"data":{"a":"1","b":"1"}}`, desired: `{"data":{"a":"1"}}`, want: []string{"data.b"},
		},
		"nothing owned": {
			owned: `{}`, live: `{"spec":{"n":1}}`, desired: `{"spec":{"n":2}}`, want: []string{"spec+"},
		},
		"numbers of two types": {
			owned: `{"f:n":{}}`, live: `{"n":1.0}`, desired: `{"n":1}`,
		},
		"list by keys, in another order, with somebody else's item": {
			owned:   `{"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{},"f:name":{}},"k:{\"port\":2,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{}}}}`,
			live:    `{"ports":[{"port":2,"protocol":"TCP"},{"port":9,"protocol":"TCP"},{"port":1,"protocol":"TCP","name":"a","target":1}]}`,
			desired: `{"ports":[{"port":1,"protocol":"TCP","name":"a"},{"port":2,"protocol":"TCP"}]}`,
		},
		"an item changed": {
			owned:   `{"f:c":{"k:{\"name\":\"x\"}":{".":{},"f:name":{},"f:image":{}}}}`,
			live:    `{"c":[{"name":"x","image":"theirs"}]}`,
			desired: `{"c":[{"name":"x","image":"ours"}]}`,
			want:    []string{"c[name=x].image+"},
		},
		"an item is missing, another one too many": {
			owned:   `{"f:c":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}`,
			live:    `{"c":[{"name":"x"}]}`,
			desired: `{"c":[{"name":"y"}]}`,
			want:    []string{"c[new]", "c[name=x]"},
		},
		"set": {
			owned: `{"f:s":{"v:\"a\"":{},"v:\"b\"":{}}}`, live: `{"s":["b","c","a"]}`, desired: `{"s":["a","b"]}`,
		},
		"member of a set too many": {
			owned: `{"f:s":{"v:\"a\"":{},"v:\"b\"":{}}}`, live: `{"s":["b","a"]}`, desired: `{"s":["a"]}`, want: []string{"s[b]"},
		},
		"defaults in an atomic value": {
			owned: `{"f:claims":{}}`, live: `{"claims":[{"name":"a","mode":"default"}]}`, desired: `{"claims":[{"name":"a"}]}`,
		},
		"defaults where nobody fills in any": {
			owned: `{"f:claims":{}}`, live: `{"claims":[{"name":"a","mode":"x"}]}`, desired: `{"claims":[{"name":"a"}]}`, exact: true, want: []string{"claims+"},
		},
		"atomic list of another length": {
			owned: `{"f:args":{}}`, live: `{"args":["a","b"]}`, desired: `{"args":["a"]}`, want: []string{"args+"},
		},
		"empty value": {
			owned: `{"f:emptyDir":{}}`, live: `{"emptyDir":{}}`, desired: `{"emptyDir":{}}`,
		},
		"a value in the place of a map": {
			owned: `{"f:a":{"f:b":{}}}`, live: `{"a":{"b":1}}`, desired: `{"a":"text"}`, want: []string{"a+"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			compare := comparison{exact: c.exact}
			compare.walkMap(nil, decode(t, c.owned), decode(t, c.live), decode(t, c.desired))
			var got []string
			for _, d := range compare.found {
				mark := ""
				if d.foreign {
					mark = "+"
				}
				got = append(got, d.name()+mark)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("differences %q, want %q", got, c.want)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	set := fieldSet(decode(t, `{"f:spec":{"f:atomic":{},"f:map":{".":{},"f:a":{}},"f:list":{"k:{\"name\":\"x\"}":{"f:image":{}}}}}`))
	for _, c := range []struct {
		path []string
		want bool
	}{
		{[]string{"f:spec", "f:map", "f:a"}, true},
		{[]string{"f:spec", "f:map"}, true},
		{[]string{"f:spec", "f:map", "f:b"}, false},
		{[]string{"f:spec", "f:list", `k:{"name":"x"}`, "f:image"}, true},
		{[]string{"f:spec", "f:list", `k:{"name":"y"}`, "f:image"}, false},
		{[]string{"f:status"}, false},
	} {
		if got := set.covers(c.path); got != c.want {
			t.Errorf("%q: %v, want %v", c.path, got, c.want)
		}
	}
	if fieldSet(nil).covers([]string{"f:spec"}) {
		t.Error("nothing covers something")
	}
}
