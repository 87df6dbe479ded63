#include "textflag.h"

// AVX2's product of unsigned and signed bytes saturates, so bytes become words
// first, whose products VPMADDWD adds by twos into lanes of 32 bits. Rows are
// taken without their offset, so a sum begins with the query's bias. The order of
// the loops is that of the AVX-512 kernels, for the same reasons.

// STEP adds to sums the products of the 16 bytes at an offset of a row, widened
// into words, and of a query.
#define STEP(query, offset, words, sums, t) \
	VPMOVSXBW offset(query)(AX*1), t \
	VPMADDWD t, words, t \
	VPADDD t, sums, sums

// SUM adds the lanes of y, whose lower part is x.
#define SUM(y, x, tx) \
	VEXTRACTI128 $1, y, tx \
	VPADDD tx, x, x \
	VPSHUFD $0x4e, x, tx \
	VPADDD tx, x, x \
	VPSHUFD $0xb1, x, tx \
	VPADDD tx, x, x

// func scanAVX2(rows *uint8, query *int8, n int, bias int32, out *int32, count int)
TEXT ·scanAVX2(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), SI
	MOVQ query+8(FP), DI
	MOVQ n+16(FP), CX
	MOVL bias+24(FP), AX
	VMOVD AX, X3
	MOVQ out+32(FP), BX
	MOVQ count+40(FP), DX
	LEAQ (BX)(DX*4), DX // the end of out

row:
	VMOVDQA X3, X0 // the other lanes become 0
	XORL AX, AX

	PCALIGN $32

half:
	VPMOVZXBW (SI)(AX*1), Y4
	VPMOVZXBW 16(SI)(AX*1), Y5
	STEP(DI, 0, Y4, Y0, Y6)
	STEP(DI, 16, Y5, Y0, Y7)
	ADDQ $32, AX
	CMPQ AX, CX
	JLT  half

	SUM(Y0, X0, X1)
	VMOVD X0, (BX)
	ADDQ CX, SI
	ADDQ $4, BX
	CMPQ BX, DX
	JB   row
	VZEROUPPER
	RET

// func splitAVX2(words *int16, codes *int8, n int)
TEXT ·splitAVX2(SB), NOSPLIT, $0-24
	MOVQ words+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ n+16(FP), CX

half:
	VMOVDQU (SI), Y0
	VPSRAW $8, Y0, Y1
	VPSLLW $8, Y0, Y0
	VPSRAW $8, Y0, Y0
	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 32(DI)
	ADDQ $32, SI
	ADDQ $64, DI
	SUBQ $32, CX
	JNE  half
	VZEROUPPER
	RET

// func manyAVX2(rows *uint8, ids *uint32, count int, words *int16, n int, bias int32, out *int32)
TEXT ·manyAVX2(SB), NOSPLIT, $0-56
	MOVQ rows+0(FP), SI
	MOVQ ids+8(FP), BX
	MOVQ count+16(FP), DX
	MOVQ words+24(FP), DI
	MOVQ n+32(FP), CX
	MOVL bias+40(FP), AX
	VMOVD AX, X3
	MOVQ out+48(FP), R9
	LEAQ (BX)(DX*4), DX // the end of ids
	MOVL $0x00ff00ff, AX
	VMOVD AX, X8
	VPBROADCASTD X8, Y8

row:
	MOVL (BX), R8
	IMULQ CX, R8
	ADDQ SI, R8
	VMOVDQA X3, X0
	XORL AX, AX

	PCALIGN $32

line:
	VMOVDQU (R8)(AX*1), Y4
	VMOVDQU 32(R8)(AX*1), Y6
	VPSRLW $8, Y4, Y5
	VPAND Y8, Y4, Y4
	VPSRLW $8, Y6, Y7
	VPAND Y8, Y6, Y6
	VPMADDWD (DI)(AX*2), Y4, Y4
	VPMADDWD 32(DI)(AX*2), Y5, Y5
	VPMADDWD 64(DI)(AX*2), Y6, Y6
	VPMADDWD 96(DI)(AX*2), Y7, Y7
	VPADDD Y4, Y5, Y5
	VPADDD Y6, Y7, Y7
	VPADDD Y5, Y0, Y0
	VPADDD Y7, Y0, Y0
	ADDQ $64, AX
	CMPQ AX, CX
	JLT  line

	SUM(Y0, X0, X1)
	VMOVD X0, (R9)
	ADDQ $4, R9
	ADDQ $4, BX
	CMPQ BX, DX
	JB   row
	VZEROUPPER
	RET
