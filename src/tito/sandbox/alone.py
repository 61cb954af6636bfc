"""Alone: from now on this process starts no other, touches no other, has no network, and reads what is its own.

For an entry of a competition, whose time and memory are measured and compared with another's. Two layers of Linux's:
Landlock for files, seccomp for system calls (x86-64 and ARM); see man 7 landlock, man 2 seccomp. What a system does not
have is left out, and `confine` says what there is. The standard library only: this file is copied into the job.
"""

import os
import struct
import sys

CREATE, ADD, RESTRICT = 444, 445, 446  # Landlock's system calls
READING = 1 << 0 | 1 << 2 | 1 << 3  # run a file, read one, list a folder
SECCOMP_SET, FILTER, ALL_THREADS = 1, 1, 1
NO_NEW_PRIVS = 38
CAPABILITIES = 0x20080522  # the version of capset(2)
THREAD = 0x10000  # CLONE_THREAD: what is begun is a thread of this process

# What reaches another process, or the network. Where it may be done to oneself, the first argument says to whom.
CALLS = {
    "x86_64": {
        "architecture": 0xC000003E, "clone": 56, "clone3": 435,
        "to_oneself": {"tgkill": 234, "prlimit64": 302},
        "never": {
            "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200, "rt_sigqueueinfo": 129,
            "rt_tgsigqueueinfo": 297, "pidfd_open": 434, "pidfd_send_signal": 424, "ptrace": 101,
            "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440, "setpriority": 141,
            "sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203, "sched_setattr": 314,
            "ioprio_set": 251, "socket": 41, "unshare": 272, "setns": 308, "io_uring_setup": 425, "bpf": 321,
            "perf_event_open": 298, "shmget": 29, "memfd_create": 319,
        },
    },
    "aarch64": {
        "architecture": 0xC00000B7, "clone": 220, "clone3": 435,
        "to_oneself": {"tgkill": 131, "prlimit64": 261},
        "never": {
            "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
            "pidfd_open": 434, "pidfd_send_signal": 424, "ptrace": 117, "process_vm_readv": 270,
            "process_vm_writev": 271, "process_madvise": 440, "setpriority": 140, "sched_setparam": 118,
            "sched_setscheduler": 119, "sched_setaffinity": 122, "sched_setattr": 274, "ioprio_set": 30, "socket": 198,
            "unshare": 97, "setns": 268, "io_uring_setup": 425, "bpf": 280, "perf_event_open": 241, "shmget": 194,
            "memfd_create": 279,
        },
    },
}  # fmt: skip


def confine(job: str, site: str) -> list[str]:
    """Confine this process and all its threads; returns what the system could do: "files", "processes"."""
    return [name for name, done in (("files", reads_own(job, site)), ("processes", one_process())) if done]


def reads_own(job: str, site: str) -> bool:
    """From now on read the job's folder, Python, NumPy, the system's libraries and what the system tells of itself."""
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None)
    rules = struct.pack("Q", READING)
    ruleset = libc.syscall(CREATE, rules, len(rules), 0)
    if ruleset < 0:
        return False
    own = [job, os.path.dirname(os.__file__), *(os.path.join(site, name) for name in ("numpy", "numpy.libs"))]
    system = ["/lib", "/lib64", "/usr/lib", "/proc", "/sys", "/dev", "/etc/ld.so.cache"]
    failed = False
    for path in filter(os.path.exists, own + system):
        place = os.open(path, os.O_PATH)
        rights = READING if os.path.isdir(path) else READING & ~(1 << 3)
        failed |= libc.syscall(ADD, ruleset, 1, struct.pack("=Qi", rights, place), 0) != 0
        os.close(place)
    failed = failed or libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(RESTRICT, ruleset, 0) != 0
    os.close(ruleset)
    return not failed


def one_process() -> bool:
    """From now on every system call that reaches beyond this process is refused."""
    known = CALLS.get(os.uname().machine) if sys.platform == "linux" else None
    if known is None:
        return False
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    libc = ctypes.CDLL(None)
    libc.capset(struct.pack("=Ii", CAPABILITIES, 0), bytes(24))  # root's privileges end here, too
    code = ctypes.create_string_buffer(program(known, os.getpid()))
    given = Program(len(code) // 8, ctypes.addressof(code))
    seccomp = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return libc.syscall(seccomp, FILTER, ALL_THREADS, ctypes.byref(given)) == 0


def program(known: dict, pid: int) -> bytes:
    """The filter as the kernel runs it: eight bytes an instruction (operation, jump if so, jump if not, number)."""
    load, equal, above, has, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM; ENOSYS, after which glibc uses clone
    number, architecture, first = 0, 4, 16  # where they stand
    code = [
        (load, 0, 0, architecture),
        (equal, 1, 0, known["architecture"]),
        (answer, 0, 0, refuse),
        (load, 0, 0, number),
    ]
    code += [(above, 0, 1, 0x40000000), (answer, 0, 0, refuse)]  # another numbering of x86-64's
    for call in known["never"].values():
        code += [(equal, 0, 1, call), (answer, 0, 0, refuse)]
    code += [(equal, 0, 1, known["clone3"]), (answer, 0, 0, unknown)]
    code += [(equal, 0, 4, known["clone"]), (load, 0, 0, first), (has, 1, 0, THREAD), (answer, 0, 0, refuse)]
    code += [(answer, 0, 0, allow)]
    for call in known["to_oneself"].values():
        code += [(equal, 0, 5, call), (load, 0, 0, first), (equal, 1, 0, 0), (equal, 0, 1, pid)]
        code += [(answer, 0, 0, allow), (answer, 0, 0, refuse)]
    code += [(answer, 0, 0, allow)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
