#include "textflag.h"

DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4

DATA lowest<>+0(SB)/4, $-127.0
GLOBL lowest<>(SB), RODATA|NOPTR, $4

DATA highest<>+0(SB)/4, $127.0
GLOBL highest<>(SB), RODATA|NOPTR, $4

DATA offset<>+0(SB)/4, $0x80808080
GLOBL offset<>(SB), RODATA|NOPTR, $4

// Where the packing of four vectors by halves leaves the fours of bytes.
DATA order<>+0(SB)/4, $0
DATA order<>+4(SB)/4, $4
DATA order<>+8(SB)/4, $1
DATA order<>+12(SB)/4, $5
DATA order<>+16(SB)/4, $2
DATA order<>+20(SB)/4, $6
DATA order<>+24(SB)/4, $3
DATA order<>+28(SB)/4, $7
GLOBL order<>(SB), RODATA|NOPTR, $32

// CODES sets y to the codes of the eight floats at an offset. VMAXPS returns its
// second operand, here the limit, for NaN; VCVTPS2DQ rounds ties to even, as Go
// sets it up.
#define CODES(offset, y) \
	VMULPS offset(SI), Y4, y \
	VMAXPS Y5, y, y \
	VMINPS Y6, y, y \
	VCVTPS2DQ y, y

// func quantiseAVX2(dst *uint8, src *float32, n int, inverse float32)
TEXT ·quantiseAVX2(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS inverse+24(FP), Y4
	VBROADCASTSS lowest<>(SB), Y5
	VBROADCASTSS highest<>(SB), Y6
	VBROADCASTSS offset<>(SB), Y7
	VMOVDQU order<>(SB), Y8

next:
	CODES(0, Y0)
	CODES(32, Y1)
	CODES(64, Y2)
	CODES(96, Y3)
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSWB Y2, Y0, Y0
	VPERMD Y0, Y8, Y0
	VPXOR Y7, Y0, Y0 // adds 128 to each byte
	VMOVDQU Y0, (DI)
	ADDQ $128, SI
	ADDQ $32, DI
	SUBQ $32, CX
	JNE  next
	VZEROUPPER
	RET

// LARGER makes y the larger of it and the magnitudes of eight floats. VMAXPS
// returns its second operand, here y, for NaN.
#define LARGER(offset, y, t) \
	VANDPS offset(SI), Y4, t \
	VMAXPS y, t, y

// func maxAbsAVX2(v *float32, n int) float32
TEXT ·maxAbsAVX2(SB), NOSPLIT, $0-20
	MOVQ v+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS magnitude<>(SB), Y4
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	VXORPS X2, X2, X2
	VXORPS X3, X3, X3

next:
	LARGER(0, Y0, Y5)
	LARGER(32, Y1, Y6)
	LARGER(64, Y2, Y7)
	LARGER(96, Y3, Y8)
	ADDQ $128, SI
	SUBQ $32, CX
	JNE  next

	VMAXPS Y1, Y0, Y0
	VMAXPS Y3, Y2, Y2
	VMAXPS Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VMOVHLPS X0, X0, X1
	VMAXPS X1, X0, X0
	VMOVSHDUP X0, X1
	VMAXSS X1, X0, X0
	VZEROUPPER
	MOVSS X0, ret+16(FP)
	RET
