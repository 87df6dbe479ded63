#include "textflag.h"

// The order of roundings of Dot leaves each lane one chain of additions, whose
// latency is the time that both kernels take; so no more registers are used for
// sums, and the loads and products are ahead of them.

// TAIL8 sets y to the product of the elements of a and b at an offset that mask
// selects. The others are not read and count as +0.
#define TAIL8(mask, offset, y, t) \
	VMOVDQU mask, t \
	VMASKMOVPS offset(SI), t, y \
	VMASKMOVPS offset(DI), t, t \
	VMULPS t, y, y

// JOIN adds the lanes of Y0, then stores the sum and returns. Eight lanes are
// left, of sixteen.
#define JOIN \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS X1, X0, X0 \
	VMOVHLPS X0, X0, X1 \
	VADDPS X1, X0, X0 \
	VMOVSHDUP X0, X1 \
	VADDSS X1, X0, X0 \
	VZEROUPPER

// ·ones has 16 lanes of ones, then 16 of zeros: read n lanes before the zeros, it
// is the mask of n elements.
DATA ones<>+0(SB)/8, $-1
DATA ones<>+8(SB)/8, $-1
DATA ones<>+16(SB)/8, $-1
DATA ones<>+24(SB)/8, $-1
DATA ones<>+32(SB)/8, $-1
DATA ones<>+40(SB)/8, $-1
DATA ones<>+48(SB)/8, $-1
DATA ones<>+56(SB)/8, $-1
GLOBL ones<>(SB), RODATA|NOPTR, $128

// func dotAVX2(a, b *float32, n int) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ n+16(FP), CX
	VXORPS X0, X0, X0 // lanes 0 to 7
	VXORPS X1, X1, X1 // lanes 8 to 15
	SUBQ $32, CX
	JLT  few

	PCALIGN $32

two:
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3
	VMOVUPS 64(SI), Y4
	VMOVUPS 96(SI), Y5
	VMULPS (DI), Y2, Y2
	VMULPS 32(DI), Y3, Y3
	VMULPS 64(DI), Y4, Y4
	VMULPS 96(DI), Y5, Y5
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $32, CX
	JGE  two

few:
	ADDQ $16, CX // now 16 less than the elements left
	JLT  tail
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3
	VMULPS (DI), Y2, Y2
	VMULPS 32(DI), Y3, Y3
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX

tail:
	ADDQ $16, CX
	JEQ  join
	SHLQ $2, CX
	LEAQ ones<>+64(SB), AX
	SUBQ CX, AX
	TAIL8((AX), 0, Y2, Y3)
	VADDPS Y2, Y0, Y0
	TAIL8(32(AX), 32, Y2, Y3)
	VADDPS Y2, Y1, Y1

join:
	VADDPS Y1, Y0, Y0
	JOIN
	MOVSS X0, ret+24(FP)
	RET

// func dotAVX512(a, b *float32, n int) float32
TEXT ·dotAVX512(SB), NOSPLIT, $0-28
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ n+16(FP), CX
	VXORPS X0, X0, X0
	SUBQ $64, CX
	JLT  few

	PCALIGN $32

four:
	VMOVUPS (SI), Z1
	VMOVUPS 64(SI), Z2
	VMOVUPS 128(SI), Z3
	VMOVUPS 192(SI), Z4
	VMULPS (DI), Z1, Z1
	VMULPS 64(DI), Z2, Z2
	VMULPS 128(DI), Z3, Z3
	VMULPS 192(DI), Z4, Z4
	VADDPS Z1, Z0, Z0
	VADDPS Z2, Z0, Z0
	VADDPS Z3, Z0, Z0
	VADDPS Z4, Z0, Z0
	ADDQ $256, SI
	ADDQ $256, DI
	SUBQ $64, CX
	JGE  four

few:
	ADDQ $48, CX // now 16 less than the elements left
	JLT  tail

one:
	VMOVUPS (SI), Z1
	VMULPS (DI), Z1, Z1
	VADDPS Z1, Z0, Z0
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGE  one

tail:
	ADDQ $16, CX
	JEQ  join

	// The mask of the CX elements left: the others are not read and count as +0.
	MOVL $1, AX
	SHLL CX, AX
	DECL AX
	KMOVW AX, K1
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z (DI), K1, Z2
	VMULPS Z2, Z1, Z1
	VADDPS Z1, Z0, Z0

join:
	VEXTRACTF64X4 $1, Z0, Y1
	VADDPS Y1, Y0, Y0
	JOIN
	MOVSS X0, ret+24(FP)
	RET
