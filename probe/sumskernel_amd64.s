#include "textflag.h"

// EXACT adds u*v, which is exact, to the compensated sum a+l; s, t and w are
// scratch. The last addition is a multiplication by one as well: that occupies
// the multipliers, which would be idle.
#define EXACT(a, l, u, v, one, s, t, w) \
	VMOVAPD a, s \
	VFMADD231PD u, v, s \
	VSUBPD a, s, t \
	VSUBPD t, s, w \
	VSUBPD w, a, w \
	VFMSUB231PD u, v, t \
	VADDPD t, w, w \
	VFMADD231PD w, one, l \
	VMOVAPD s, a

// SCALED adds (f+g)*u to the compensated sum a+l; p, q, s and t are scratch.
#define SCALED(a, l, u, f, g, p, q, s, t) \
	VMULPD u, f, p \
	VMOVAPD p, q \
	VFMSUB231PD u, f, q \
	VMULPD u, g, s \
	VADDPD s, q, q \
	VADDPD p, a, s \
	VSUBPD a, s, t \
	VSUBPD t, p, p \
	VSUBPD t, s, t \
	VSUBPD t, a, t \
	VADDPD p, t, t \
	VADDPD q, t, t \
	VADDPD t, l, l \
	VMOVAPD s, a

// FIXED adds (h+g)*f to the fixed-point sum a+r; s and t are scratch.
#define FIXED(a, r, h, g, f, s, t) \
	VMOVAPD a, s \
	VFMADD231PD h, f, s \
	VSUBPD a, s, t \
	VFMSUB231PD h, f, t \
	VFMADD231PD g, f, t \
	VADDPD t, r, r \
	VMOVAPD s, a

DATA sumsOne<>+0(SB)/8, $1.0
GLOBL sumsOne<>(SB), RODATA|NOPTR, $8

