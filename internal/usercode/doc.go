// Package usercode holds what users hand over with methods of their own: errors, loggers, values to
// print. A method of theirs that panics is heard of here, and nowhere else.
package usercode
