#include "textflag.h"

// The multipliers of idct.go, with the signs that they are used with.
DATA factor<>+0(SB)/4, $4433
DATA factor<>+4(SB)/4, $15137
DATA factor<>+8(SB)/4, $6270
DATA factor<>+12(SB)/4, $9633
DATA factor<>+16(SB)/4, $-16069
DATA factor<>+20(SB)/4, $-3196
DATA factor<>+24(SB)/4, $-7373
DATA factor<>+28(SB)/4, $-20995
DATA factor<>+32(SB)/4, $2446
DATA factor<>+36(SB)/4, $16819
DATA factor<>+40(SB)/4, $25172
DATA factor<>+44(SB)/4, $12299
GLOBL factor<>(SB), RODATA|NOPTR, $48

#define c0541 factor<>+0(SB)
#define c1847 factor<>+4(SB)
#define c0765 factor<>+8(SB)
#define c1175 factor<>+12(SB)
#define minus1961 factor<>+16(SB)
#define minus0390 factor<>+20(SB)
#define minus0899 factor<>+24(SB)
#define minus2562 factor<>+28(SB)
#define c0298 factor<>+32(SB)
#define c2053 factor<>+36(SB)
#define c3072 factor<>+40(SB)
#define c1501 factor<>+44(SB)

// What is added before the shifts of the two passes: one half, and the level
// shift of 128 in the second.
DATA bias<>+0(SB)/4, $0x00000400
DATA bias<>+4(SB)/4, $0x02020000
GLOBL bias<>(SB), RODATA|NOPTR, $8

// Transposes 4 x 4 bytes.
DATA turn<>+0(SB)/8, $0x0d0905010c080400
DATA turn<>+8(SB)/8, $0x0f0b07030e0a0602
GLOBL turn<>(SB), RODATA|NOPTR, $16

// TIMES sets out to in by a factor; out may be in.
#define TIMES(k, in, out, tmp) \
	VPBROADCASTD k, tmp; \
	VPMULLD tmp, in, out

// PASS transforms eight columns: coefficients 0 to 7 in Y0 to Y7 become outputs
// 0 to 7 there.
#define PASS(half, shift) \
	VPBROADCASTD half, Y15; \
	VPSLLD $13, Y0, Y0; \
	VPSLLD $13, Y4, Y4; \
	VPADDD Y15, Y0, Y0; \
	VPSUBD Y4, Y0, Y8; /* e1 */ \
	VPADDD Y4, Y0, Y0; /* e0 */ \
	VPADDD Y2, Y6, Y4; \
	TIMES(c0541, Y4, Y4, Y15); /* z */ \
	TIMES(c1847, Y6, Y6, Y14); \
	TIMES(c0765, Y2, Y2, Y13); \
	VPSUBD Y6, Y4, Y6; /* e2 */ \
	VPADDD Y2, Y4, Y2; /* e3 */ \
	VPSUBD Y2, Y0, Y4; /* a3 */ \
	VPADDD Y2, Y0, Y0; /* a0 */ \
	VPSUBD Y6, Y8, Y2; /* a2 */ \
	VPADDD Y6, Y8, Y6; /* a1 */ \
	VPADDD Y7, Y3, Y8; \
	VPADDD Y5, Y1, Y9; \
	VPADDD Y8, Y9, Y10; \
	VPADDD Y7, Y1, Y11; \
	VPADDD Y5, Y3, Y12; \
	TIMES(c1175, Y10, Y10, Y15); /* z5 */ \
	TIMES(minus1961, Y8, Y8, Y14); \
	TIMES(minus0390, Y9, Y9, Y13); \
	TIMES(minus0899, Y11, Y11, Y15); /* z1 */ \
	TIMES(minus2562, Y12, Y12, Y14); /* z2 */ \
	VPADDD Y10, Y8, Y8; /* z3 */ \
	VPADDD Y10, Y9, Y9; /* z4 */ \
	TIMES(c0298, Y7, Y7, Y13); \
	TIMES(c2053, Y5, Y5, Y15); \
	TIMES(c3072, Y3, Y3, Y14); \
	TIMES(c1501, Y1, Y1, Y13); \
	VPADDD Y11, Y8, Y10; \
	VPADDD Y12, Y9, Y13; \
	VPADDD Y12, Y8, Y8; \
	VPADDD Y11, Y9, Y9; \
	VPADDD Y10, Y7, Y7; /* b0 */ \
	VPADDD Y13, Y5, Y5; /* b1 */ \
	VPADDD Y8, Y3, Y3; /* b2 */ \
	VPADDD Y9, Y1, Y1; /* b3 */ \
	VPSUBD Y1, Y0, Y8; \
	VPADDD Y1, Y0, Y0; \
	VPADDD Y3, Y6, Y1; \
	VPSUBD Y3, Y6, Y6; \
	VPSUBD Y5, Y2, Y9; \
	VPADDD Y5, Y2, Y2; \
	VPADDD Y7, Y4, Y3; \
	VPSUBD Y7, Y4, Y4; \
	VPSRAD shift, Y0, Y0; \
	VPSRAD shift, Y1, Y1; \
	VPSRAD shift, Y2, Y2; \
	VPSRAD shift, Y3, Y3; \
	VPSRAD shift, Y4, Y4; \
	VPSRAD shift, Y9, Y5; \
	VPSRAD shift, Y6, Y6; \
	VPSRAD shift, Y8, Y7

