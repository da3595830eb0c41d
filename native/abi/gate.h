/* What the unit and the kernel's programs at both ports tell each other: one page, mapped by both, and a ring of
 * header copies. */
#ifndef HEADGATE_ABI_GATE_H
#define HEADGATE_ABI_GATE_H
#include "records.h"

/* The directions of a wire, as array indexes. */
#define HG_INBOUND 0u  /* enters by the outside port */
#define HG_OUTBOUND 1u /* enters by the inside port */

/* Which of the programs stands at the ports. */
#define HG_PROGRAM_GATE 1u /* user space forwards; the kernel only while user space is silent */
#define HG_PROGRAM_TC 2u   /* the kernel forwards and copies headers */
#define HG_PROGRAM_XDP 3u  /* the same, before the kernel makes a buffer of the frame */

#define HG_PORT_SETTINGS 8u

/* What the kernel forwards is counted by direction and by the packet loop whose it would have been. */
#define HG_BYPASSED(direction, worker) ((direction) + 2u * (worker))

/* The sign of life of one packet loop, on a cache line of its own: each loop writes its own after every batch. */
struct hg_beat {
  hg_u64 ns; /* CLOCK_MONOTONIC of the last one; 0: nobody is there */
  hg_u64 bypassed_ns[2]; /* by direction: when the gate last forwarded in its place */
  hg_u64 apart[5];
};

/* The kernel's mark on what a packet loop of a wire with a gate sends, with the loop's number in the low half. */
#define HG_SENT_MARK 0x68670000u
#define HG_SENT_LOOP 0x0000ffffu

struct hg_gate {
  /* Packet loops of the unit that share the wire by hg_pair_hash() (kernel/spread.h); 0 as 1. */
  hg_u32 workers;
  /* Whether the unit wants copies of UDP from and to port 443 too. */
  hg_u32 copies_quic;
  /* A beat older than this is stale. */
  hg_u64 stale_ns;
  /* Interface index to which packets of each direction leave. */
  hg_u32 exit[2];
  /* What installing changed at the port where each direction enters, so that releasing can undo it: HG_CHANGED_... */
  hg_u32 changed[2];
  hg_u32 program; /* HG_PROGRAM_... */
  hg_u32 version; /* HG_GATE_VERSION of what is installed */
  /* Of 256 sessions, how many are copied to the unit. Lowered when it does not keep up: by itself, and by the kernel
   * when it is so far behind that it does not even see it. Raised by the unit alone. */
  hg_u32 copy_share;
  /* Which of the published tables, marks and counts the programs use (abi/flat.h). */
  hg_u32 in_force;
  /* By the port where each direction enters: what the unit found there and changed, so that the next one or releasing
   * can put it back after a crash. The value before and 1, or 0. */
  hg_u8 kept[2][HG_PORT_SETTINGS];
  /* When the kernel lowered copy_share itself, having found no room for a copy; CLOCK_MONOTONIC. */
  hg_u64 shed_ns;
  /* Of the port where each direction leaves: found when installing, followed by the unit. */
  hg_u32 mtu[2];
  hg_u64 apart[6];
  /* By packet loop. Programs that have a reader and no packet loop (tc, xdp) use the first. */
  struct hg_beat beat[HG_WORKERS_MAX];
};

/* Raised with every change of a map's layout: another version's program is taken off before this one's is attached. */
#define HG_GATE_VERSION 9u
#define HG_COPY_ALL 256u
/* How long the kernel waits from one lowering of copy_share to the next: what is in the ring is still worked off. */
#define HG_SHED_NS 5000000u
#define HG_COPIES_BYTES (16u << 20) /* of the ring: some 0.1 s of a million packets a second */

#define HG_CHANGED_QDISC 1u
#define HG_CHANGED_PROMISCUOUS 2u
#define HG_CHANGED_LOWERED 4u /* set down to pass a lost carrier on */

/* What the kernel forwarded of one direction and packet loop, per CPU. */
struct hg_bypassed {
  hg_u64 frames;
  hg_u64 packets; /* a super-packet counts as the segments it becomes */
  hg_u64 bytes;   /* of the frames, as the interfaces count them */
};

/* What the programs did beside forwarding, per CPU. */
struct hg_tallies {
  hg_u64 copies_due;      /* heads that the unit would measure */
  hg_u64 copies_lost;     /* of them, those for which the ring had no room */
  hg_u64 copies_left_out; /* of them, those of sessions that were not sampled */
  hg_u64 marked;
  hg_u64 cleared; /* of them, those that lost a mark that was not theirs to set */
  hg_u64 unmarked; /* forwarded as they were because the kernel could not change them */
  hg_u64 kept;     /* sessions written down because they stay on a link that the tables no longer give them */
  hg_u64 remarked; /* sessions that got another link because theirs is down */
  hg_u64 sessions[HG_LINKS_MAX]; /* begun, by the link that they were marked for */
};

/* Sessions that keep the link that they began with although the tables now say another: by hash of the tuple. The
 * value is a link or HG_LINK_PLAIN. */
#define HG_EXCEPTIONS_MAX 65536u
struct hg_exception_key {
  hg_u32 hash;
  hg_u32 ports; /* as they stand in the packet, the source's first; 0 as for the hash */
};

/* Enough for tags, IPv6 with an extension header and a TCP header full of options. */
#define HG_COPY_BYTES 128u

/* The head of one packet that the kernel has forwarded. */
#define HG_COPY_SHORT_BYTES 72u /* most TCP segments over IPv4: a third less to carry */
#define HG_COPY_MIDDLE_BYTES 96u /* and over IPv6 */
struct hg_copy {
  hg_u64 time_ns; /* CLOCK_MONOTONIC */
  hg_u32 wire_length;
  hg_u32 segment_bytes; /* super-packet: payload bytes of each segment; else 0 */
  hg_u16 captured;
  hg_u16 vlan_tci; /* of the metadata; valid when has_vlan */
  hg_u16 vlan_tpid;
  hg_u8 has_vlan;
  hg_u8 direction;
  hg_u8 bytes[HG_COPY_BYTES];
};

#ifdef __cplusplus
static_assert(sizeof(hg_beat) == 64 && __builtin_offsetof(hg_gate, beat) == 128);
static_assert(sizeof(hg_gate) == 128 + 64 * HG_WORKERS_MAX);
static_assert(sizeof(hg_tallies) == 64 + 8 * HG_LINKS_MAX && sizeof(hg_exception_key) == 8);
static_assert(sizeof(hg_bypassed) == 24);
static_assert(sizeof(hg_copy) == 24 + HG_COPY_BYTES);
#endif
#endif
