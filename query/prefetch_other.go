//go:build !amd64 && !arm64

package query

func prefetch(*byte, int) {}
