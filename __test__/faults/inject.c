// inject: runs a program and makes one of its calls of the system go wrong.
//
//   cc -O2 -o inject inject.c && ./inject --dir /mnt/inbox --kinds write,sync --at 7 --do kill -- hawser receive …
//
// counts, over all threads of the program, its calls of some kinds that touch something in a directory, and when it is
// about to make call number --at does one of these:
//
//   count          nothing; so it does at all other calls
//   kill           ends the program with SIGKILL; the call is not made, or with --after it is
//   EIO, ENOSPC …  the call is not made and fails with that error; with --on so do all later ones
//   short          a write or read is given half of its bytes, a multiple of 4096 where there are as many: a direct write
//                  of another length is refused by the disk
//   power          the ext4 or XFS file system of the directory shuts down as if power failed, nothing being flushed, and
//                  the program is killed; before the call, or with --after behind it
//   power-log      the same, but what the log of the file system holds is on the disk: names may be older than contents
//
// Ends as the program does, with 128 + the signal that ended it if one did. Linux on x86-64 and arm64. Nothing that runs
// inside a program, such as LD_PRELOAD, sees the calls of one that makes them without the C library.
//
// Options: --dir DIR (whose path has no links)  --name END (only what is called something that ends so)
// --kinds KIND,… (all but send)  --at N (1)  --do WHAT (count)  --after  --on  --log FILE (a line for each call counted)
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { WRITE, ALLOC, SYNC, RENAME, MKDIR, UNLINK, CREATE, STAMP, READ, OPEN, SEND, KINDS };
static const char *const kinds[] = {"write",  "alloc", "sync", "rename", "mkdir", "unlink",
                                    "create", "stamp", "read", "open",   "send"};

// Where a call names what it touches: an argument that is a descriptor, one that is a path, or both.
enum { NONE = -1 };
static const struct call { long number; const char *name; enum kind kind; int fd, path; } calls[] = {
#define CALL(name, kind, fd, path) {SYS_##name, #name, kind, fd, path}
    CALL(write, WRITE, 0, NONE), CALL(pwrite64, WRITE, 0, NONE), CALL(writev, WRITE, 0, NONE),
    CALL(pwritev, WRITE, 0, NONE), CALL(pwritev2, WRITE, 0, NONE), CALL(copy_file_range, WRITE, 2, NONE),
    CALL(sendfile, WRITE, 0, NONE), CALL(fallocate, ALLOC, 0, NONE), CALL(ftruncate, ALLOC, 0, NONE),
    CALL(fsync, SYNC, 0, NONE), CALL(fdatasync, SYNC, 0, NONE), CALL(syncfs, SYNC, 0, NONE),
    CALL(sync_file_range, SYNC, 0, NONE), CALL(renameat2, RENAME, 2, 3), CALL(renameat, RENAME, 2, 3),
    CALL(linkat, RENAME, 2, 3), CALL(mkdirat, MKDIR, 0, 1), CALL(unlinkat, UNLINK, 0, 1),
    CALL(symlinkat, CREATE, 1, 2), CALL(openat, OPEN, 0, 1), CALL(openat2, OPEN, 0, 1),
    CALL(fchmod, STAMP, 0, NONE), CALL(fchmodat, STAMP, 0, 1), CALL(fchown, STAMP, 0, NONE),
    CALL(utimensat, STAMP, 0, 1), CALL(fsetxattr, STAMP, 0, NONE), CALL(read, READ, 0, NONE),
    CALL(pread64, READ, 0, NONE), CALL(readv, READ, 0, NONE), CALL(preadv, READ, 0, NONE),
    CALL(preadv2, READ, 0, NONE), CALL(getdents64, READ, 0, NONE), CALL(readlinkat, READ, 0, 1),
    CALL(sendto, SEND, 0, NONE), CALL(sendmsg, SEND, 0, NONE),
#ifdef __x86_64__
    CALL(rename, RENAME, NONE, 1), CALL(link, RENAME, NONE, 1), CALL(mkdir, MKDIR, NONE, 0),
    CALL(unlink, UNLINK, NONE, 0), CALL(rmdir, UNLINK, NONE, 0), CALL(symlink, CREATE, NONE, 1),
    CALL(open, OPEN, NONE, 0), CALL(creat, CREATE, NONE, 0), CALL(chmod, STAMP, NONE, 0),
#endif
};
enum { CALLS = sizeof calls / sizeof *calls };

