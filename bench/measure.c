// measure: runs a command, and tells what it and all its descendants used.
//
//   measure COMMAND [ARGUMENT...]
//
// Ends with the command's exit code, once the last descendant is gone, and writes one line to file descriptor 3: CPU
// time in microseconds, user and system; the peak of the memory of the largest process in KiB; the peak of the sum of
// all processes in KiB.
//
// As a "subreaper" it becomes the parent of every orphan below it, so nothing escapes its accounts, and nothing its
// end: SIGINT and SIGTERM go to the command's process group, and whatever still runs five seconds later is killed. It
// gets SIGTERM itself when its own parent dies.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int report = 3;
static const double grace_s = 5;
static const long sample_ns = 50 * 1000 * 1000;

static long cpu_us, largest_kb, sum_kb;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static long resident_kb(int pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0; // it has just ended
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// Calls act for each child of a process; children of threads other than the first are left out.
static long for_children(int pid, long (*act)(int)) {
    char path[64];
    int child;
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fscanf(file, "%d", &child) == 1) sum += act(child);
    fclose(file);
    return sum;
}

static long tree_kb(int pid) { return resident_kb(pid) + for_children(pid, tree_kb); }

static long kill_one(int pid) { return kill(pid, SIGKILL); }

static void sample(void) {
    long kb = for_children(getpid(), tree_kb);
    if (kb > sum_kb) sum_kb = kb;
}

// Takes in every child that has ended; the usage of each holds that of the descendants it waited for itself.
// Returns whether children are left.
static int reap(int command, int *command_status) {
    struct rusage used;
    int status, pid;
    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
        cpu_us += (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L;
        cpu_us += used.ru_utime.tv_usec + used.ru_stime.tv_usec;
        if (used.ru_maxrss > largest_kb) largest_kb = used.ru_maxrss;
        if (pid == command) *command_status = status;
    }
    return pid == 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    sigset_t handled, before;
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGTERM);
    sigprocmask(SIG_BLOCK, &handled, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fcntl(report, F_SETFD, FD_CLOEXEC);

    int command = fork();
    if (command < 0) return 1;
    if (command == 0) {
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &before, 0);
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    int status = -1;
    double killing_at = 0;
    while (reap(command, &status)) {
        // What the command leaves behind gets the same time to end by itself.
        if (status != -1 && !killing_at) killing_at = now_s() + grace_s;
        if (killing_at && now_s() > killing_at) for_children(getpid(), kill_one);
        sample();
        int got = sigtimedwait(&handled, 0, &(struct timespec){.tv_nsec = sample_ns});
        if (got == SIGINT || got == SIGTERM) {
            if (status == -1) kill(-command, got);
            killing_at = now_s() + grace_s;
        }
    }
    dprintf(report, "%ld %ld %ld\n", cpu_us, largest_kb, sum_kb);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
