//go:build !unix

package store

func reserve(n int) ([]byte, error) { return make([]byte, n), nil }

func giveBack([]byte) {}