// func addExactAVX512(hi, lo, row *float64, v float64, n int)
TEXT ·addExactAVX512(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ row+16(FP), DX
	VBROADCASTSD v+24(FP), Z8
	MOVQ n+32(FP), CX
	VBROADCASTSD sumsOne<>(SB), Z9

	PCALIGN $32

eight:
	VMOVUPD (DI), Z0
	VMOVUPD (SI), Z1
	VMOVUPD (DX), Z2
	EXACT(Z0, Z1, Z2, Z8, Z9, Z3, Z4, Z5)
	VMOVUPD Z0, (DI)
	VMOVUPD Z1, (SI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// func addScaledAVX512(hi, lo, x *float64, f *double, n int)
TEXT ·addScaledAVX512(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ x+16(FP), DX
	MOVQ f+24(FP), BX
	MOVQ n+32(FP), CX
	VBROADCASTSD (BX), Z8
	VBROADCASTSD 8(BX), Z9

	PCALIGN $32

eight:
	VMOVUPD (DI), Z0
	VMOVUPD (SI), Z1
	VMOVUPD (DX), Z2
	SCALED(Z0, Z1, Z2, Z8, Z9, Z3, Z4, Z5, Z6)
	VMOVUPD Z0, (DI)
	VMOVUPD Z1, (SI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// func addDotsAVX512(hi, lo *[panel]float64, v, columns *float64, n int)
TEXT ·addDotsAVX512(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ v+16(FP), BX
	MOVQ columns+24(FP), DX
	MOVQ n+32(FP), CX
	VBROADCASTSD sumsOne<>(SB), Z9
	VMOVUPD (DI), Z0
	VMOVUPD 64(DI), Z1
	VMOVUPD (SI), Z2
	VMOVUPD 64(SI), Z3

	PCALIGN $32

next:
	VBROADCASTSD (BX), Z8
	VMOVUPD (DX), Z10
	EXACT(Z0, Z2, Z10, Z8, Z9, Z11, Z12, Z13)
	VMOVUPD 64(DX), Z10
	EXACT(Z1, Z3, Z10, Z8, Z9, Z14, Z15, Z16)
	ADDQ $8, BX
	ADDQ $128, DX
	DECQ CX
	JNE  next

	VMOVUPD Z0, (DI)
	VMOVUPD Z1, 64(DI)
	VMOVUPD Z2, (SI)
	VMOVUPD Z3, 64(SI)
	VZEROUPPER
	RET

// func addScaledDotsAVX512(hi, lo *[panel]float64, f *double, columns *float64, n int)
TEXT ·addScaledDotsAVX512(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ f+16(FP), BX
	MOVQ columns+24(FP), DX
	MOVQ n+32(FP), CX
	VMOVUPD (DI), Z0
	VMOVUPD 64(DI), Z1
	VMOVUPD (SI), Z2
	VMOVUPD 64(SI), Z3

	PCALIGN $32

next:
	VBROADCASTSD (BX), Z8
	VBROADCASTSD 8(BX), Z9
	VMOVUPD (DX), Z10
	SCALED(Z0, Z2, Z10, Z8, Z9, Z11, Z12, Z13, Z14)
	VMOVUPD 64(DX), Z10
	SCALED(Z1, Z3, Z10, Z8, Z9, Z11, Z12, Z13, Z14)
	ADDQ $16, BX
	ADDQ $128, DX
	DECQ CX
	JNE  next

	VMOVUPD Z0, (DI)
	VMOVUPD Z1, 64(DI)
	VMOVUPD Z2, (SI)
	VMOVUPD Z3, 64(SI)
	VZEROUPPER
	RET

// func addRowAVX512(hi, lo, w *float64, v float64, fixed, rest *float64, l *lanes, n int)
TEXT ·addRowAVX512(SB), NOSPLIT, $0-64
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ w+16(FP), DX
	VBROADCASTSD v+24(FP), Z8
	MOVQ fixed+32(FP), R8
	MOVQ rest+40(FP), R9
	MOVQ l+48(FP), BX
	MOVQ n+56(FP), CX
	VMOVUPD (BX), Z0
	VMOVUPD 64(BX), Z1

	PCALIGN $32

eight:
	VMOVUPD (DI), Z4
	VMOVUPD (SI), Z5
	VMOVUPD (DX), Z6
	FIXED(Z0, Z1, Z4, Z5, Z6, Z9, Z10)
	VMOVUPD (R8), Z11
	VMOVUPD (R9), Z12
	FIXED(Z11, Z12, Z4, Z5, Z8, Z13, Z14)
	VMOVUPD Z11, (R8)
	VMOVUPD Z12, (R9)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, R8
	ADDQ $64, R9
	SUBQ $8, CX
	JNE  eight

	VMOVUPD Z0, (BX)
	VMOVUPD Z1, 64(BX)
	VZEROUPPER
	RET

// func addExactAVX2(hi, lo, row *float64, v float64, n int)
TEXT ·addExactAVX2(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ row+16(FP), DX
	VBROADCASTSD v+24(FP), Y8
	MOVQ n+32(FP), CX
	VBROADCASTSD sumsOne<>(SB), Y9

	PCALIGN $32

eight:
	VMOVUPD (DI), Y0
	VMOVUPD (SI), Y1
	VMOVUPD (DX), Y2
	EXACT(Y0, Y1, Y2, Y8, Y9, Y3, Y4, Y5)
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, (SI)
	VMOVUPD 32(DI), Y0
	VMOVUPD 32(SI), Y1
	VMOVUPD 32(DX), Y2
	EXACT(Y0, Y1, Y2, Y8, Y9, Y3, Y4, Y5)
	VMOVUPD Y0, 32(DI)
	VMOVUPD Y1, 32(SI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// func addScaledAVX2(hi, lo, x *float64, f *double, n int)
TEXT ·addScaledAVX2(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ x+16(FP), DX
	MOVQ f+24(FP), BX
	MOVQ n+32(FP), CX
	VBROADCASTSD (BX), Y8
	VBROADCASTSD 8(BX), Y9

	PCALIGN $32

eight:
	VMOVUPD (DI), Y0
	VMOVUPD (SI), Y1
	VMOVUPD (DX), Y2
	SCALED(Y0, Y1, Y2, Y8, Y9, Y3, Y4, Y5, Y6)
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, (SI)
	VMOVUPD 32(DI), Y0
	VMOVUPD 32(SI), Y1
	VMOVUPD 32(DX), Y2
	SCALED(Y0, Y1, Y2, Y8, Y9, Y3, Y4, Y5, Y6)
	VMOVUPD Y0, 32(DI)
	VMOVUPD Y1, 32(SI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// func addDotsAVX2(hi, lo *[panel]float64, v, columns *float64, n int)
TEXT ·addDotsAVX2(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ v+16(FP), BX
	MOVQ columns+24(FP), DX
	MOVQ n+32(FP), CX
	VBROADCASTSD sumsOne<>(SB), Y9
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	VMOVUPD (SI), Y4
	VMOVUPD 32(SI), Y5
	VMOVUPD 64(SI), Y6
	VMOVUPD 96(SI), Y7

	PCALIGN $32

next:
	VBROADCASTSD (BX), Y8
	VMOVUPD (DX), Y10
	EXACT(Y0, Y4, Y10, Y8, Y9, Y11, Y12, Y13)
	VMOVUPD 32(DX), Y10
	EXACT(Y1, Y5, Y10, Y8, Y9, Y11, Y12, Y13)
	VMOVUPD 64(DX), Y10
	EXACT(Y2, Y6, Y10, Y8, Y9, Y11, Y12, Y13)
	VMOVUPD 96(DX), Y10
	EXACT(Y3, Y7, Y10, Y8, Y9, Y11, Y12, Y13)
	ADDQ $8, BX
	ADDQ $128, DX
	DECQ CX
	JNE  next

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VMOVUPD Y4, (SI)
	VMOVUPD Y5, 32(SI)
	VMOVUPD Y6, 64(SI)
	VMOVUPD Y7, 96(SI)
	VZEROUPPER
	RET

// func addScaledDotsAVX2(hi, lo *[panel]float64, f *double, columns *float64, n int)
TEXT ·addScaledDotsAVX2(SB), NOSPLIT, $0-40
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ f+16(FP), BX
	MOVQ columns+24(FP), DX
	MOVQ n+32(FP), CX
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	VMOVUPD (SI), Y4
	VMOVUPD 32(SI), Y5
	VMOVUPD 64(SI), Y6
	VMOVUPD 96(SI), Y7

	PCALIGN $32

next:
	VBROADCASTSD (BX), Y8
	VBROADCASTSD 8(BX), Y9
	VMOVUPD (DX), Y10
	SCALED(Y0, Y4, Y10, Y8, Y9, Y11, Y12, Y13, Y14)
	VMOVUPD 32(DX), Y10
	SCALED(Y1, Y5, Y10, Y8, Y9, Y11, Y12, Y13, Y14)
	VMOVUPD 64(DX), Y10
	SCALED(Y2, Y6, Y10, Y8, Y9, Y11, Y12, Y13, Y14)
	VMOVUPD 96(DX), Y10
	SCALED(Y3, Y7, Y10, Y8, Y9, Y11, Y12, Y13, Y14)
	ADDQ $16, BX
	ADDQ $128, DX
	DECQ CX
	JNE  next

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VMOVUPD Y4, (SI)
	VMOVUPD Y5, 32(SI)
	VMOVUPD Y6, 64(SI)
	VMOVUPD Y7, 96(SI)
	VZEROUPPER
	RET

// func addRowAVX2(hi, lo, w *float64, v float64, fixed, rest *float64, l *lanes, n int)
TEXT ·addRowAVX2(SB), NOSPLIT, $0-64
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), SI
	MOVQ w+16(FP), DX
	VBROADCASTSD v+24(FP), Y8
	MOVQ fixed+32(FP), R8
	MOVQ rest+40(FP), R9
	MOVQ l+48(FP), BX
	MOVQ n+56(FP), CX
	VMOVUPD (BX), Y0
	VMOVUPD 64(BX), Y2
	VMOVUPD 32(BX), Y1
	VMOVUPD 96(BX), Y3

	PCALIGN $32

eight:
	VMOVUPD (DI), Y4
	VMOVUPD (SI), Y5
	VMOVUPD (DX), Y6
	FIXED(Y0, Y2, Y4, Y5, Y6, Y9, Y10)
	VMOVUPD (R8), Y11
	VMOVUPD (R9), Y12
	FIXED(Y11, Y12, Y4, Y5, Y8, Y13, Y14)
	VMOVUPD Y11, (R8)
	VMOVUPD Y12, (R9)
	VMOVUPD 32(DI), Y4
	VMOVUPD 32(SI), Y5
	VMOVUPD 32(DX), Y6
	FIXED(Y1, Y3, Y4, Y5, Y6, Y9, Y10)
	VMOVUPD 32(R8), Y11
	VMOVUPD 32(R9), Y12
	FIXED(Y11, Y12, Y4, Y5, Y8, Y13, Y14)
	VMOVUPD Y11, 32(R8)
	VMOVUPD Y12, 32(R9)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, R8
	ADDQ $64, R9
	SUBQ $8, CX
	JNE  eight

	VMOVUPD Y0, (BX)
	VMOVUPD Y2, 64(BX)
	VMOVUPD Y1, 32(BX)
	VMOVUPD Y3, 96(BX)
	VZEROUPPER
	RET
