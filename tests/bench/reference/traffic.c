/*
 * The load of the relay's benchmark: WireGuard transport packets of many senders out of one process, and a sink for
 * all of their receivers. Each packet carries its receiver index, a counter and the time it was sent; the rest is
 * filling, since neither relay nor sink can or need decrypt.
 *
 *   traffic generate FLOWS TARGET TARGET_PORT SOURCE_PORT BYTES BURST SECONDS PACKETS_PER_SECOND
 *     FLOWS: a file of records, source address (4 bytes, network order) and receiver index (4 bytes, little-endian).
 *     BURST: packets of one flow in one GSO message; 1 for a message each. PACKETS_PER_SECOND: 0 for all it can.
 *   traffic sink PORT WARMUP_SECONDS SECONDS
 *     Says "ready", "begin" and "end", then one line of JSON.
 *   traffic flood TARGET TARGET_PORT SOURCE_PORT SECONDS PACKETS_PER_SECOND
 *     Forged Binds, handshakes, transport packets and random bytes, in turn, from 65,536 addresses.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define SLOTS 64
#define SLOT_BYTES (65536 + 320)
#define BUFFER_BYTES (8 << 20)
#define HEADER_BYTES 24
/* Latencies in 64 steps per doubling, from 1 ns to 2^40 ns. */
#define STEPS 64
#define BUCKETS (40 * STEPS)

struct flow {
  uint32_t source;
  uint32_t index;
  uint64_t counter;
};

static struct mmsghdr messages[SLOTS];
static struct iovec iovecs[SLOTS];
static struct sockaddr_in names[SLOTS];
static char controls[SLOTS][CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))];
static char *memory;
static uint64_t latencies[BUCKETS];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

static int open_socket(uint16_t port, int gro) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, bytes = BUFFER_BYTES;
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (gro) setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&self, sizeof self) != 0) perror("bind"), exit(1);
  return fd;
}

static void add_control(struct msghdr *header, struct cmsghdr **at, int level, int type, const void *data, int length) {
  struct cmsghdr *c = *at == NULL ? CMSG_FIRSTHDR(header) : CMSG_NXTHDR(header, *at);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(length);
  memcpy(CMSG_DATA(c), data, length);
  *at = c;
}

/* A message to the target with its source address to be filled in; `segment`: of GSO, or 0. */
static void prepare(int i, const struct sockaddr_in *target, int bytes, uint16_t segment) {
  iovecs[i] = (struct iovec){memory + (size_t)i * SLOT_BYTES, bytes};
  names[i] = *target;
  struct msghdr *header = &messages[i].msg_hdr;
  *header = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &iovecs[i]};
  header->msg_iovlen = 1;
  header->msg_control = controls[i];
  header->msg_controllen = sizeof controls[i];
  memset(controls[i], 0, sizeof controls[i]);
  struct cmsghdr *at = NULL;
  struct in_pktinfo info = {0};
  add_control(header, &at, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  if (segment > 0) add_control(header, &at, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
  header->msg_controllen = CMSG_SPACE(sizeof info) + (segment > 0 ? CMSG_SPACE(sizeof segment) : 0);
}

static void set_source(int i, uint32_t source) {
  struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&messages[i].msg_hdr));
  info->ipi_spec_dst.s_addr = source;
}

/* Waits until `sent` packets are due; returns at once when there is no rate. */
static void pace(uint64_t began, uint64_t sent, double rate) {
  if (rate <= 0) return;
  uint64_t due = began + (uint64_t)(sent * 1e9 / rate), now = now_ns();
  if (due <= now) return;
  struct timespec t = {(due - now) / 1000000000u, (due - now) % 1000000000u};
  nanosleep(&t, NULL);
}

static int generate(char **argv) {
  FILE *file = fopen(argv[0], "rb");
  if (file == NULL) return perror(argv[0]), 1;
  int flows_max = 1 << 20, flows = 0;
  struct flow *all = calloc(flows_max, sizeof *all);
  while (flows < flows_max && fread(&all[flows], 8, 1, file) == 1) flows++;
  fclose(file);
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &target.sin_addr);
  int fd = open_socket(atoi(argv[3]), 0);
  int bytes = atoi(argv[4]), burst = atoi(argv[5]);
  uint64_t duration = atof(argv[6]) * 1e9;
  double rate = atof(argv[7]);
  /* Paced, a few at a time, so that latency is that of the forwarder and not of the generator's own batches. */
  int slots = burst > 1 ? (rate > 0 ? 1 : 8) : (rate > 0 ? 4 : SLOTS);
  for (int i = 0; i < slots; i++) prepare(i, &target, bytes * burst, burst > 1 ? bytes : 0);
  uint64_t began = now_ns(), sent = 0;
  int flow = 0;
  for (uint64_t now = began; now - began < duration; now = now_ns()) {
    for (int i = 0; i < slots; i++) {
      struct flow *f = &all[flow];
      if (++flow == flows) flow = 0;
      set_source(i, f->source);
      for (int k = 0; k < burst; k++) {
        char *packet = memory + (size_t)i * SLOT_BYTES + (size_t)k * bytes;
        uint32_t type = 4;
        memcpy(packet, &type, 4);
        memcpy(packet + 4, &f->index, 4);
        memcpy(packet + 8, &f->counter, 8);
        memcpy(packet + 16, &now, 8);
        f->counter++;
      }
    }
    int n = sendmmsg(fd, messages, slots, 0);
    if (n > 0) sent += (uint64_t)n * burst;
    pace(began, sent, rate);
  }
  printf("{\"sent\":%lu,\"seconds\":%.6f}\n", sent, (now_ns() - began) / 1e9);
  return 0;
}

