"""A kernel that lacks something, for one launcher: by a filter over it."""

import ctypes
import os
import struct

SOCKET = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
AF_NETLINK, NETLINK_NETFILTER = 16, 12


def without(number):
    """For preexec_fn: a kernel that answers so to nf_tables' socket.

    tests/vm runs these on kernels that lack the modules.
    """
    if "KERNEL_LACKS_NF_TABLES" in os.environ:
        return None

    def load(at):
        return struct.pack("HBBI", 0x20, 0, 0, at)

    def unless(value, skip):
        return struct.pack("HBBI", 0x15, 0, skip, value)
    code = (load(0) + unless(SOCKET, 5) +
            load(16) + unless(AF_NETLINK, 3) +
            load(32) + unless(NETLINK_NETFILTER, 1) +
            struct.pack("HBBI", 6, 0, 0, 0x50000 | number) +
            struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(code)

    def install():
        program = struct.pack("HxxxxxxQ", len(code) // 8,
                              ctypes.addressof(text))
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if libc.prctl(22, 2, program, 0, 0) == -1:  # PR_SET_SECCOMP
            raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
    return install
