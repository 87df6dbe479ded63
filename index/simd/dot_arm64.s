#include "textflag.h"

// The assembler has no vector addition and product of floats that is not fused.
// FADD and FMUL are d = n ∘ m on four lanes; FADDP joins the lower two of n.
#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
#define FMUL(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))
#define FADDP(n, d) WORD $(0x7e30d800 | (n)<<5 | (d))

// STEP adds the products of a block, V4 to V7 and V16 to V19, to the sixteen
// lanes, V0 to V3. That is Dot's order: each lane is one chain of additions.
#define STEP \
	FMUL(16, 4, 4) \
	FMUL(17, 5, 5) \
	FMUL(18, 6, 6) \
	FMUL(19, 7, 7) \
	FADD(4, 0, 0) \
	FADD(5, 1, 1) \
	FADD(6, 2, 2) \
	FADD(7, 3, 3)

// func dotNEON(a, b *float32, blocks int, tailA, tailB *[16]float32) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-44
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD blocks+16(FP), R2
	MOVD tailA+24(FP), R3
	MOVD tailB+32(FP), R4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	CBZ  R2, tail

block:
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	STEP
	SUBS $1, R2, R2
	BNE  block

tail:
	VLD1 (R3), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1 (R4), [V16.S4, V17.S4, V18.S4, V19.S4]
	STEP

	FADD(2, 0, 0) // lanes i and i+8
	FADD(3, 1, 1)
	FADD(1, 0, 0) // i and i+4
	VEXT $8, V0.B16, V0.B16, V1.B16
	FADD(1, 0, 0) // i and i+2
	FADDP(0, 0)
	FMOVS F0, ret+40(FP)
	RET
