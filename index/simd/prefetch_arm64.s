#include "textflag.h"

// func prefetchLines(p unsafe.Pointer, n int)
TEXT ·prefetchLines(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	ADD  R0, R1, R1
	AND  $~63, R0, R0 // the first line may begin before p

line:
	CMP  R1, R0
	BHS  done
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0, R0
	B    line

done:
	RET

// func prefetchTable(rows *uint8, ids *uint32, count, n int)
TEXT ·prefetchTable(SB), NOSPLIT, $0-32
	MOVD rows+0(FP), R0
	MOVD ids+8(FP), R1
	MOVD count+16(FP), R2
	MOVD n+24(FP), R3

row:
	MOVWU.P 4(R1), R4
	MADD R3, R0, R4, R4 // rows + id · n
	ADD  R4, R3, R5 // the end of the row

line:
	PRFM (R4), PLDL2KEEP
	ADD  $64, R4, R4
	CMP  R5, R4
	BLO  line
	SUBS $1, R2, R2
	BNE  row
	RET
