#include "textflag.h"

// What the assembler lacks, on signed bytes. SDOT adds four products to each of
// d's four lanes of 32 bits. SMULL and SMULL2 are the products, in 16 bits, of
// the lower and upper eight bytes; SADALP adds words by twos to lanes of 32 bits.
#define SDOT(m, n, d) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d))
#define SMULL(m, n, d) WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | (d))
#define SMULL2(m, n, d) WORD $(0x4e20c000 | (m)<<16 | (n)<<5 | (d))
#define SADALP(n, d) WORD $(0x4e606800 | (n)<<5 | (d))

// LOAD sets V0 to V3 to 64 codes of the row at R5, signed by flipping the bit
// that the offset of 128 flipped, and V4 to V7 to those of the query at R6.
#define LOAD \
	VLD1.P 64(R5), [V0.B16, V1.B16, V2.B16, V3.B16] \
	VLD1.P 64(R6), [V4.B16, V5.B16, V6.B16, V7.B16] \
	VEOR V20.B16, V0.B16, V0.B16 \
	VEOR V20.B16, V1.B16, V1.B16 \
	VEOR V20.B16, V2.B16, V2.B16 \
	VEOR V20.B16, V3.B16, V3.B16

// WIDE adds the products of sixteen codes, row n and query m, to the lanes of
// d and e. Two products of -128 do not fit a word, so each word is one product.
#define WIDE(m, n, d, e) \
	SMULL(m, n, 21) \
	SMULL2(m, n, 22) \
	SADALP(21, d) \
	SADALP(22, e)

// LINESDOT and LINENEON add the products of the next 64 codes to V16 to V19.
#define LINESDOT \
	LOAD \
	SDOT(4, 0, 16) \
	SDOT(5, 1, 17) \
	SDOT(6, 2, 18) \
	SDOT(7, 3, 19)

#define LINENEON \
	LOAD \
	WIDE(4, 0, 16, 17) \
	WIDE(5, 1, 18, 19) \
	WIDE(6, 2, 16, 17) \
	WIDE(7, 3, 18, 19)

// CLEAR and SUM begin and end the sum of a row, in V16 to V19.
#define CLEAR \
	VEOR V16.B16, V16.B16, V16.B16 \
	VEOR V17.B16, V17.B16, V17.B16 \
	VEOR V18.B16, V18.B16, V18.B16 \
	VEOR V19.B16, V19.B16, V19.B16

#define SUM \
	VADD V17.S4, V16.S4, V16.S4 \
	VADD V19.S4, V18.S4, V18.S4 \
	VADD V18.S4, V16.S4, V16.S4 \
	VADDV V16.S4, V16

// func scanSDOT(rows *uint8, query *int8, n int, out *int32, count int)
TEXT ·scanSDOT(SB), NOSPLIT, $0-40
	MOVD rows+0(FP), R5 // ends each row at the next
	MOVD query+8(FP), R1
	MOVD n+16(FP), R2
	MOVD out+24(FP), R3
	MOVD count+32(FP), R4
	VMOVI $0x80, V20.B16

row:
	CLEAR
	MOVD R1, R6
	MOVD R2, R7

line:
	LINESDOT
	SUBS $64, R7, R7
	BNE  line

	SUM
	FMOVS.P F16, 4(R3)
	SUBS $1, R4, R4
	BNE  row
	RET

// func scanNEON(rows *uint8, query *int8, n int, out *int32, count int)
TEXT ·scanNEON(SB), NOSPLIT, $0-40
	MOVD rows+0(FP), R5 // ends each row at the next
	MOVD query+8(FP), R1
	MOVD n+16(FP), R2
	MOVD out+24(FP), R3
	MOVD count+32(FP), R4
	VMOVI $0x80, V20.B16

row:
	CLEAR
	MOVD R1, R6
	MOVD R2, R7

line:
	LINENEON
	SUBS $64, R7, R7
	BNE  line

	SUM
	FMOVS.P F16, 4(R3)
	SUBS $1, R4, R4
	BNE  row
	RET

// func manySDOT(rows *uint8, ids *uint32, count int, query *int8, n int, out *int32)
TEXT ·manySDOT(SB), NOSPLIT, $0-48
	MOVD rows+0(FP), R0
	MOVD ids+8(FP), R8
	MOVD count+16(FP), R4
	MOVD query+24(FP), R1
	MOVD n+32(FP), R2
	MOVD out+40(FP), R3
	VMOVI $0x80, V20.B16

row:
	MOVWU.P 4(R8), R5
	MADD R2, R0, R5, R5 // rows + id · n
	CLEAR
	MOVD R1, R6
	MOVD R2, R7

line:
	LINESDOT
	SUBS $64, R7, R7
	BNE  line

	SUM
	FMOVS.P F16, 4(R3)
	SUBS $1, R4, R4
	BNE  row
	RET

// func manyNEON(rows *uint8, ids *uint32, count int, query *int8, n int, out *int32)
TEXT ·manyNEON(SB), NOSPLIT, $0-48
	MOVD rows+0(FP), R0
	MOVD ids+8(FP), R8
	MOVD count+16(FP), R4
	MOVD query+24(FP), R1
	MOVD n+32(FP), R2
	MOVD out+40(FP), R3
	VMOVI $0x80, V20.B16

row:
	MOVWU.P 4(R8), R5
	MADD R2, R0, R5, R5 // rows + id · n
	CLEAR
	MOVD R1, R6
	MOVD R2, R7

line:
	LINENEON
	SUBS $64, R7, R7
	BNE  line

	SUM
	FMOVS.P F16, 4(R3)
	SUBS $1, R4, R4
	BNE  row
	RET
