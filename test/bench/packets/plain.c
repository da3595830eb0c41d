/* What the machine can do: the limits, and a plain C path that does the work without our structures.
 *   plain FILE sum|touch|full|full-mmap REPEATS
 * sum: the lengths of all records. touch: parse too, and change one random cache line. full: count by a
 * prefix array of 2^24 entries, sessions in an open table of 64-byte records, retransmissions by the highest
 * sequence number, round trips by timestamps, prefetched in batches of 32. Prints nanoseconds of CPU time
 * per packet for each repeat, and what it counted. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 32
#define CHUNK (256 * 1024)

struct flow {
  uint32_t a, b, ports, used;
  uint32_t next[2], tsval[2], stamp[2];
  uint32_t rtt_min, retransmitted;
  uint64_t bytes;
};
_Static_assert(sizeof(struct flow) <= 64, "one cache line");
struct counter { uint64_t packets, bytes; };

static uint32_t slots_mask;
static uint8_t *slots;
static uint16_t *prefix; /* by the top 24 bits of an address */
static struct counter counters[65536];
static uint64_t packets, total, retransmitted, samples, rtt_sum;

static uint32_t be32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static uint16_t be16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static uint32_t le32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

struct work { const uint8_t *record; uint32_t a, b, ports, hash, side; };

static int parse(const uint8_t *record, struct work *w) {
  const uint8_t *e = record + 16;
  if (le32(record + 8) < 66 || be16(e + 12) != 0x0800 || (e[14] & 15) != 5 || e[23] != 6) return 0;
  uint32_t s = be32(e + 26), d = be32(e + 30), p = be32(e + 34);
  w->record = record;
  w->side = s < d;
  if (w->side) w->a = s, w->b = d, w->ports = p;
  else w->a = d, w->b = s, w->ports = p << 16 | p >> 16;
  uint64_t h = ((uint64_t)w->a << 32 | w->b) * 0x9e3779b97f4a7c15ull;
  h = (h ^ (h >> 32) ^ w->ports) * 0xd6e8feb86659fd93ull;
  w->hash = (uint32_t)(h >> 32);
  return 1;
}

static void track(const struct work *w) {
  const uint8_t *e = w->record + 16, *tcp = e + 34;
  uint32_t length = le32(w->record + 12), at = w->hash & slots_mask;
  /* Ours is 10.0.0.0/8: the destination inbound, the source outbound. */
  uint32_t own = e[30] == 10 ? be32(e + 30) : be32(e + 26);
  struct counter *c = &counters[prefix[own >> 8]];
  c->packets++;
  c->bytes += length;
  struct flow *f;
  for (;; at = (at + 1) & slots_mask) {
    f = (struct flow *)(slots + (size_t)at * 64);
    if (!f->used) { f->used = 1; f->a = w->a; f->b = w->b; f->ports = w->ports; break; }
    if (f->a == w->a && f->b == w->b && f->ports == w->ports) break;
  }
  f->bytes += length;
  uint32_t s = w->side, seq = be32(tcp + 4), flags = tcp[13];
  uint32_t payload = be16(e + 16) - 20u - (tcp[12] >> 4) * 4u;
  uint32_t end = seq + payload + ((flags >> 1) & 1) + (flags & 1);
  if (flags & 2) f->next[s] = end;
  else if (end != seq) {
    if ((int32_t)(end - f->next[s]) > 0) f->next[s] = end;
    else f->retransmitted++, retransmitted++;
  }
  if (tcp[12] >= 0x80 && le32(tcp + 20) == 0x0a080101u) {
    uint32_t now = le32(w->record) * 1000000u + le32(w->record + 4) / 1000u, value = be32(tcp + 24), echo = be32(tcp + 28);
    if (f->stamp[s ^ 1] && echo == f->tsval[s ^ 1]) {
      uint32_t rtt = now - f->stamp[s ^ 1];
      f->stamp[s ^ 1] = 0;
      samples++; rtt_sum += rtt;
      if (!f->rtt_min || rtt < f->rtt_min) f->rtt_min = rtt;
    }
    if (value != f->tsval[s]) f->tsval[s] = value, f->stamp[s] = now | 1;
  }
}

static struct work batch[BATCH];
static unsigned filled;
static void flush(void) {
  for (unsigned i = 0; i < filled; i++) track(&batch[i]);
  filled = 0;
}

static void one(const uint8_t *record, int mode) {
  packets++;
  total += le32(record + 12);
  if (mode == 0) return;
  struct work *w = &batch[filled];
  if (!parse(record, w)) return;
  if (mode == 1) { slots[(size_t)(w->hash & slots_mask) * 64] ^= 1; return; }
  __builtin_prefetch(slots + (size_t)(w->hash & slots_mask) * 64, 1);
  if (++filled == BATCH) flush();
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: plain FILE sum|touch|full|full-mmap REPEATS\n"), 2;
  int mode = !strcmp(argv[2], "sum") ? 0 : !strcmp(argv[2], "touch") ? 1 : 2, repeats = atoi(argv[3]);
  int is_mapped = mode != 2 || !strcmp(argv[2], "full-mmap");
  int fd = open(argv[1], O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st)) return perror(argv[1]), 1;
  prefix = calloc(1 << 24, 2);
  for (uint32_t i = 0; i < 1 << 16; i++) prefix[0x0a0000 + i] = (uint16_t)(i >> 2); /* 16,384 blocks of /22 */
  uint32_t count = 1 << 12;
  while (count < (uint64_t)st.st_size / 240 && count < 1u << 21) count *= 2;
  slots_mask = count - 1;
  slots = mmap(0, (size_t)count * 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(slots, (size_t)count * 64, MADV_HUGEPAGE);
  uint8_t *map = is_mapped ? mmap(0, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : 0;
  uint8_t *buffer = malloc(CHUNK + 65536);
  printf("{\"ns\":[");
  for (int r = 0; r < repeats; r++) {
    memset(slots, 0, (size_t)count * 64);
    memset(counters, 0, sizeof counters);
    packets = total = retransmitted = samples = 0;
    double began = cpu();
    if (is_mapped) {
      const uint8_t *p = map + 24, *stop = map + st.st_size;
      for (; p + 16 <= stop; p += 16 + le32(p + 8)) one(p, mode);
      flush();
    } else {
      size_t left = 0;
      lseek(fd, 24, SEEK_SET);
      for (ssize_t got; (got = read(fd, buffer + left, CHUNK)) > 0;) {
        const uint8_t *p = buffer, *stop = buffer + left + got;
        for (; p + 16 <= stop && p + 16 + le32(p + 8) <= stop; p += 16 + le32(p + 8)) one(p, mode);
        flush();
        left = (size_t)(stop - p);
        memmove(buffer, p, left);
      }
    }
    printf("%s%.2f", r ? "," : "", (cpu() - began) * 1e9 / (double)packets);
  }
  printf("],\"packets\":%llu,\"bytes\":%llu,\"retransmitted\":%llu,\"samples\":%llu}\n", (unsigned long long)packets,
         (unsigned long long)total, (unsigned long long)retransmitted, (unsigned long long)samples);
  return 0;
}
