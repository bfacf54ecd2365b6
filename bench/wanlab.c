// wanlab: two hosts on one Linux machine, joined by a long, thin or lossy line.
//
//   cc -O2 -pthread -o wanlab wanlab.c && ./wanlab --rtt 100 --rate 1000 --loss 0.1
//
// makes the network namespaces wan-a (10.77.0.1) and wan-b (10.77.0.2), each with one TUN device, and carries every
// packet between them in this process: with a one-way delay of rtt/2, a bottleneck rate, a drop-tail queue at that
// bottleneck and independent random loss, the same in both directions. Prints "ready" and runs until SIGINT or SIGTERM,
// then removes both namespaces and prints what it carried. Needs root and iproute2. Use:
//
//   ip netns exec wan-a SERVER ... &   ip netns exec wan-b CLIENT 10.77.0.1 ...
//
// It copies each packet twice and tops out near 1 Gbit/s.
//
// Options: --rtt MS (0)  --rate MBIT (0: unlimited)  --loss PERCENT (0)  --queue KB (0: one bandwidth-delay product,
// 256 KB at least)  --mtu BYTES (1500)  --name PREFIX (wan)  --seed N (1)
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKETS = 1 << 18 }; // in flight, each way

static double rtt_ms, rate_mbit, loss_percent;
static long queue_kb, mtu = 1500, seed = 1;
static const char *name = "wan";
static const char *const sides[] = {"a", "b"}, *const addresses[] = {"10.77.0.1", "10.77.0.2"};
static atomic_int stopping;

struct packet { uint64_t due_ns; uint32_t length; unsigned char *bytes; };

// One direction: a reader stamps packets with the time they are due, a writer delivers them then.
struct line {
    int from, to;
    struct packet *ring;
    size_t head, tail;     // tail - head packets are in flight
    uint64_t free_at_ns;   // when the bottleneck will have sent its last queued packet
    uint64_t random, carried, carried_bytes, lost, overflowed;
    pthread_mutex_t lock;
    pthread_cond_t more;
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...) {
    char command[256];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static void must(int failed, const char *what) {
    if (!failed) return;
    perror(what);
    exit(1);
}

static double chance(struct line *line) { // xorshift64*
    line->random ^= line->random >> 12;
    line->random ^= line->random << 25;
    line->random ^= line->random >> 27;
    return (line->random * 2685821657736338717ull >> 11) * (1.0 / 9007199254740992.0);
}

// When a packet that has just come is due at the other side, or 0 when it never gets there.
static uint64_t due(struct line *line, size_t length) {
    uint64_t now = now_ns(), delay_ns = rtt_ms / 2 * 1e6;
    if (loss_percent > 0 && chance(line) * 100 < loss_percent) {
        line->lost++;
        return 0;
    }
    if (rate_mbit <= 0) return now + delay_ns;
    double ns_per_byte = 8000 / rate_mbit;
    if (line->free_at_ns < now) line->free_at_ns = now;
    if (line->free_at_ns - now > ns_per_byte * queue_kb * 1024) {
        line->overflowed++;
        return 0;
    }
    line->free_at_ns += ns_per_byte * length;
    return line->free_at_ns + delay_ns;
}

static void *reader(void *arg) {
    struct line *line = arg;
    unsigned char *bytes = malloc(mtu);
    while (!stopping) {
        struct pollfd readable = {.fd = line->from, .events = POLLIN};
        if (poll(&readable, 1, 200) <= 0) continue;
        ssize_t length = read(line->from, bytes, mtu);
        uint64_t due_ns = length > 0 ? due(line, length) : 0;
        if (!due_ns) continue;
        pthread_mutex_lock(&line->lock);
        if (line->tail - line->head < PACKETS) {
            line->ring[line->tail++ % PACKETS] = (struct packet){due_ns, length, bytes};
            pthread_cond_signal(&line->more);
            bytes = malloc(mtu);
        } else {
            line->overflowed++;
        }
        pthread_mutex_unlock(&line->lock);
    }
    free(bytes);
    return 0;
}

static void *writer(void *arg) {
    struct line *line = arg;
    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        pthread_mutex_lock(&line->lock);
        while (line->head == line->tail && !stopping) pthread_cond_wait(&line->more, &line->lock);
        struct packet packet = line->ring[line->head++ % PACKETS];
        pthread_mutex_unlock(&line->lock);
        if (stopping) return 0;
        struct timespec t = {packet.due_ns / 1000000000ull, packet.due_ns % 1000000000ull};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
        if (write(line->to, packet.bytes, packet.length) == (ssize_t)packet.length) {
            line->carried++;
            line->carried_bytes += packet.length;
        }
        free(packet.bytes);
    }
}

