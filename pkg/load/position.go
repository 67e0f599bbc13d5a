// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// line returns the line of the field at path, or of its nearest parent that the manifest has.
func (o *object) line(path string) int {
	line := o.node.Line
	n := o.node
	for path != "" {
		key, next, rest := step(resolve(n), path)
		if next == nil {
			break
		}
		line = key.Line
		n, path = next, rest
	}
	return o.offset + line
}

// step takes the first element off a path such as spec.clones[1].node. It returns the node that marks the element's place
// and the element's value; nil if the node has no such element.
func step(n *yamlv3.Node, path string) (key, value *yamlv3.Node, rest string) {
	if index, after, ok := bracket(path); ok {
		after = strings.TrimPrefix(after, ".")
		if n.Kind == yamlv3.MappingNode {
			k, v := entry(n, index)
			return k, v, after
		}
		i, err := strconv.Atoi(index)
		if err != nil || n.Kind != yamlv3.SequenceNode || i < 0 || i >= len(n.Content) {
			return nil, nil, ""
		}
		return n.Content[i], n.Content[i], after
	}
	if n.Kind != yamlv3.MappingNode {
		return nil, nil, ""
	}
	// A key may hold dots itself, so the path's next element is known only by the keys that are there: the longest wins.
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if k, v := entry(n, path[:end]); v != nil {
			return k, v, strings.TrimPrefix(path[end:], ".")
		}
	}
	return nil, nil, ""
}

// bracket splits "[index]rest".
func bracket(path string) (index, rest string, ok bool) {
	if !strings.HasPrefix(path, "[") {
		return "", "", false
	}
	return strings.Cut(path[1:], "]")
}

// entry returns the key and value nodes of a mapping's key; the last one counts if it stands there twice. A key that a
// merge (<<) brings is found where it was written.
func entry(n *yamlv3.Node, name string) (key, value *yamlv3.Node) {
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		if m := resolve(n.Content[i+1]); m.Kind == yamlv3.MappingNode {
			if k, v := entry(m, name); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// child returns the value of a mapping's key, nil if there is none.
func child(n *yamlv3.Node, name string) *yamlv3.Node {
	if n == nil || n.Kind != yamlv3.MappingNode {
		return nil
	}
	_, v := entry(n, name)
	return v
}

// resolve follows an alias to what it stands for.
func resolve(n *yamlv3.Node) *yamlv3.Node {
	if n != nil && n.Kind == yamlv3.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// repeated is a key that a mapping has twice.
type repeated struct {
	path        string
	line, first int
}

// findRepeated returns every key that stands twice in one mapping. Aliases aren't followed: what they stand for is visited
// where it is written.
func findRepeated(n *yamlv3.Node, path string) []repeated {
	var found []repeated
	switch n.Kind {
	case yamlv3.SequenceNode:
		for i, item := range n.Content {
			found = append(found, findRepeated(item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case yamlv3.MappingNode:
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			if line, ok := first[key.Value]; ok && key.Kind == yamlv3.ScalarNode {
				found = append(found, repeated{path: at, line: key.Line, first: line})
			} else {
				first[key.Value] = key.Line
			}
			found = append(found, findRepeated(n.Content[i+1], at)...)
		}
	}
	return found
}
