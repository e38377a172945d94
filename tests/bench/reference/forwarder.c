/*
 * What the relay is measured against: the same system calls and no thought. Reads up to 64 messages by recvmmsg with
 * UDP GRO, and sends each to the sink's address that its source's address names (127.1.x.y -> 127.2.x.y), by
 * sendmmsg; what came merged leaves merged, and neighbours of equal length and destination leave as one GSO message.
 *
 *   forwarder ADDRESS PORT SINK_PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define SLOTS 64
#define SLOT_BYTES (65536 + 320)
#define SEGMENTS_MAX 64
#define PAYLOAD_MAX 65507
#define BUFFER_BYTES (8 << 20)

static struct mmsghdr in[SLOTS], out[SLOTS];
static struct iovec in_iov[SLOTS], out_iov[SLOTS];
static struct sockaddr_in from[SLOTS], to[SLOTS];
static char in_control[SLOTS][CMSG_SPACE(sizeof(int))];
static char out_control[SLOTS][CMSG_SPACE(sizeof(uint16_t))];

static int segment_of(struct msghdr *header, int length) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    int size;
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    memcpy(&size, CMSG_DATA(c), sizeof size);
    return size;
  }
  return length;
}

static struct sockaddr_in self = {.sin_family = AF_INET};
static uint16_t sink;

/* A socket bound to `self`, and memory for what it receives. */
static int open_forwarder(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1, bytes = BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&self, sizeof self) != 0) perror("bind"), exit(1);
  char *memory = malloc((size_t)SLOTS * SLOT_BYTES);
  for (int i = 0; i < SLOTS; i++) {
    in_iov[i] = (struct iovec){memory + (size_t)i * SLOT_BYTES, SLOT_BYTES};
    in[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &in_iov[i], .msg_iovlen = 1};
    in[i].msg_hdr.msg_control = in_control[i];
  }
  return fd;
}

/* Forwards what one call brings; 0 when nothing waited. */
static int pass(int fd) {
  for (int i = 0; i < SLOTS; i++) {
    in[i].msg_hdr.msg_namelen = sizeof from[i];
    in[i].msg_hdr.msg_controllen = sizeof in_control[i];
  }
  int n = recvmmsg(fd, in, SLOTS, MSG_DONTWAIT, NULL);
  if (n <= 0) return 0;
  int messages = 0, pieces = 0, count = 0, size = 0, total = 0, open = 0;
  for (int i = 0; i < n; i++) {
    int length = in[i].msg_len, segment = segment_of(&in[i].msg_hdr, length);
    int segments = segment == 0 ? 1 : (length + segment - 1) / segment;
    struct iovec piece = {in_iov[i].iov_base, length};
    int joins = open && segment == size && segments == 1 && count < SEGMENTS_MAX && total + length <= PAYLOAD_MAX &&
                from[i].sin_addr.s_addr == from[i - 1].sin_addr.s_addr && from[i].sin_port == from[i - 1].sin_port;
    if (joins) {
      out_iov[pieces++] = piece;
      out[messages - 1].msg_hdr.msg_iovlen++;
      count++;
      total += length;
    } else {
      to[messages] = from[i];
      ((unsigned char *)&to[messages].sin_addr)[1] = 2;
      to[messages].sin_port = sink;
      out_iov[pieces] = piece;
      out[messages].msg_hdr = (struct msghdr){.msg_name = &to[messages], .msg_namelen = sizeof to[messages]};
      out[messages].msg_hdr.msg_iov = &out_iov[pieces++];
      out[messages].msg_hdr.msg_iovlen = 1;
      messages++;
      count = segments;
      size = segment;
      total = length;
    }
    open = length == segments * segment;
    if (count > 1) {
      struct msghdr *header = &out[messages - 1].msg_hdr;
      uint16_t value = size;
      header->msg_control = out_control[messages - 1];
      header->msg_controllen = sizeof out_control[messages - 1];
      struct cmsghdr *c = CMSG_FIRSTHDR(header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof value);
      memcpy(CMSG_DATA(c), &value, sizeof value);
    }
  }
  for (int at = 0; at < messages;) {
    int sent = sendmmsg(fd, out + at, messages - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    at += sent > 0 ? sent : 1;
  }
  return 1;
}

#ifndef LOCKSTEP
int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: forwarder ADDRESS PORT SINK_PORT\n"), 2;
  inet_pton(AF_INET, argv[1], &self.sin_addr);
  self.sin_port = htons(atoi(argv[2]));
  sink = htons(atoi(argv[3]));
  int fd = open_forwarder();
  printf("ready\n");
  fflush(stdout);
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  for (;;) {
    if (!pass(fd)) poll(&wait, 1, -1);
  }
}
#endif
