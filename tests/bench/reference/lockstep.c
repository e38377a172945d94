/*
 * Pass by pass: fills a forwarder's receive buffer, lets it make its passes, empties the sink. The relay's passes are its
 * own process's to make and to time; this one makes and times those of the reference.
 *
 *   lockstep FLOWS PORT SOURCE_PORT SINK_PORT BYTES BURST PASSES OTHER_PORT
 *     FLOWS and BURST: as in traffic.c. A line on standard input begins a round, whose first half ends with "filled", when
 *     64 messages for each pass wait at 127.0.0.1:OTHER_PORT. The next line begins the second half, for the reference at
 *     PORT; it ends with how many datagrams came to the sink in either half, and the nanoseconds of each pass.
 */
#define LOCKSTEP
#include "forwarder.c"
#include <time.h>

#define PASSES_MAX 64

static struct mmsghdr messages[SLOTS];
static struct iovec iovecs[SLOTS];
static char controls[SLOTS][CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
static char packets[SLOTS][65536];
static uint32_t (*flows)[2];
static int flow, flows_count;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static int open_end(int port, int flags) {
  int fd = socket(AF_INET, SOCK_DGRAM | flags, 0), bytes = 64 << 20;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0) perror("bind"), exit(1);
  return fd;
}

static void fill(int fd, int port, int bytes, int burst) {
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001)};
  for (int i = 0; i < SLOTS; i++) {
    uint32_t *f = flows[flow], type = 4;
    if (++flow == flows_count) flow = 0;
    struct msghdr *header = &messages[i].msg_hdr;
    iovecs[i] = (struct iovec){packets[i], bytes * burst};
    *header = (struct msghdr){.msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &iovecs[i], .msg_iovlen = 1};
    header->msg_control = memset(controls[i], 0, sizeof controls[i]);
    header->msg_controllen = sizeof controls[i];
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    ((struct in_pktinfo *)CMSG_DATA(c))->ipi_spec_dst.s_addr = f[0];
    if (burst > 1) {
      uint16_t segment = bytes;
      c = CMSG_NXTHDR(header, c);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof segment);
      memcpy(CMSG_DATA(c), &segment, sizeof segment);
    } else {
      header->msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
    }
    for (int k = 0; k < burst; k++) {
      memcpy(packets[i] + (size_t)k * bytes, &type, 4);
      memcpy(packets[i] + (size_t)k * bytes + 4, &f[1], 4);
    }
  }
  for (int sent = 0; sent < SLOTS;) {
    int n = sendmmsg(fd, messages + sent, SLOTS - sent, 0);
    if (n <= 0) perror("sendmmsg"), exit(1);
    sent += n;
  }
}

static long drain(int fd) {
  static char bytes[65536];
  long count = 0;
  while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) >= 0) count++;
  return count;
}

int main(int argc, char **argv) {
  if (argc != 9)
    return fprintf(stderr, "usage: lockstep FLOWS PORT SOURCE_PORT SINK_PORT BYTES BURST PASSES OTHER_PORT\n"), 2;
  FILE *file = fopen(argv[1], "rb");
  if (file == NULL) return perror(argv[1]), 1;
  flows = calloc(1 << 20, sizeof *flows);
  flows_count = fread(flows, sizeof *flows, 1 << 20, file);
  self.sin_port = htons(atoi(argv[2]));
  self.sin_addr.s_addr = htonl(0x7f000001);
  sink = htons(atoi(argv[4]));
  int own = open_forwarder(), source = open_end(atoi(argv[3]), 0), end = open_end(atoi(argv[4]), SOCK_NONBLOCK);
  int bytes = atoi(argv[5]), burst = atoi(argv[6]), passes = atoi(argv[7]), other_port = atoi(argv[8]);
  char line[16];
  while (fgets(line, sizeof line, stdin) != NULL) {
    for (int i = 0; i < passes; i++) fill(source, other_port, bytes, burst);
    printf("filled\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    long other = drain(end);
    for (int i = 0; i < passes; i++) fill(source, ntohs(self.sin_port), bytes, burst);
    uint64_t took[PASSES_MAX];
    for (int i = 0; i < passes; i++) {
      uint64_t began = now_ns();
      pass(own);
      took[i] = now_ns() - began;
    }
    printf("%ld %ld", other, drain(end));
    for (int i = 0; i < passes; i++) printf(" %lu", took[i]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
