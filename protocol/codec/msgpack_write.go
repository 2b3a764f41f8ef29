package codec

import (
	"encoding/binary"
	"math"
)

func (msgpackFormat) appendNil(dst []byte) []byte { return append(dst, 0xc0) }

func (msgpackFormat) appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

func (msgpackFormat) appendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
	}
}

func (f msgpackFormat) appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return f.appendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, 0xd0, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
	}
}

func (msgpackFormat) appendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(v))
}

// appendMsgpackHead appends a head whose length takes 1, 2 or 4 bytes, the first of
// these forms being first; a zero first means that there is no form of 1 byte.
func appendMsgpackHead(dst []byte, first, second byte, n int) []byte {
	switch {
	case first != 0 && n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, second), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, second+1), uint32(n))
	}
}

func appendMsgpackTextHead(dst []byte, n int) []byte {
	if n < 32 {
		return append(dst, 0xa0|byte(n))
	}
	return appendMsgpackHead(dst, 0xd9, 0xda, n)
}

func (msgpackFormat) appendText(dst []byte, v string) []byte {
	return append(appendMsgpackTextHead(dst, len(v)), v...)
}

func (msgpackFormat) appendTextBytes(dst []byte, v []byte) []byte {
	return append(appendMsgpackTextHead(dst, len(v)), v...)
}

func (msgpackFormat) appendBytes(dst []byte, v []byte) []byte {
	return append(appendMsgpackHead(dst, 0xc4, 0xc5, len(v)), v...)
}

func (msgpackFormat) appendList(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x90|byte(n))
	}
	return appendMsgpackHead(dst, 0, 0xdc, n)
}

func (msgpackFormat) appendDict(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x80|byte(n))
	}
	return appendMsgpackHead(dst, 0, 0xde, n)
}
