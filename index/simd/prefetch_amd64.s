#include "textflag.h"

// func prefetchLines(p unsafe.Pointer, n int)
TEXT ·prefetchLines(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	ADDQ SI, CX
	ANDQ $-64, SI // the first line may begin before p

line:
	CMPQ SI, CX
	JAE  done
	PREFETCHT0 (SI)
	ADDQ $64, SI
	JMP  line

done:
	RET

// The rows go to the second cache, which has more requests under way than the
// first: PREFETCHT0 gains nothing over the loads themselves, PREFETCHT1 halves
// the time of a batch.

// func prefetchTable(rows *uint8, ids *uint32, count, n int)
TEXT ·prefetchTable(SB), NOSPLIT, $0-32
	MOVQ rows+0(FP), SI
	MOVQ ids+8(FP), BX
	MOVQ count+16(FP), DX
	MOVQ n+24(FP), CX
	LEAQ (BX)(DX*4), DX // the end of ids

row:
	MOVL (BX), R8
	IMULQ CX, R8
	ADDQ SI, R8
	LEAQ (R8)(CX*1), R9 // the end of the row
	LEAQ -256(R9), R10
	CMPQ R8, R10
	JHI  line

	PCALIGN $32

four:
	PREFETCHT1 (R8)
	PREFETCHT1 64(R8)
	PREFETCHT1 128(R8)
	PREFETCHT1 192(R8)
	ADDQ $256, R8
	CMPQ R8, R10
	JLS  four

line:
	CMPQ R8, R9
	JAE  next
	PREFETCHT1 (R8)
	ADDQ $64, R8
	JMP  line

next:
	ADDQ $4, BX
	CMPQ BX, DX
	JB   row
	RET
