package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func (b *builder) parseJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := b.json(d, "", 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the document")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		line := 1 + bytes.Count(text[:d.InputOffset()], []byte("\n"))
		return nil, fmt.Errorf("json: line %d: %w", line, err)
	}
	return v, nil
}

// json reads one value.
func (b *builder) json(d *json.Decoder, path string, depth int) (any, error) {
	if err := b.count(depth); err != nil {
		return nil, err
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		return b.number(string(t), path), nil
	case json.Delim:
		if t == '{' {
			return b.jsonObject(d, path, depth)
		}
		list := []any{}
		for d.More() {
			v, err := b.json(d, index(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	default:
		return t, nil
	}
}

func (b *builder) jsonObject(d *json.Decoder, path string, depth int) (any, error) {
	m := &mapping{values: make(map[string]any)}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string) // the decoder allows nothing else
		v, err := b.json(d, join(path, key), depth+1)
		if err != nil {
			return nil, err
		}
		b.put(m, path, key, v)
	}
	_, err := d.Token()
	return m, err
}

func (b *builder) number(text, path string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.ContainsAny(text, ".eE") {
		b.add(path, "the number is out of range")
	}
	return f
}
