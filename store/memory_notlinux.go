//go:build unix && !linux

package store

func advise([]byte) {}
