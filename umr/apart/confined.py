"""What is taken from a process that decodes: memory, time, files to write, programs, the network. Not the decoding.

Limits of the system (setrlimit) hold on every Unix, that of memory on Linux alone. On Linux also a filter of system
calls (seccomp, which a process sets on itself and no one takes off): what is denied fails with EACCES. Where the system
has Landlock (Linux 5.13 and later), the process has no look into others either: their memory and environment are files
of /proc. What stays is to read files that this user may read, to compute, and to answer. Windows has none of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from pathlib import Path

if sys.platform != "win32":  # which has no such limits; the clock's is kept by the side that asks
    import resource

_FILES = 16  # descriptors; a file needs one

#: Denied system calls: their numbers on x86_64 and aarch64 (Linux' unistd.h), None where there is no such one.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "io_uring_setup": (425, 425),
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None), "mkdir": (83, None), "mkdirat": (258, 34),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33), "creat": (85, None),
    "truncate": (76, 45), "ftruncate": (77, 46), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "utimensat": (280, 88),
    "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "kcmp": (312, 272),
    # how other processes are run, and where their memory lies
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "setpriority": (141, 140), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    # what outlives a process without being a file: shared memory, queues, semaphores
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgctl": (71, 187),
    "msgrcv": (70, 188), "msgsnd": (69, 189), "semget": (64, 190), "semctl": (66, 191), "semop": (65, 193),
    "semtimedop": (220, 192), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # times and attributes of files, by older and newer calls than those above
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    # the machine's own, where the page is run by root: file systems, clocks, modules
    "fsopen": (430, 430), "fsmount": (432, 432), "fspick": (433, 433), "open_tree": (428, 428),
    "move_mount": (429, 429), "mount_setattr": (442, 442), "pivot_root": (155, 41), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "reboot": (169, 142), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "iopl": (172, None), "ioperm": (173, None),
    "vhangup": (153, 58), "syslog": (103, 116),
}  # fmt: skip
#: Those whose arguments cannot be looked at, with older ones in their place that can: a library takes those instead.
_UNKNOWN = {"clone3": (435, 435), "openat2": (437, 437)}
_OPEN, _OPENAT, _CLONE, _TGKILL, _PRLIMIT = (2, None), (257, 56), (56, 220), (234, 131), (302, 261)
_SELF = 0  # the process of a limit that is this one
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # of Linux' audit.h

_LOAD, _EQUAL, _LEAST, _ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of classic BPF, 32 bits each
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where seccomp_data holds them
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2  # of prctl.h and seccomp.h
_RULES, _RESTRICT = 444, 446  # the system calls of Landlock, by one number on every architecture
_CHANGES = 0x1FF3  # all of Landlock's first rights on files but reading one, and listing a folder
_CAPABILITIES, _READS = 0x20080522, 1 << 2  # of capability.h: its third version, and CAP_DAC_READ_SEARCH


def confine(memory_mb: int) -> bool:
    """Take from this process what decoding does not need; to be called before it has threads.

    Args:
        memory_mb: MiB of address space beyond what it has now, on Linux.

    Returns:
        Whether system calls are filtered.
    """
    if sys.platform == "win32":
        return False
    limits = {"RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": _FILES}
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + memory_mb * 2**20
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, name), (most, most))
    if sys.platform != "linux":
        return False
    _powerless()
    _alone()
    return _filtered()


def allow_seconds(until: float) -> None:
    """Lets this process use the processor until it has used so many seconds in all; the system ends it after that."""
    if sys.platform != "win32":
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = int(until) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _powerless() -> None:
    """Of what root may do, leaves the reading of files; nobody else may do any of it, which is no fault here."""
    header, data = struct.pack("=Ii", _CAPABILITIES, 0), struct.pack("=6I", _READS, _READS, 0, 0, 0, 0)
    ctypes.CDLL(None).capset(header, data)


def _alone() -> bool:
    """Enters a domain of Landlock, from which no process outside of it is read; False where the system has none.

    The right to change files, which it must name, is taken from it wholly: the filter of calls takes it as well.
    """
    system = ctypes.CDLL(None)
    rights = ctypes.c_uint64(_CHANGES)
    rules = system.syscall(_RULES, ctypes.byref(rights), ctypes.c_size_t(ctypes.sizeof(rights)), 0)
    if rules < 0:
        return False
    zero = ctypes.c_ulong(0)
    system.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
    is_in = system.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return is_in


def _filtered() -> bool:
    """Has the system deny calls to this process from now on; False on another architecture, or a system without it."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or sys.byteorder != "little":
        return False
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    told = Program(len(program) // 8, ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    zero = ctypes.c_ulong(0)
    return prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) == 0 and (
        prctl(_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(told), zero, zero) == 0
    )


def _program(machine: str) -> bytes:
    """The filter for this process: one BPF instruction is 8 bytes."""
    place = list(_ARCHITECTURES).index(machine)
    deny, absent = _FAIL | errno.EACCES, _FAIL | errno.ENOSYS
    made = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, deny),
            (_LOAD, 0, 0, _NUMBER), (_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, deny)]  # fmt: skip
    for calls, answer in ((_DENIED, deny), (_UNKNOWN, absent)):
        for numbers in calls.values():
            number = numbers[place]
            if number is not None:
                made += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]
    #: A call whose argument decides -> where the argument stands, the test, and whether what passes it is denied.
    judged = ((_OPEN, 1, _ANY, _WRITING, True), (_OPENAT, 2, _ANY, _WRITING, True),
              (_CLONE, 0, _ANY, _CLONE_THREAD, False), (_TGKILL, 0, _EQUAL, os.getpid(), False),
              (_PRLIMIT, 0, _EQUAL, _SELF, False))  # fmt: skip
    for numbers, argument, test, value, denied in judged:
        number = numbers[place]
        if number is not None:
            found = (deny, _ALLOW) if denied else (_ALLOW, deny)
            made += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (test, 0, 1, value),
                     (_RETURN, 0, 0, found[0]), (_RETURN, 0, 0, found[1])]  # fmt: skip
    made.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *one) for one in made)
