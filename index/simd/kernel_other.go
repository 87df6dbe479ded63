//go:build !amd64 && !arm64

package simd

func supported() []kernel { return []kernel{portable} }