static const struct { const char *name; int number; } errors[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},        {"EROFS", EROFS},
    {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"ECONNRESET", ECONNRESET}};

static const char *directory = "/", *ending = "", *action = "count";
static unsigned chosen = (1 << KINDS) - 1 - (1 << SEND);
static long at = 1, counted;
static int after, on, failure;
static pid_t child, stopped_after; // the thread whose call has to end before something is done
static FILE *calls_log;

static void must(int failed, const char *what) {
    if (!failed) return;
    perror(what);
    exit(125);
}

static void registers(pid_t thread, int set, struct user_regs_struct *all) {
    struct iovec area = {all, sizeof *all};
    ptrace(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, thread, NT_PRSTATUS, &area);
}

static void set_length(pid_t thread, unsigned long length) {
    struct user_regs_struct all;
    registers(thread, 0, &all);
#ifdef __x86_64__
    all.rdx = length;
#else
    all.regs[2] = length;
#endif
    registers(thread, 1, &all);
}

static void fail(pid_t thread, int error) {
    struct user_regs_struct all;
    registers(thread, 0, &all);
#ifdef __x86_64__
    all.orig_rax = -1;
    all.rax = -error;
#else
    int none = -1;
    struct iovec number = {&none, sizeof none};
    ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &number);
    all.regs[0] = -error;
#endif
    registers(thread, 1, &all);
}

static ssize_t peek(pid_t thread, unsigned long address, void *to, size_t length) {
    struct iovec here = {to, length}, there = {(void *)address, length};
    return process_vm_readv(thread, &here, 1, &there, 1, 0);
}

// Reads a string up to the end of its page at a time: what lies behind may not be there.
static void peek_text(pid_t thread, unsigned long address, char *text, size_t size) {
    for (size_t have = 0; address && have + 1 < size;) {
        size_t step = 4096 - (address + have) % 4096;
        ssize_t got = peek(thread, address + have, text + have, step < size - have - 1 ? step : size - have - 1);
        if (got <= 0) break;
        text[have + got] = 0;
        if (strlen(text) < have + got) return;
        have += got;
    }
}

// What a call touches, by descriptor and path.
static void target_of(pid_t thread, const struct call *call, const uint64_t *args, char *target, size_t size) {
    char name[4096] = "", link[64], start[4096] = "";
    if (call->path != NONE) peek_text(thread, args[call->path], name, sizeof name);
    int fd = call->fd == NONE ? AT_FDCWD : (int)args[call->fd];
    if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", thread);
    else snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, fd);
    if (*name != '/' && readlink(link, start, sizeof start - 1) < 0) *start = 0;
    snprintf(target, size, "%s%s%s", start, *name && *name != '/' ? "/" : "", name);
}

static int is_inside(const char *target) {
    size_t length = strlen(directory);
    return !strncmp(target, directory, length) && (!target[length] || strchr("/ ", target[length]));
}

static int ends(const char *target) {
    size_t length = strlen(target), end = strlen(ending);
    return length >= end && !strcmp(target + length - end, ending);
}

// Whether an opening call may make a file.
static int creates(pid_t thread, const struct call *call, const uint64_t *args) {
    uint64_t flags = args[call->path + 1];
    if (call->number == SYS_openat2 && peek(thread, args[2], &flags, sizeof flags) < 0) return 0;
    return (flags & O_CREAT) != 0;
}

// Halves what is to be written or read. Answers whether it could.
static int shorten(pid_t thread, const struct call *call, const uint64_t *args) {
    unsigned long length = args[2], half = length / 2 >= 4096 ? length / 2 / 4096 * 4096 : length / 2;
    if (call->path != NONE || call->fd != 0 || call->number == SYS_sendmsg || call->number == SYS_getdents64) return 0;
    if ((call->kind != WRITE && call->kind != READ && call->kind != SEND) || half == 0) return 0;
    set_length(thread, half);
    return 1;
}

static void fail_power(void) {
    uint32_t how = strcmp(action, "power-log") ? 2 : 1; // without, or with flushing the log
    int mount = open(directory, O_RDONLY);
    must(mount < 0 || ioctl(mount, _IOR('X', 125, uint32_t), &how), "shutting the file system down");
    close(mount);
}

static void end_child(void) {
    if (!strncmp(action, "power", 5)) fail_power();
    kill(child, SIGKILL);
}

