//go:build unix && !linux

package query

func advise([]byte) {}
