/* The entry of warder-init: no arguments, no environment, no libc. */
	.section .note.GNU-stack, "", @progbits
	.text
	.globl	_start
#if defined(__x86_64__)
_start:
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	init_main
	hlt
#elif defined(__aarch64__)
_start:
	mov	x29, xzr
	mov	x30, xzr
	bl	init_main
	brk	#0
#endif
#include "../clone.S"
