#include "textflag.h"

// Lengths are as in fused_amd64.go. Each of eight rows has its own chain of
// additions, which hides their latency; the rows are read from the cache as the
// operands of multiplications.

// func fusedWidenAVX512(dst *float64, src *float32, mean *float64, n int)
TEXT ·fusedWidenAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ mean+16(FP), DX
	MOVQ n+24(FP), CX

	PCALIGN $32

eight:
	VCVTPS2PD (SI), Z0
	VSUBPD (DX), Z0, Z0
	VMOVUPD Z0, (DI)
	ADDQ $32, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// func fusedWidenAVX2(dst *float64, src *float32, mean *float64, n int)
TEXT ·fusedWidenAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ mean+16(FP), DX
	MOVQ n+24(FP), CX

	PCALIGN $32

eight:
	VCVTPS2PD (SI), Y0
	VCVTPS2PD 16(SI), Y1
	VSUBPD (DX), Y0, Y0
	VSUBPD 32(DX), Y1, Y1
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	ADDQ $32, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $8, CX
	JNE  eight
	VZEROUPPER
	RET

// JOIN4 adds the lanes of y, whose lower part is x, and stores the sum.
#define JOIN4(y, x, to) \
	VEXTRACTF128 $1, y, X15 \
	VADDPD X15, x, x \
	VUNPCKHPD x, x, X15 \
	VADDSD X15, x, x \
	VMOVSD x, to

// JOIN8 is JOIN4 for the eight lanes of z, whose lower part is y.
#define JOIN8(z, y, x, to) \
	VEXTRACTF64X4 $1, z, Y15 \
	VADDPD Y15, y, y \
	JOIN4(y, x, to)

// func fusedDotsAVX512(out, x *float64, stride, rows int, w *float64, n int)
TEXT ·fusedDotsAVX512(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), BX
	MOVQ x+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ rows+24(FP), DX
	SHLQ $3, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	LEAQ (R9)(R8*4), R11

rows:
	MOVQ w+32(FP), DI
	MOVQ n+40(FP), CX
	MOVQ SI, AX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7

	PCALIGN $32

eight:
	VMOVUPD (DI), Z8
	VFMADD231PD (AX), Z8, Z0
	VFMADD231PD (AX)(R8*1), Z8, Z1
	VFMADD231PD (AX)(R8*2), Z8, Z2
	VFMADD231PD (AX)(R9*1), Z8, Z3
	VFMADD231PD (AX)(R8*4), Z8, Z4
	VFMADD231PD (AX)(R10*1), Z8, Z5
	VFMADD231PD (AX)(R9*2), Z8, Z6
	VFMADD231PD (AX)(R11*1), Z8, Z7
	ADDQ $64, AX
	ADDQ $64, DI
	SUBQ $8, CX
	JNE  eight

	JOIN8(Z0, Y0, X0, (BX))
	JOIN8(Z1, Y1, X1, 8(BX))
	JOIN8(Z2, Y2, X2, 16(BX))
	JOIN8(Z3, Y3, X3, 24(BX))
	JOIN8(Z4, Y4, X4, 32(BX))
	JOIN8(Z5, Y5, X5, 40(BX))
	JOIN8(Z6, Y6, X6, 48(BX))
	JOIN8(Z7, Y7, X7, 56(BX))
	ADDQ $64, BX
	LEAQ (SI)(R8*8), SI
	SUBQ $8, DX
	JNE  rows
	VZEROUPPER
	RET

// func fusedDotsAVX2(out, x *float64, stride, rows int, w *float64, n int)
TEXT ·fusedDotsAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), BX
	MOVQ x+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ rows+24(FP), DX
	SHLQ $3, R8
	LEAQ (R8)(R8*2), R9

rows:
	MOVQ w+32(FP), DI
	MOVQ n+40(FP), CX
	MOVQ SI, AX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7

	PCALIGN $32

eight:
	VMOVUPD (DI), Y8
	VMOVUPD 32(DI), Y9
	VFMADD231PD (AX), Y8, Y0
	VFMADD231PD 32(AX), Y9, Y4
	VFMADD231PD (AX)(R8*1), Y8, Y1
	VFMADD231PD 32(AX)(R8*1), Y9, Y5
	VFMADD231PD (AX)(R8*2), Y8, Y2
	VFMADD231PD 32(AX)(R8*2), Y9, Y6
	VFMADD231PD (AX)(R9*1), Y8, Y3
	VFMADD231PD 32(AX)(R9*1), Y9, Y7
	ADDQ $64, AX
	ADDQ $64, DI
	SUBQ $8, CX
	JNE  eight

	VADDPD Y4, Y0, Y0
	VADDPD Y5, Y1, Y1
	VADDPD Y6, Y2, Y2
	VADDPD Y7, Y3, Y3
	JOIN4(Y0, X0, (BX))
	JOIN4(Y1, X1, 8(BX))
	JOIN4(Y2, X2, 16(BX))
	JOIN4(Y3, X3, 24(BX))
	ADDQ $32, BX
	LEAQ (SI)(R8*4), SI
	SUBQ $4, DX
	JNE  rows
	VZEROUPPER
	RET

