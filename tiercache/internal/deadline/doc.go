// Package deadline hands out contexts that end within a bound, several with one timer.
//
// An operation on Redis, or a call of a loader, has a bound that hardly ever passes. To start and
// stop a timer for each would cost more than all else that such a context is for, so those that
// begin within the same share of the bound have one.
//
// It knows contexts and durations. It must never know what is done within the bound, nor decide
// what a deadline that has passed means.
package deadline
