#include "textflag.h"

// Which bytes of four RGB pixels go to the two halves of a register: pixels 0
// and 1, then pixels 2 and 3, every sample in 32 bits.
DATA spread<>+0(SB)/8, $0x8080800180808000
DATA spread<>+8(SB)/8, $0x8080808080808002
DATA spread<>+16(SB)/8, $0x8080800480808003
DATA spread<>+24(SB)/8, $0x8080808080808005
DATA spread<>+32(SB)/8, $0x8080800780808006
DATA spread<>+40(SB)/8, $0x8080808080808008
DATA spread<>+48(SB)/8, $0x8080800a80808009
DATA spread<>+56(SB)/8, $0x808080808080800b
GLOBL spread<>(SB), RODATA|NOPTR, $64

// Which of four weights go with them.
DATA repeat<>+0(SB)/8, $0x0000000000000000
DATA repeat<>+8(SB)/8, $0x0000000000000000
DATA repeat<>+16(SB)/8, $0x0000000100000001
DATA repeat<>+24(SB)/8, $0x0000000100000001
DATA repeat<>+32(SB)/8, $0x0000000200000002
DATA repeat<>+40(SB)/8, $0x0000000200000002
DATA repeat<>+48(SB)/8, $0x0000000300000003
DATA repeat<>+56(SB)/8, $0x0000000300000003
GLOBL repeat<>(SB), RODATA|NOPTR, $64

// The order in which packing leaves groups of four bytes.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// One half in fixed point with 22 bits of fraction.
DATA rounding<>+0(SB)/4, $0x00200000
GLOBL rounding<>(SB), RODATA|NOPTR, $4

// func vectorRow(dst, src *byte, first, weight *int32, taps, n int)
TEXT ·vectorRow(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ first+16(FP), R8
	MOVQ weight+24(FP), R9
	MOVQ taps+32(FP), R10
	MOVQ n+40(FP), R11
	VMOVDQU spread<>+0(SB), Y12
	VMOVDQU spread<>+32(SB), Y13
	VMOVDQU repeat<>+0(SB), Y14
	VMOVDQU repeat<>+32(SB), Y15
	VPBROADCASTD rounding<>(SB), X11
output:
	MOVLQSX (R8), AX
	ADDQ SI, AX
	MOVQ R10, CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
taps:
	VBROADCASTI128 (AX), Y2
	VBROADCASTI128 (R9), Y3
	VPSHUFB Y12, Y2, Y4
	VPSHUFB Y13, Y2, Y5
	VPERMD Y3, Y14, Y6
	VPERMD Y3, Y15, Y7
	VPMULLD Y4, Y6, Y6
	VPMULLD Y5, Y7, Y7
	VPADDD Y6, Y0, Y0
	VPADDD Y7, Y1, Y1
	ADDQ $12, AX
	ADDQ $16, R9
	SUBQ $4, CX
	JNZ taps
	VPADDD Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD X1, X0, X0
	VPADDD X11, X0, X0
	VPSRAD $22, X0, X0
	VPACKSSDW X0, X0, X0
	VPACKUSWB X0, X0, X0
	VMOVD X0, AX
	MOVW AX, (DI)
	SHRL $16, AX
	MOVB AX, 2(DI)
	ADDQ $3, DI
	ADDQ $4, R8
	DECQ R11
	JNZ output
	VZEROUPPER
	RET

// func vectorColumns(dst, src *byte, weight *int32, taps, stride, n int)
TEXT ·vectorColumns(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ weight+16(FP), R9
	MOVQ taps+24(FP), R10
	MOVQ stride+32(FP), R8
	MOVQ n+40(FP), R11
	VPBROADCASTD rounding<>(SB), Y11
	VMOVDQU order<>(SB), Y12
block:
	VMOVDQA Y11, Y0
	VMOVDQA Y11, Y1
	VMOVDQA Y11, Y2
	VMOVDQA Y11, Y3
	MOVQ SI, AX
	XORQ CX, CX
row:
	VPBROADCASTD (R9)(CX*4), Y8
	VPMOVZXBD (AX), Y4
	VPMOVZXBD 8(AX), Y5
	VPMOVZXBD 16(AX), Y6
	VPMOVZXBD 24(AX), Y7
	VPMULLD Y8, Y4, Y4
	VPMULLD Y8, Y5, Y5
	VPMULLD Y8, Y6, Y6
	VPMULLD Y8, Y7, Y7
	VPADDD Y4, Y0, Y0
	VPADDD Y5, Y1, Y1
	VPADDD Y6, Y2, Y2
	VPADDD Y7, Y3, Y3
	ADDQ R8, AX
	INCQ CX
	CMPQ CX, R10
	JLT row
	VPSRAD $22, Y0, Y0
	VPSRAD $22, Y1, Y1
	VPSRAD $22, Y2, Y2
	VPSRAD $22, Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKUSWB Y2, Y0, Y0
	VPERMD Y0, Y12, Y0
	VMOVDQU Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $32, R11
	JNZ block
	VZEROUPPER
	RET

// func vectorPick(dst, src *byte, at *int32, n int)
TEXT ·vectorPick(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ at+16(FP), R8
	MOVQ n+24(FP), R11
	LEAQ (R8)(R11*4), R9
pixel:
	MOVLQSX (R8), AX
	MOVL (SI)(AX*1), DX
	MOVL DX, (DI)
	ADDQ $3, DI
	ADDQ $4, R8
	CMPQ R8, R9
	JNE pixel
	RET