// func fusedAddAVX512(to, x *float64, stride, rows int, r *float64, n int)
TEXT ·fusedAddAVX512(SB), NOSPLIT, $0-48
	MOVQ to+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ n+40(FP), CX
	SHLQ $3, R8
	SUBQ $32, CX
	JLT  few

	PCALIGN $32

tile:
	MOVQ rows+24(FP), DX
	MOVQ r+32(FP), BX
	MOVQ SI, AX
	VMOVUPD (DI), Z0
	VMOVUPD 64(DI), Z1
	VMOVUPD 128(DI), Z2
	VMOVUPD 192(DI), Z3

row:
	VBROADCASTSD (BX), Z4
	VFMADD231PD (AX), Z4, Z0
	VFMADD231PD 64(AX), Z4, Z1
	VFMADD231PD 128(AX), Z4, Z2
	VFMADD231PD 192(AX), Z4, Z3
	ADDQ R8, AX
	ADDQ $8, BX
	DECQ DX
	JNE  row

	VMOVUPD Z0, (DI)
	VMOVUPD Z1, 64(DI)
	VMOVUPD Z2, 128(DI)
	VMOVUPD Z3, 192(DI)
	ADDQ $256, DI
	ADDQ $256, SI
	SUBQ $32, CX
	JGE  tile

few:
	ADDQ $32, CX
	JEQ  done

eight:
	MOVQ rows+24(FP), DX
	MOVQ r+32(FP), BX
	MOVQ SI, AX
	VMOVUPD (DI), Z0

last:
	VBROADCASTSD (BX), Z4
	VFMADD231PD (AX), Z4, Z0
	ADDQ R8, AX
	ADDQ $8, BX
	DECQ DX
	JNE  last

	VMOVUPD Z0, (DI)
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $8, CX
	JNE  eight

done:
	VZEROUPPER
	RET

// func fusedAddAVX2(to, x *float64, stride, rows int, r *float64, n int)
TEXT ·fusedAddAVX2(SB), NOSPLIT, $0-48
	MOVQ to+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ n+40(FP), CX
	SHLQ $3, R8
	SUBQ $32, CX
	JLT  few

	PCALIGN $32

tile:
	MOVQ rows+24(FP), DX
	MOVQ r+32(FP), BX
	MOVQ SI, AX
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	VMOVUPD 128(DI), Y5
	VMOVUPD 160(DI), Y6
	VMOVUPD 192(DI), Y7
	VMOVUPD 224(DI), Y8

row:
	VBROADCASTSD (BX), Y4
	VFMADD231PD (AX), Y4, Y0
	VFMADD231PD 32(AX), Y4, Y1
	VFMADD231PD 64(AX), Y4, Y2
	VFMADD231PD 96(AX), Y4, Y3
	VFMADD231PD 128(AX), Y4, Y5
	VFMADD231PD 160(AX), Y4, Y6
	VFMADD231PD 192(AX), Y4, Y7
	VFMADD231PD 224(AX), Y4, Y8
	ADDQ R8, AX
	ADDQ $8, BX
	DECQ DX
	JNE  row

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VMOVUPD Y5, 128(DI)
	VMOVUPD Y6, 160(DI)
	VMOVUPD Y7, 192(DI)
	VMOVUPD Y8, 224(DI)
	ADDQ $256, DI
	ADDQ $256, SI
	SUBQ $32, CX
	JGE  tile

few:
	ADDQ $32, CX
	JEQ  done

eight:
	MOVQ rows+24(FP), DX
	MOVQ r+32(FP), BX
	MOVQ SI, AX
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1

last:
	VBROADCASTSD (BX), Y4
	VFMADD231PD (AX), Y4, Y0
	VFMADD231PD 32(AX), Y4, Y1
	ADDQ R8, AX
	ADDQ $8, BX
	DECQ DX
	JNE  last

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $8, CX
	JNE  eight

done:
	VZEROUPPER
	RET
