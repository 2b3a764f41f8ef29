package codec

import (
	"encoding/binary"
	"math"
)

// appendCBORHead appends the shortest head.
func appendCBORHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

func (cborFormat) appendNil(dst []byte) []byte { return append(dst, 0xf6) }

func (cborFormat) appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xf5)
	}
	return append(dst, 0xf4)
}

func (cborFormat) appendUint(dst []byte, v uint64) []byte { return appendCBORHead(dst, cborUint, v) }

func (cborFormat) appendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return appendCBORHead(dst, cborUint, uint64(v))
	}
	return appendCBORHead(dst, cborNegative, uint64(^v))
}

func (cborFormat) appendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, cborSimple<<5|27), math.Float64bits(v))
}

func (cborFormat) appendText(dst []byte, v string) []byte {
	return append(appendCBORHead(dst, cborText, uint64(len(v))), v...)
}

func (cborFormat) appendTextBytes(dst []byte, v []byte) []byte {
	return append(appendCBORHead(dst, cborText, uint64(len(v))), v...)
}

func (cborFormat) appendBytes(dst []byte, v []byte) []byte {
	return append(appendCBORHead(dst, cborBytes, uint64(len(v))), v...)
}

func (cborFormat) appendList(dst []byte, n int) []byte {
	return appendCBORHead(dst, cborList, uint64(n))
}

func (cborFormat) appendDict(dst []byte, n int) []byte {
	return appendCBORHead(dst, cborDict, uint64(n))
}
