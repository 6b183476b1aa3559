// Package roundtrip is what becomes of values and keys on their way through their text or JSON.
//
// Check says of a type, and Compare of a value and what came back in its place, what is lost on the
// way. PromotedText finds a text form that is that of one field alone, and Name is what a type is
// called in a record.
//
// It knows types and encoding/json, and calls no methods but those that write a value. It must
// never know a cache, a codec of the user's or Redis, and it says nothing of what is in a value: by
// types and numbers alone, as that may be secret.
package roundtrip
