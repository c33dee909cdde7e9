//go:build race

package relay

// raced: the race detector is on, and everything takes three times as long.
const raced = true
