// Package record is the form in which a value, or its absence, stands in Redis.
//
// A Format makes a record's bytes and parses them: header, tokens, key, payload and checksum,
// compressed and signed where that is asked for. Bytes that are no record, or not one of the key,
// are refused with the cause; nothing that a record claims is believed, and nothing is allocated
// for a claim, before it was checked.
//
// It knows bytes, durations, and secrets. It must never know a value's type or its codec, ask
// Redis, read a clock, or decide whether what a record holds is still valid.
package record