// A thread is about to make one of the calls. Answers how it is to go on.
static int handle(pid_t thread) {
    struct __ptrace_syscall_info info;
    char target[8192];
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0) return PTRACE_CONT;
    const struct call *call = calls;
    while (call->number != (long)info.seccomp.nr) call++;
    const uint64_t *args = (const uint64_t *)info.seccomp.args;
    target_of(thread, call, args, target, sizeof target);

    enum kind kind = call->kind;
    if (kind == WRITE && !strncmp(target, "socket:", 7)) kind = SEND;
    if (kind == OPEN && creates(thread, call, args)) kind = CREATE;
    // The first three descriptors may be sockets, and are no connection.
    int counts = kind == SEND ? args[0] > 2 && !strncmp(target, "socket:", 7) : is_inside(target) && ends(target);
    if (!counts || !(chosen & 1 << kind)) return PTRACE_CONT;

    counted++;
    int now = (on ? counted >= at : counted == at) && strcmp(action, "count");
    if (calls_log) {
        fprintf(calls_log, "%ld %s %s %s%s\n", counted, kinds[kind], call->name, target, now ? " <-" : "");
        fflush(calls_log);
    }
    if (!now) return PTRACE_CONT;
    if (failure) fail(thread, failure);
    else if (!strcmp(action, "short")) shorten(thread, call, args);
    else if (after) return stopped_after = thread, PTRACE_SYSCALL;
    else end_child();
    return PTRACE_CONT;
}

static void choose(char *list) {
    chosen = 0;
    for (char *word = strtok(list, ","); word; word = strtok(0, ",")) {
        int kind = 0;
        while (kind < KINDS && strcmp(word, kinds[kind])) kind++;
        if (kind == KINDS) fprintf(stderr, "inject: unknown kind %s\n", word), exit(125);
        chosen |= 1 << kind;
    }
}

static char **parse(char **argv) {
    for (argv++; *argv && strcmp(*argv, "--"); argv++) {
        const char *option = *argv;
        if (!strcmp(option, "--after")) after = 1;
        else if (!strcmp(option, "--on")) on = 1;
        else if (!argv[1]) break;
        else if (!strcmp(option, "--dir")) directory = *++argv;
        else if (!strcmp(option, "--name")) ending = *++argv;
        else if (!strcmp(option, "--kinds")) choose(*++argv);
        else if (!strcmp(option, "--at")) at = atol(*++argv);
        else if (!strcmp(option, "--do")) action = *++argv;
        else if (!strcmp(option, "--log")) must(!(calls_log = fopen(*++argv, "w")), "the log");
        else fprintf(stderr, "inject: unknown option %s\n", option), exit(125);
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(action, errors[i].name)) failure = errors[i].number;
    const char *known = "count kill short power power-log";
    if (!*argv || !argv[1] || !(failure || strstr(known, action)))
        fprintf(stderr, "inject: what to run, or what to do?\n"), exit(125);
    return argv + 1;
}

// Has the kernel stop this thread, and all that come from it, before each call of the table.
static void filter(void) {
    struct sock_filter code[2 * CALLS + 2];
    int length = 0;
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++) {
        // Only with a socket is a write also of kind send.
        if (!(chosen & 1 << calls[i].kind) && !(calls[i].kind == WRITE && chosen & 1 << SEND) &&
            !(calls[i].kind == OPEN && chosen & 1 << CREATE)) continue;
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
}

static void forward(int signal) { kill(child, signal); }

int main(int argc, char **argv) {
    (void)argc;
    char **command = parse(argv);
    int gate[2], status, result = 0;
    must(pipe2(gate, O_CLOEXEC), "a pipe");
    child = fork();
    must(child < 0, "fork");
    if (!child) {
        // Not before the parent watches: a call that nobody watches would fail.
        char go;
        must(read(gate[0], &go, 1) != 1, "the gate");
        filter();
        execvp(*command, command);
        must(1, *command);
    }
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    must(ptrace(PTRACE_SEIZE, child, 0, options) < 0, "ptrace");
    for (int i = 0; i < 3; i++) signal((int[]){SIGINT, SIGTERM, SIGHUP}[i], forward);
    must(write(gate[1], "!", 1) != 1, "the gate");

    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (thread < 0) continue;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int event = status >> 16, signal = WSTOPSIG(status), how = PTRACE_CONT, give = 0;
        if (event == PTRACE_EVENT_SECCOMP) how = handle(thread);
        else if (event == PTRACE_EVENT_STOP) how = signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN;
        else if (signal == (SIGTRAP | 0x80) && thread == stopped_after) end_child();
        else if (!event) give = signal;
        ptrace(how, thread, 0, give);
    }
    return result;
}
