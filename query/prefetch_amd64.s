#include "textflag.h"

// func prefetch(p *byte, lines int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ lines+8(FP), CX

next:
	TESTQ CX, CX
	JLE   done
	PREFETCHT0 (AX)
	ADDQ $64, AX
	DECQ CX
	JMP  next

done:
	RET
