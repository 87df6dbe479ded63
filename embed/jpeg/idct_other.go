//go:build !amd64

package jpeg

func vectorised() bool { return false }

func (b *block) inverseVector(dst []byte, stride int) { b.inversePortable(dst, stride) }
