package auth

import (
	"errors"
	"strings"
	"unicode/utf8"
)

//go:generate sh -c "python3 testdata/saslprep.py > saslprep_tables.go"

// Errors of saslprep do not name the character: it may be part of a password.
var (
	errPrepEmpty  = errors.New("empty")
	errPrepUTF8   = errors.New("not valid UTF-8")
	errPrepLength = errors.New("too long")
	errPrepChar   = errors.New("has a character that SASLprep prohibits, that is newer than Unicode 3.2, or that NFKC would change")
	errPrepBidi   = errors.New("mixes directions of writing in a way that SASLprep prohibits")
)

// maxPrepared is the longest text to prepare, in octets.
const maxPrepared = 4096

// saslprep prepares a name or password by RFC 4013, for storing. Instead of normalizing text it
// refuses what is not normal; package doc says so to users.
func saslprep(s string) (string, error) {
	switch {
	case len(s) > maxPrepared:
		return "", errPrepLength
	case !utf8.ValidString(s):
		return "", errPrepUTF8
	}
	s = strings.Map(mapChar, s)
	if s == "" {
		return "", errPrepEmpty
	}
	var left, right bool
	for _, r := range s {
		switch {
		case inTable(stableNeutral, r):
		case inTable(stableLeft, r):
			left = true
		case inTable(stableRight, r):
			right = true
		default:
			return "", errPrepChar
		}
	}
	if right && (left || !startsAndEndsRight(s)) {
		return "", errPrepBidi
	}
	return s, nil
}

// mapChar is the mapping step of RFC 4013, 2.1, with -1 for characters that are dropped.
func mapChar(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case strings.ContainsRune("\u00ad\u034f\u1806\u180b\u180c\u180d\u200b\u200c\u200d\u2060\ufeff", r), r >= 0xfe00 && r <= 0xfe0f:
		return -1 // table B.1 of RFC 3454
	case strings.ContainsRune("\u00a0\u1680\u202f\u205f\u3000", r), r >= 0x2000 && r <= 0x200a:
		return ' ' // table C.1.2
	default:
		return r
	}
}

func startsAndEndsRight(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return inTable(stableRight, first) && inTable(stableRight, last)
}

// inTable reports whether r is in one of the ranges.
func inTable(ranges string, r rune) bool {
	first := rune(-1)
	for _, c := range ranges {
		switch {
		case first < 0:
			first = c
		case first <= r && r <= c:
			return true
		default:
			first = -1
		}
	}
	return false
}
