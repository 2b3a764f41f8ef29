package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// secretFlag is the value of a flag for a secret: the secret itself, or where to read it: @FILE, or
// @- for the standard input. Two @ stand for one that begins a secret. It does not print.
type secretFlag struct {
	given auth.Secret
}

// String implements flag.Value.
func (s *secretFlag) String() string { return "" }

// Set implements flag.Value. It never fails: an error would show the value.
func (s *secretFlag) Set(value string) error {
	s.given = auth.NewSecret(value)
	return nil
}

func (s *secretFlag) empty() bool { return s.given.Empty() }

// file returns where the secret is; false means that it was given itself.
func (s *secretFlag) file() (string, bool) {
	name, ok := strings.CutPrefix(s.given.Reveal(), "@")
	return name, ok && !strings.HasPrefix(name, "@")
}

// read returns the secret. The line end behind one in a file does not belong to it.
func (s *secretFlag) read(p *program) (auth.Secret, error) {
	name, ok := s.file()
	if !ok {
		return auth.NewSecret(strings.TrimPrefix(s.given.Reveal(), "@")), nil
	}
	text, err := p.readFile(name)
	if err != nil {
		return auth.Secret{}, err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return auth.Secret{}, errors.New(name + " is empty")
	}
	return auth.NewSecret(text), nil
}

// readKey returns the private key: hexadecimal digits, or a file in one of the usual formats.
func (s *secretFlag) readKey(p *program) (auth.SigningKey, error) {
	name, ok := s.file()
	if !ok {
		return auth.ParseSigningKey(s.given.Reveal())
	}
	text, err := p.readFile(name)
	if err != nil {
		return auth.SigningKey{}, err
	}
	return auth.ReadSigningKey(strings.NewReader(text), auth.Secret{})
}

// readFile reads a small file, or the standard input if its name is "-".
func (p *program) readFile(name string) (text string, err error) {
	if name == "-" {
		if text, err = readAll(p.stdin); err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		return text, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if text, err = readAll(f); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}