// func vectorInverse(dst *byte, at *[64]int32, stride int)
TEXT ·vectorInverse(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ at+8(FP), SI
	MOVQ stride+16(FP), DX
	VMOVDQU 0(SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VMOVDQU 128(SI), Y4
	VMOVDQU 160(SI), Y5
	VMOVDQU 192(SI), Y6
	VMOVDQU 224(SI), Y7
	PASS(bias<>+0(SB), $11)

	// Transpose, so that the rows become columns.
	VPUNPCKLDQ Y1, Y0, Y8
	VPUNPCKHDQ Y1, Y0, Y9
	VPUNPCKLDQ Y3, Y2, Y10
	VPUNPCKHDQ Y3, Y2, Y11
	VPUNPCKLDQ Y5, Y4, Y12
	VPUNPCKHDQ Y5, Y4, Y13
	VPUNPCKLDQ Y7, Y6, Y14
	VPUNPCKHDQ Y7, Y6, Y15
	VPUNPCKLQDQ Y10, Y8, Y4
	VPUNPCKHQDQ Y10, Y8, Y5
	VPUNPCKLQDQ Y11, Y9, Y6
	VPUNPCKHQDQ Y11, Y9, Y7
	VPUNPCKLQDQ Y14, Y12, Y8
	VPUNPCKHQDQ Y14, Y12, Y9
	VPUNPCKLQDQ Y15, Y13, Y10
	VPUNPCKHQDQ Y15, Y13, Y11
	VINSERTI128 $1, X8, Y4, Y0
	VINSERTI128 $1, X9, Y5, Y1
	VINSERTI128 $1, X10, Y6, Y2
	VINSERTI128 $1, X11, Y7, Y3
	VPERM2I128 $0x31, Y8, Y4, Y4
	VPERM2I128 $0x31, Y9, Y5, Y5
	VPERM2I128 $0x31, Y10, Y6, Y6
	VPERM2I128 $0x31, Y11, Y7, Y7
	PASS(bias<>+4(SB), $18)

	// Saturate to bytes: four rows of four columns in each half.
	VBROADCASTI128 turn<>(SB), Y15
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSDW Y5, Y4, Y4
	VPACKSSDW Y7, Y6, Y6
	VPACKUSWB Y2, Y0, Y0
	VPACKUSWB Y6, Y4, Y4
	VPSHUFB Y15, Y0, Y0
	VPSHUFB Y15, Y4, Y4
	VPUNPCKLDQ Y4, Y0, Y1 // rows 0, 1, 4 and 5
	VPUNPCKHDQ Y4, Y0, Y2 // rows 2, 3, 6 and 7
	VEXTRACTI128 $1, Y1, X3
	VEXTRACTI128 $1, Y2, X4
	LEAQ (DX)(DX*2), CX
	LEAQ (DI)(DX*4), BX
	VMOVQ X1, (DI)
	VMOVHPS X1, (DI)(DX*1)
	VMOVQ X2, (DI)(DX*2)
	VMOVHPS X2, (DI)(CX*1)
	VMOVQ X3, (BX)
	VMOVHPS X3, (BX)(DX*1)
	VMOVQ X4, (BX)(DX*2)
	VMOVHPS X4, (BX)(CX*1)

	VPXOR Y0, Y0, Y0
	VMOVDQU Y0, 0(SI)
	VMOVDQU Y0, 32(SI)
	VMOVDQU Y0, 64(SI)
	VMOVDQU Y0, 96(SI)
	VMOVDQU Y0, 128(SI)
	VMOVDQU Y0, 160(SI)
	VMOVDQU Y0, 192(SI)
	VMOVDQU Y0, 224(SI)
	VZEROUPPER
	RET
