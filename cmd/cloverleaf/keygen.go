package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

const keygenText = `Without --out both keys are printed. The private key is what --private-key and
CLOVERLEAF_PRIVATE_KEY take, the public key is what the router has to know.

--public also reads the key files of ssh-keygen and openssl, if they have no passphrase.
`

type keyMaker struct {
	out, public string
	force       bool
}

func keygenCommand() *command {
	c := &keyMaker{}
	flags := flag.NewFlagSet("keygen", flag.ContinueOnError)
	flags.StringVar(&c.out, "out", "", "`FILE` write the private key there, for its owner only, and print the public key")
	flags.BoolVar(&c.force, "force", false, "replace the file of --out if there is one")
	flags.StringVar(&c.public, "public", "", "`FILE` print the public key of the private key in it")
	return &command{
		name: "keygen", summary: "make a key pair for cryptosign", text: keygenText, flags: flags, run: c.run,
	}
}

func (c *keyMaker) run(_ context.Context, p *program, args arguments) error {
	switch {
	case len(args.list) > 0:
		return usagef("unexpected argument %q", args.list[0])
	case c.public != "" && (c.out != "" || c.force):
		return usagef("--public makes no key: it takes neither --out nor --force")
	case c.force && c.out == "":
		return usagef("--force is for --out")
	case c.public != "":
		key, err := (&secretFlag{given: auth.NewSecret("@" + c.public)}).readKey(p)
		if err != nil {
			return err
		}
		return p.printLine(fmt.Appendln(nil, key.PublicKey()))
	}
	key, err := auth.GenerateSigningKey(rand.Reader)
	if err != nil {
		return err
	}
	private := hex.EncodeToString([]byte(key.Seed().Reveal()))
	if c.out == "" {
		return p.printLine(fmt.Appendf(nil, "private %s\npublic  %s\n", private, key.PublicKey()))
	}
	if err := writePrivate(c.out, private+"\n", c.force); err != nil {
		return err
	}
	return p.printLine(fmt.Appendln(nil, key.PublicKey()))
}

// writePrivate writes a file that its owner alone may read. One that is replaced is whole until then.
func writePrivate(name, text string, replace bool) error {
	f, err := createPrivate(name, replace)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Close())
	if err == nil && replace {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// createPrivate creates the file, or one beside it that is to replace it, with mode 0600.
func createPrivate(name string, replace bool) (*os.File, error) {
	if replace {
		return os.CreateTemp(filepath.Dir(name), ".cloverleaf-key-*")
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists; --force replaces it", name)
	}
	return f, err
}
