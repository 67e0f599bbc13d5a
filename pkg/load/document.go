// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// object is one manifest before it is understood: what it says, and where it says it.
type object struct {
	file  string
	order int
	// content is the manifest as kubectl would send it; decoding changes it.
	content map[string]any
	// node is the same as YAML nodes, whose lines count from offset.
	node   *yamlv3.Node
	offset int
}

// parse reads one document and returns the objects in it, lists taken apart, or what is wrong with it.
func parse(file string, order int, c chunk) ([]object, []Problem) {
	p := parser{file: file, order: order, offset: c.line - 1}
	node, content, err := decodeChunk(c.text)
	if err != nil {
		line, msg := yamlError(err)
		return nil, []Problem{p.problem(max(line, 1), msg)}
	}
	if content == nil {
		return nil, nil // nothing but comments
	}
	p.flatten(node, content)
	return p.objects, p.problems
}

// decodeChunk decodes a document twice: to nodes, which know their lines, and to plain values by the very code that kubectl
// uses (YAML 1.1's booleans included).
func decodeChunk(text []byte) (*yamlv3.Node, any, error) {
	dec := yamlv3.NewDecoder(bytes.NewReader(text))
	var doc, second yamlv3.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if err := dec.Decode(&second); err == nil {
		return nil, nil, fmt.Errorf("line %d: another document begins; allowed: after a line that says only ---", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, nil, err
	}
	var content any
	if err := utiljson.Unmarshal(b, &content); err != nil {
		return nil, nil, err
	}
	if len(doc.Content) != 1 {
		return nil, nil, nil
	}
	return doc.Content[0], content, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError takes the line out of a YAML library's words; 0 if they have none.
func yamlError(err error) (int, string) {
	msg := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	msg = strings.TrimPrefix(msg, "yaml: ")
	m := yamlLine.FindStringSubmatch(msg)
	if m == nil {
		return 0, "not YAML: " + msg
	}
	line, err := strconv.Atoi(m[1])
	if err != nil {
		line = 0
	}
	return line, "not YAML: " + strings.Replace(msg, m[0], "", 1)
}

// parser collects what one document holds.
type parser struct {
	file     string
	order    int
	offset   int
	objects  []object
	problems []Problem
}

func (p *parser) problem(line int, msg string) Problem {
	return Problem{File: p.file, Line: p.offset + line, Message: msg, order: p.order}
}

// flatten adds an object, or the items of a list, however deep lists stand in lists.
func (p *parser) flatten(node *yamlv3.Node, content any) {
	node = resolve(node)
	m, ok := content.(map[string]any)
	if !ok {
		p.problems = append(p.problems, p.problem(node.Line, fmt.Sprintf("found %s; allowed: an object with apiVersion and kind", nameType(content))))
		return
	}
	kind, _ := m["kind"].(string)
	items, isList := m["items"].([]any)
	if !isList || !strings.HasSuffix(kind, "List") {
		p.objects = append(p.objects, object{file: p.file, order: p.order, content: m, node: node, offset: p.offset})
		return
	}
	seq := resolve(child(node, "items"))
	for i, item := range items {
		at := node
		if seq != nil && i < len(seq.Content) {
			at = seq.Content[i]
		}
		p.flatten(at, item)
	}
}

// nameType says in a word what a decoded value is.
func nameType(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case string:
		return "text"
	case bool:
		return "a boolean"
	}
	return "a number"
}
