/*
 * long sys_clone(const struct clone_args *args, size_t size,
 *                int (*fn)(void *), void *arg)
 *
 * clone3(2) with a stack of its own for the child; a C function cannot
 * return on a stack that it was not called on, so the child never returns.
 */
	.section .note.GNU-stack, "", @progbits
	.text
	.globl	sys_clone
	.type	sys_clone, @function
#if defined(__x86_64__)
sys_clone:
#ifdef __CET__
	endbr64
#endif
	mov	%rdx, %r8		/* fn */
	mov	%rcx, %r9		/* arg */
	mov	$435, %eax		/* clone3(args, size) */
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	mov	%r9, %rdi
	call	*%r8
	mov	%eax, %edi
	mov	$231, %eax		/* exit_group */
	syscall
	hlt
#elif defined(__aarch64__)
sys_clone:
	mov	x9, x2
	mov	x10, x3
	mov	x8, #435
	svc	#0
	cbz	x0, 1f
	ret
1:	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x10
	blr	x9
	mov	x8, #94
	svc	#0
	brk	#0
#endif
	.size	sys_clone, . - sys_clone

/*
 * long sys_clone_plain(unsigned long flags, void *stack_end,
 *                      int (*fn)(void *), void *arg)
 *
 * The same by clone(2), whose flags a filter can see.  Its other arguments
 * are not looked at without their flags, so fn and arg stay where they are.
 */
	.globl	sys_clone_plain
	.type	sys_clone_plain, @function
#if defined(__x86_64__)
sys_clone_plain:
#ifdef __CET__
	endbr64
#endif
	mov	%rdx, %r8		/* fn */
	mov	%rcx, %r9		/* arg */
	mov	$56, %eax		/* clone(flags, stack) */
	syscall
	test	%rax, %rax
	jz	1b
	ret
#elif defined(__aarch64__)
sys_clone_plain:
	mov	x9, x2
	mov	x10, x3
	mov	x8, #220
	svc	#0
	cbz	x0, 1b
	ret
#endif
	.size	sys_clone_plain, . - sys_clone_plain
