#include "textflag.h"

// func reachAVX512(w *Weights, dots *int32, bias, scale, lost, length, rest *float32, n int) uint64
TEXT ·reachAVX512(SB), NOSPLIT, $0-72
	MOVQ w+0(FP), AX
	MOVQ dots+8(FP), SI
	MOVQ bias+16(FP), DI
	MOVQ scale+24(FP), R8
	MOVQ lost+32(FP), R9
	MOVQ length+40(FP), R10
	MOVQ rest+48(FP), R11
	MOVQ n+56(FP), R12
	VBROADCASTSS 0(AX), Z10
	VBROADCASTSS 4(AX), Z11
	VBROADCASTSS 8(AX), Z12
	VBROADCASTSS 12(AX), Z13
	VBROADCASTSS 16(AX), Z14
	VPXORD Z15, Z15, Z15
	XORQ DX, DX // the word
	XORQ CX, CX // the row
next:
	VCVTDQ2PS (SI)(CX*4), Z0
	VMULPS (R8)(CX*4), Z11, Z1
	VMULPS Z0, Z1, Z1
	VADDPS (DI)(CX*4), Z10, Z2
	VADDPS Z1, Z2, Z2
	VMULPS (R9)(CX*4), Z12, Z3
	VADDPS Z3, Z2, Z2
	VMULPS (R10)(CX*4), Z13, Z4
	VADDPS Z4, Z2, Z2
	VMULPS (R11)(CX*4), Z14, Z5
	VADDPS Z5, Z2, Z2
	VCMPPS $13, Z15, Z2, K1 // not less, and no NaN
	KMOVW K1, BX
	SHLQ CX, BX
	ORQ BX, DX
	ADDQ $16, CX
	CMPQ CX, R12
	JLT next
	MOVQ DX, ret+64(FP)
	VZEROUPPER
	RET
