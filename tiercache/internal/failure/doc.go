// Package failure is what goes wrong in code that is not ours, as errors that are safe to keep.
//
// A loader, a codec or a hook may return an error whose methods panic, return one of our sentinels
// for something else than it says here, panic, or end its goroutine. FromUser, OfLoader and Alien
// hold such an error so that nobody is harmed by it or misled, and PanicError is a panic.
//
// It knows errors and nothing else. It must never know who called the code or what an error leads
// to, and it calls nothing of the user's but the methods of an error.
package failure
