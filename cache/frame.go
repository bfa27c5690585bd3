package cache

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A journal is a sequence of frames:
//
//	magic   8 bytes
//	length  4, of the payload, in bytes
//	crc     4, CRC32C of all that follows
//	seq     8, one more than the frame's before
//	first   8, seq of the first frame in the file
//	synced  8, seq up to which all was known to be on the disk when this was written
//	payload
//
// All numbers are little-endian. A frame that the disk lost before it was synced
// was never promised to anybody; what synced says of a lost one tells the two apart.
const (
	frameMagic  = "pailjrn1"
	frameHeader = 40
	frameCRC    = 16 // offset of what the checksum covers

	maxPayload = 64 << 20 // far above what is written
)

type frame struct {
	seq, first, synced uint64
	payload            []byte
	off                int64 // of the frame in the file
}

func (f frame) size() int64 { return frameHeader + int64(len(f.payload)) }

func (f frame) encode() []byte {
	p := make([]byte, frameHeader, f.size())
	copy(p, frameMagic)
	le := binary.LittleEndian
	le.PutUint32(p[8:], uint32(len(f.payload)))
	le.PutUint64(p[16:], f.seq)
	le.PutUint64(p[24:], f.first)
	le.PutUint64(p[32:], f.synced)
	p = append(p, f.payload...)
	le.PutUint32(p[12:], crc32.Checksum(p[frameCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return p
}

// decodeFrame returns the whole frame at the beginning of p, if there is one.
func decodeFrame(p []byte) (frame, bool) {
	if len(p) < frameHeader || string(p[:8]) != frameMagic {
		return frame{}, false
	}
	le := binary.LittleEndian
	n := int64(le.Uint32(p[8:]))
	if n > maxPayload || n > int64(len(p)-frameHeader) {
		return frame{}, false
	}
	p = p[:frameHeader+n]
	if le.Uint32(p[12:]) != crc32.Checksum(p[frameCRC:], crc32.MakeTable(crc32.Castagnoli)) {
		return frame{}, false
	}
	return frame{seq: le.Uint64(p[16:]), first: le.Uint64(p[24:]), synced: le.Uint64(p[32:]), payload: p[frameHeader:]}, true
}

// scanFrames reads a journal. damaged says that a frame is missing which had
// been synced: then what follows it is in frames as well. Otherwise frames ends
// where the journal does, or where a crash has torn what nobody was told of.
func scanFrames(data []byte) (frames []frame, damaged bool) {
	frames, end := scanRun(data, 0, 0)
	if end == len(data) {
		return frames, false
	}
	last := uint64(0)
	if len(frames) > 0 {
		last = frames[len(frames)-1].seq
	}
	var rest []frame
	for pos := end; ; {
		i := bytes.Index(data[pos:], []byte(frameMagic))
		if i < 0 {
			break
		}
		run, after := scanRun(data, pos+i, last)
		rest = append(rest, run...)
		pos = max(after, pos+i+1)
	}
	if len(rest) == 0 {
		return frames, false
	}
	missing := last + 1
	if len(frames) == 0 {
		missing = rest[0].first
	}
	for _, f := range rest {
		if f.synced >= missing {
			return append(frames, rest...), true
		}
	}
	return frames, false
}

// scanRun reads frames from pos on, as long as each is the next. The first is
// any that comes after seq number after.
func scanRun(data []byte, pos int, after uint64) (run []frame, end int) {
	for pos < len(data) {
		f, ok := decodeFrame(data[pos:])
		if !ok || f.seq <= after || len(run) > 0 && f.seq != after+1 {
			break
		}
		f.off = int64(pos)
		run = append(run, f)
		after = f.seq
		pos += int(f.size())
	}
	return run, pos
}