static int bucket_of(uint64_t ns) {
  if (ns < 1) ns = 1;
  int log = 63 - __builtin_clzll(ns);
  int step = log >= 6 ? (int)((ns >> (log - 6)) & (STEPS - 1)) : 0;
  int bucket = log * STEPS + step;
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double percentile_us(uint64_t total, double share) {
  uint64_t wanted = total * share, seen = 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += latencies[i];
    if (seen > wanted) return (double)(1ull << (i / STEPS)) * (1 + (i % STEPS) / (double)STEPS) / 1000;
  }
  return 0;
}

static int sink(char **argv) {
  int fd = open_socket(atoi(argv[0]), 1);
  uint64_t warmup = atof(argv[1]) * 1e9, duration = atof(argv[2]) * 1e9;
  for (int i = 0; i < SLOTS; i++) {
    iovecs[i] = (struct iovec){memory + (size_t)i * SLOT_BYTES, SLOT_BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovecs[i], .msg_iovlen = 1, .msg_control = controls[i]};
  }
  printf("ready\n");
  fflush(stdout);
  uint64_t first = 0, began = 0, packets = 0, bytes = 0, measured = 0, foreign = 0;
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  for (;;) {
    for (int i = 0; i < SLOTS; i++) messages[i].msg_hdr.msg_controllen = sizeof controls[i];
    int n = recvmmsg(fd, messages, SLOTS, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    if (first == 0 && n > 0) first = now;
    if (began == 0 && first != 0 && now - first >= warmup) {
      began = now;
      printf("begin\n");
      fflush(stdout);
    }
    if (began != 0 && now - began >= duration) {
      duration = now - began;
      break;
    }
    if (n <= 0) {
      if (poll(&wait, 1, 2000) == 0) {
        if (began != 0) duration = now_ns() - began;
        break;
      }
      continue;
    }
    for (int i = 0; i < n; i++) {
      int length = messages[i].msg_len, segment = length;
      struct cmsghdr *c = CMSG_FIRSTHDR(&messages[i].msg_hdr);
      if (c != NULL && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), 4);
      for (int at = 0; at < length; at += segment) {
        const char *packet = memory + (size_t)i * SLOT_BYTES + at;
        if (length - at < HEADER_BYTES || packet[0] != 4) {
          foreign++;
          continue;
        }
        if (began == 0) continue;
        packets++;
        bytes += length - at < segment ? length - at : segment;
        uint64_t sent;
        memcpy(&sent, packet + 16, 8);
        latencies[bucket_of(now - sent)]++;
        measured++;
      }
    }
  }
  printf("end\n{\"packets\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"foreign\":%lu}\n", packets,
         bytes, began == 0 ? 0 : duration / 1e9, percentile_us(measured, 0.5), percentile_us(measured, 0.99), foreign);
  return 0;
}

static int flood(char **argv) {
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  inet_pton(AF_INET, argv[0], &target.sin_addr);
  int fd = open_socket(atoi(argv[2]), 0);
  uint64_t duration = atof(argv[3]) * 1e9, began = now_ns(), sent = 0;
  double rate = atof(argv[4]);
  static const unsigned char types[] = {0xb1, 1, 4, 2, 0xb3, 0xb5, 0, 0xff};
  static const int lengths[] = {196, 148, 200, 92, 100, 300, 64, 700};
  for (int i = 0; i < SLOTS; i++) prepare(i, &target, lengths[i % 8], 0);
  while (now_ns() - began < duration) {
    for (int i = 0; i < SLOTS; i++) {
      uint64_t *words = (uint64_t *)(memory + (size_t)i * SLOT_BYTES);
      for (int k = 0; k < lengths[i % 8] / 8 + 1; k++) words[k] = next_random();
      unsigned char *head = (unsigned char *)words;
      head[0] = types[i % 8];
      head[1] = head[0] == 0xb1 ? 1 : 0;
      head[2] = head[3] = 0;
      set_source(i, htonl(0x7f030000u | (next_random() & 0xffff)));
    }
    int n = sendmmsg(fd, messages, SLOTS, 0);
    if (n > 0) sent += n;
    pace(began, sent, rate);
  }
  printf("{\"sent\":%lu}\n", sent);
  return 0;
}

int main(int argc, char **argv) {
  memory = calloc(SLOTS, SLOT_BYTES);
  if (argc == 10 && strcmp(argv[1], "generate") == 0) return generate(argv + 2);
  if (argc == 5 && strcmp(argv[1], "sink") == 0) return sink(argv + 2);
  if (argc == 7 && strcmp(argv[1], "flood") == 0) return flood(argv + 2);
  fprintf(stderr, "usage: traffic generate|sink|flood ...\n");
  return 2;
}