// Opens the device of one side, inside its namespace.
static int open_tun(const char *side) {
    char path[128];
    int here = open("/proc/self/ns/net", O_RDONLY);
    snprintf(path, sizeof path, "/run/netns/%s-%s", name, side);
    int there = open(path, O_RDONLY);
    must(there < 0 || setns(there, CLONE_NEWNET), path);
    int fd = open("/dev/net/tun", O_RDWR);
    struct ifreq request = {.ifr_name = "line", .ifr_flags = IFF_TUN | IFF_NO_PI};
    must(fd < 0 || ioctl(fd, TUNSETIFF, &request), "/dev/net/tun");
    must(setns(here, CLONE_NEWNET), "the namespace it started in");
    close(there);
    close(here);
    return fd;
}

static void remove_side(const char *side) {
    if (shell("ip netns del %s-%s 2>/dev/null", name, side)) { /* there was none */ }
}

static int add_side(int index) {
    const char *side = sides[index];
    remove_side(side);
    must(shell("ip netns add %s-%s", name, side), "ip");
    int fd = open_tun(side);
    must(shell("ip -n %s-%s addr add %s/24 dev line", name, side, addresses[index]), "ip");
    must(shell("ip -n %s-%s link set line mtu %ld txqueuelen 10000 up", name, side, mtu), "ip");
    must(shell("ip -n %s-%s link set lo up", name, side), "ip");
    return fd;
}

static void parse(int argc, char **argv) {
    for (int i = 1; i < argc; i += 2) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(option, "--rtt")) rtt_ms = atof(value);
        else if (!strcmp(option, "--rate")) rate_mbit = atof(value);
        else if (!strcmp(option, "--loss")) loss_percent = atof(value);
        else if (!strcmp(option, "--queue")) queue_kb = atol(value);
        else if (!strcmp(option, "--mtu")) mtu = atol(value);
        else if (!strcmp(option, "--name")) name = value;
        else if (!strcmp(option, "--seed")) seed = atol(value);
        else { fprintf(stderr, "wanlab: unknown option %s\n", option); exit(2); }
    }
    if (!queue_kb) queue_kb = rate_mbit * rtt_ms / 8; // Mbit/s x ms / 8 = KB
    if (queue_kb < 256) queue_kb = 256;
}

int main(int argc, char **argv) {
    parse(argc, argv);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, 0);

    int fds[] = {add_side(0), add_side(1)};
    static struct line lines[2];
    pthread_t threads[4];
    for (int i = 0; i < 2; i++) {
        lines[i] = (struct line){.from = fds[i], .to = fds[1 - i], .ring = malloc(PACKETS * sizeof(struct packet)),
                                 .random = 0x9e3779b97f4a7c15ull * (seed * 2 + i + 1),
                                 .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
        pthread_create(&threads[2 * i], 0, reader, &lines[i]);
        pthread_create(&threads[2 * i + 1], 0, writer, &lines[i]);
    }
    puts("ready");
    fflush(stdout);
    sigwaitinfo(&ends, 0);
    stopping = 1;
    for (int i = 0; i < 2; i++) {
        pthread_mutex_lock(&lines[i].lock);
        pthread_cond_signal(&lines[i].more);
        pthread_mutex_unlock(&lines[i].lock);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    for (int i = 0; i < 2; i++) {
        printf("%s->%s: %lu packets, %.1f MB, %lu lost, %lu dropped at the queue\n", sides[i], sides[1 - i],
               lines[i].carried, lines[i].carried_bytes / 1e6, lines[i].lost, lines[i].overflowed);
        remove_side(sides[i]);
    }
    return 0;
}
