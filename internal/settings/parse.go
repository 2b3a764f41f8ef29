package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of documents: nobody writes more by hand, and an alias of aliases may stand for anything.
const (
	MaxSize   = 1 << 20 // octets
	maxDepth  = 100
	maxValues = 100_000
)

// Parse reads a document. The error says why it is neither YAML nor JSON; whatever else is wrong is found
// when its values are looked at. A document without a value is an error, too.
func Parse(r io.Reader) (Value, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	switch {
	case err != nil:
		return Value{}, err
	case len(text) > MaxSize:
		return Value{}, fmt.Errorf("longer than %d octets", MaxSize)
	case !utf8.Valid(text):
		return Value{}, errors.New("not UTF-8")
	}
	return parse(bytes.TrimPrefix(text, []byte("\uFEFF")))
}

// parse tries JSON for what looks like it: YAML knows most of JSON, but not all. It may be YAML nevertheless: {a: 1}.
func parse(text []byte) (Value, error) {
	start := bytes.TrimLeft(text, " \t\r\n")
	looksLikeJSON := len(start) > 0 && (start[0] == '{' || start[0] == '[')
	var jsonErr error
	if looksLikeJSON {
		b := &builder{problems: new(problems)}
		root, err := b.parseJSON(text)
		if err == nil {
			return Value{v: root, problems: b.problems}, nil
		}
		jsonErr = err
	}
	b := &builder{problems: new(problems)}
	root, err := b.parseYAML(text)
	switch {
	case err == nil:
		return Value{v: root, problems: b.problems}, nil
	case looksLikeJSON:
		return Value{}, jsonErr
	default:
		return Value{}, err
	}
}

// builder makes the values of a document: nil, bool, int64, uint64, float64, string, []byte, []any and *mapping.
type builder struct {
	*problems
	values int
}

// mapping keeps the order of its keys.
type mapping struct {
	keys   []string
	values map[string]any
}

func (b *builder) parseYAML(text []byte) (any, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("empty")
	case err != nil:
		return nil, discreet(err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	v, err := b.node(&doc, "", 0)
	if err == nil && v == nil {
		err = errors.New("empty")
	}
	return v, err
}

// discreet returns an error of the parser that shows nothing of the document. Text that begins with an asterisk
// and is not in quotes, which may be a password, is an alias for YAML, and the one thing that the parser names.
func discreet(err error) error {
	if text := err.Error(); strings.Contains(text, "anchor") {
		return errors.New("yaml: an alias (*name) stands for nothing that was given a name (&name), or contains itself: " +
			"put text that begins with * in quotes")
	}
	return err
}

// count limits what a document may hold.
func (b *builder) count(depth int) error {
	b.values++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("nested more than %d deep", maxDepth)
	case b.values > maxValues:
		return fmt.Errorf("more than %d values", maxValues)
	default:
		return nil
	}
}

func (b *builder) node(n *yaml.Node, path string, depth int) (any, error) {
	if err := b.count(depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return b.node(n.Content[0], path, depth)
	case yaml.AliasNode:
		return b.node(n.Alias, path, depth+1)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			v, err := b.node(item, index(path, i), depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.MappingNode:
		return b.yamlMapping(n, path, depth)
	case yaml.ScalarNode:
		return b.scalar(n, path), nil
	default:
		return nil, nil // an empty document
	}
}

func (b *builder) yamlMapping(n *yaml.Node, path string, depth int) (any, error) {
	m := &mapping{values: make(map[string]any, len(n.Content)/2)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch tag := key.ShortTag(); {
		case key.Kind == yaml.ScalarNode && tag == "!!merge":
			b.add(path, "merge keys (<<) are not supported")
			continue
		case key.Kind != yaml.ScalarNode || tag != "!!str":
			b.add(path, "line %d: a key must be text", key.Line)
			continue
		}
		v, err := b.node(n.Content[i+1], join(path, key.Value), depth+1)
		if err != nil {
			return nil, err
		}
		b.put(m, path, key.Value, v)
	}
	return m, nil
}

func (b *builder) put(m *mapping, path, key string, v any) {
	if _, twice := m.values[key]; twice {
		b.add(join(path, key), "is there twice")
		return
	}
	m.keys = append(m.keys, key)
	m.values[key] = v
}

func (b *builder) scalar(n *yaml.Node, path string) any {
	var v any
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil
	case "!!str", "!!timestamp": // a date is text, as in JSON
		return n.Value
	case "!!bool", "!!int", "!!float", "!!binary":
		if n.Decode(&v) != nil {
			b.add(path, "malformed %s", strings.TrimPrefix(tag, "!!"))
			return nil
		}
	default: // which may be a secret, and is not named
		b.add(path, "tags are not supported: put text that begins with ! in quotes")
		return nil
	}
	switch v := v.(type) {
	case int:
		return int64(v)
	case string: // !!binary
		return []byte(v)
	case float64:
		if digits := strings.TrimLeft(n.Value, "+-"); strings.Trim(digits, "0123456789_") == "" {
			b.add(path, "the number is out of range")
		}
	}
	return v
}

// join returns the path of a member of a mapping.
func join(path, key string) string {
	plain := key != ""
	for _, c := range key {
		plain = plain && (c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if !plain {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// index returns the path of an element of a list.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
