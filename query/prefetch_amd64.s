#include "textflag.h"

// func prefetch(p *byte, steps int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ steps+8(FP), CX

next:
	TESTQ CX, CX
	JLE   done
	PREFETCHT0 (AX)
	ADDQ $512, AX
	DECQ CX
	JMP  next

done:
	RET
