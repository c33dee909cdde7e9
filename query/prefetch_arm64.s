#include "textflag.h"

// func prefetch(p *byte, steps int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD steps+8(FP), R1

next:
	CMP  $0, R1
	BLE  done
	PRFM (R0), PLDL1KEEP
	ADD  $512, R0
	SUB  $1, R1
	B    next

done:
	RET
