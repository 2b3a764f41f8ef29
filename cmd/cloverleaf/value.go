package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// parseValue reads a value: JSON in the form that WAMP gives it, with binary as text after \u0000,
// and everything that is no JSON as the text that it is.
func parseValue(text string) (any, error) {
	if !json.Valid([]byte(text)) {
		if !utf8.ValidString(text) {
			return nil, errors.New("is neither JSON nor UTF-8 text")
		}
		return text, nil
	}
	var v any
	if err := codec.DecodeValue(protocol.JSON, []byte(text), &v); err != nil {
		return nil, err
	}
	return v, nil
}

func parseValues(texts []string) ([]any, error) {
	values := make([]any, len(texts))
	for i, text := range texts {
		v, err := parseValue(text)
		if err != nil {
			return nil, usagef("argument %d: %w", i+1, err)
		}
		values[i] = v
	}
	return values, nil
}

// parsePair reads KEY=VALUE.
func parsePair(text string) (key string, value any, err error) {
	key, rest, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return "", nil, fmt.Errorf("%q is not KEY=VALUE", text)
	}
	if value, err = parseValue(rest); err != nil {
		return "", nil, fmt.Errorf("%s: %w", key, err)
	}
	return key, value, nil
}

// parseKeywords reads the values of -k. Of a key that is given twice the last one counts.
func parseKeywords(pairs []string) (map[string]any, error) {
	keywords := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		key, value, err := parsePair(pair)
		if err != nil {
			return nil, usagef("-k: %w", err)
		}
		keywords[key] = value
	}
	return keywords, nil
}

// payloadJSON returns application data as a list and a dict in JSON, each in one line.
func payloadJSON(p protocol.Payload) (args, kwargs json.RawMessage, err error) {
	if p, err = codec.Transcode(p, protocol.JSON); err != nil {
		return nil, nil, err
	}
	if args, err = compact(p.Args, "[]"); err != nil {
		return nil, nil, err
	}
	kwargs, err = compact(p.KwArgs, "{}")
	return args, kwargs, err
}

// compact returns JSON without white space between its tokens: a peer may have sent several lines.
func compact(text []byte, absent string) (json.RawMessage, error) {
	if text == nil {
		return json.RawMessage(absent), nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// resultLine returns a result as a line: the value itself if it is the only one, and otherwise a
// dict of all.
func resultLine(res *session.Result) ([]byte, error) {
	args, kwargs, err := payloadJSON(res.Payload)
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(args, &list); err != nil {
		return nil, err
	}
	if len(list) == 1 && string(kwargs) == "{}" {
		return append(list[0], '\n'), nil
	}
	return fmt.Appendf(nil, `{"args":%s,"kwargs":%s}`+"\n", args, kwargs), nil
}

// eventLine returns an event of a topic as a line.
func eventLine(to protocol.URI, ev *protocol.Event) ([]byte, error) {
	args, kwargs, err := payloadJSON(ev.Payload)
	if err != nil {
		return nil, err
	}
	topic, err := codec.AppendValue(nil, protocol.JSON, string(to))
	if err != nil {
		return nil, err
	}
	line := fmt.Appendf(nil, `{"topic":%s,"publication":%d,"args":%s,"kwargs":%s`, topic, ev.Publication, args, kwargs)
	details, err := detailsJSON(ev.Details)
	if err != nil {
		return nil, err
	}
	if string(details) != "{}" {
		line = fmt.Appendf(line, `,"details":%s`, details)
	}
	return append(line, "}\n"...), nil
}

// detailsJSON returns the details of an event as they are in an EVENT, but for the topic.
func detailsJSON(details protocol.EventDetails) (json.RawMessage, error) {
	details.Topic = ""
	message, err := codec.Append(nil, protocol.JSON, &protocol.Event{Subscription: 1, Publication: 1, Details: details})
	if err != nil {
		return nil, err
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(message, &elements); err != nil {
		return nil, err
	}
	return compact(elements[3], "{}")
}

// printLine writes a line of output, in one piece.
func (p *program) printLine(line []byte) error {
	if _, err := p.stdout.Write(line); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

// maxSecretFile bounds what is read of a file with a secret.
const maxSecretFile = 64 << 10

// readAll reads a small file to its end.
func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecretFile {
		return "", fmt.Errorf("has more than %d bytes", maxSecretFile)
	}
	return string(b), nil
}
