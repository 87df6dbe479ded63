//go:build !amd64

package embed

func vectorised() bool { return false }

func resizeRowsVector(*Picture, *Picture, int, *kernel) bool { return false }

func pick(dst, src []byte, at []int32) { pickPortable(dst, src, at) }

func columns(dst, src []byte, weight []int32) { convolveColumns(dst, src, weight) }
