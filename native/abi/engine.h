/* Counts that TypeScript reads from the engine, cumulative since the wires were opened. Index 0 of a pair is inbound,
 * 1 outbound. What it publishes is in abi/tables.h. */
#ifndef HEADGATE_ABI_ENGINE_H
#define HEADGATE_ABI_ENGINE_H
#include "gate.h"
#include "records.h"

/* Only cells that ever counted are handed over. */
struct hg_block_cell {
  hg_u32 block; /* the engine's capacity for blocks: what belongs to no block */
  hg_u16 link;  /* HG_LINK_UNKNOWN for none */
  hg_u16 direction;
  struct hg_traffic traffic;
};

struct hg_destination_cell {
  hg_u32 destination;
  hg_u32 reserved;
  hg_u64 packets;
  hg_u64 l2_bytes;
};

/* Round trips towards outside of a block's sessions, of late. One for each of the blocks that were asked for. */
struct hg_block_rtt {
  hg_u32 samples;
  hg_u32 p50_us; /* 0 without samples, as is the next */
  hg_u32 p95_us;
};

#define HG_RTT_BUCKETS 16u

/* Round trips between the unit and one side of it. */
struct hg_rtt_counts {
  hg_u64 samples;
  hg_u64 p50_us;
  hg_u64 p95_us;
  hg_u64 p99_us;
  hg_u64 bucket[HG_RTT_BUCKETS]; /* by hg_rtt_bounds_us, the last without a bound */
};

/* One for each link and, last, one for the unknown link. */
struct hg_link_counts {
  struct hg_tcp_counts tcp[2]; /* by the direction in which the data flows */
  struct hg_rtt_counts rtt[2]; /* by the direction in which the far end lies */
};

struct hg_passed {
  hg_u64 frames;  /* as the interfaces count them */
  hg_u64 packets; /* a super-packet counts as the segments it becomes */
  hg_u64 bytes;   /* of the frames, as the interfaces count them */
};

#define HG_LOSSES 6u

/* Round trips of QUIC by its spin bit, all 0 unless that is followed. They are too long as often as not: low quantiles
 * only, and of how many sessions they are. */
struct hg_quic_counts {
  hg_u64 sessions; /* that sent a short header */
  hg_u64 spinning; /* of these, those whose bit turned as a client's and a server's do: what the round trips cover */
  hg_u64 refused;  /* packets of sessions for which the table had no slot */
  hg_u64 samples;
  hg_u64 p5_us; /* between the unit and either end */
  hg_u64 p25_us;
};

/* One for each wire. */
struct hg_wire_counts {
  struct hg_passed unit[2];
  struct hg_bypassed bypass[2]; /* since the gate was installed */
  hg_u64 lost_inbound[HG_LOSSES];
  hg_u64 lost_outbound[HG_LOSSES];
  hg_u64 discarded; /* the gate had forwarded them already */
  hg_u64 copies_due;      /* heads of packets that the kernel forwarded and that want measuring */
  hg_u64 copies_lost;     /* of them, those that the kernel had no room to hand over */
  hg_u64 copies_left_out; /* of them, those of sessions that were not sampled because the unit could not keep up */
  hg_u64 unmarked;        /* packets that the kernel should have marked and could not */
  hg_u64 state;     /* 0 forwarding, 1 bypass, 2 down */
  hg_u64 driver;    /* 1 af_packet, 2 tc, 3 xdp, 4 mirror */
  hg_u64 workers;   /* packet loops that share it */
  struct hg_passed by_worker[HG_WORKERS_MAX][2]; /* of `unit`, what each of them sent on */
  struct hg_quic_counts quic;
};

#define HG_UNPARSED 15u

/* One for the whole engine. */
struct hg_pipeline_counts {
  hg_u64 generation; /* of the tables that every packet loop has in use */
  hg_u64 unparsed[HG_UNPARSED];
  hg_u64 sessions_begun;
  hg_u64 sessions_refused; /* segments of sessions for which the table had no slot */
  hg_u64 sessions_occupied;
  hg_u64 session_slots;
  hg_u64 resyncs;
  hg_u64 resolvers_refused;
  hg_u64 networks_refused;
  hg_u64 marked;
  hg_u64 cleared;
  hg_u64 sessions_kept;     /* on a link that the tables no longer give them */
  hg_u64 sessions_remarked; /* since their link went down */
  hg_u64 exceptions;        /* sessions written down now */
  hg_u64 exceptions_max;
  hg_u64 exceptions_lost; /* that had to go for others while they spoke */
  hg_u64 sessions_marked[HG_LINKS_MAX]; /* begun, by link */
};

struct hg_resolver {
  hg_u8 address[16];
  hg_u32 queries;
  hg_u8 family;
  hg_u8 reserved[3];
};

#define HG_NETWORK_LINKS 4u

/* Round trips to a network by one link: a mean that forgets. */
struct hg_network_rtt {
  hg_u32 rtt_us;
  hg_u16 samples; /* 0: unused */
  hg_u8 link;
  hg_u8 reserved;
};

/* A foreign /24 or /48 that sessions of ours are with. */
struct hg_network {
  hg_u8 prefix[16];
  hg_u8 host[16];     /* the latest seen there */
  hg_u8 resolver[16]; /* that asked for our names before most of its sessions began; valid when votes are above 0 */
  hg_u32 resolver_votes;
  hg_u32 sessions;
  hg_u8 family;
  hg_u8 resolver_family;
  hg_u8 reserved[6];
  struct hg_network_rtt rtt[HG_NETWORK_LINKS];
};

/* A session of ours that sends much and has not ended. */
struct hg_heavy_session {
  hg_u8 source[16]; /* our host */
  hg_u8 destination[16];
  hg_u64 l2_bytes; /* estimated from samples, since it was first among the heaviest; may fall when others push */
  hg_u16 source_port;
  hg_u16 destination_port;
  hg_u8 family;
  hg_u8 protocol; /* 6 TCP, 17 UDP */
  hg_u8 reserved[2];
};

/* A TCP segment of a sampled session of which the other direction does not pass here. */
struct hg_half_segment {
  hg_u64 session; /* the same at every unit with the same key, in both directions */
  hg_u64 time_ns; /* on this wire's clock */
  hg_u32 seq;
  hg_u32 ack;
  hg_u32 payload_bytes;
  hg_u32 tsval; /* of the timestamps option, where it is there */
  hg_u32 tsecr;
  hg_u8 link;    /* HG_LINK_UNKNOWN for none */
  hg_u8 direction;
  hg_u8 flags;   /* of the TCP header */
  hg_u8 has_timestamps;
};

#ifdef __cplusplus
static_assert(sizeof(hg_half_segment) == 40);
static_assert(sizeof(hg_heavy_session) == 48);
static_assert(sizeof(hg_network_rtt) == 8);
static_assert(sizeof(hg_network) == 96);
static_assert(sizeof(hg_block_cell) == 32);
static_assert(sizeof(hg_destination_cell) == 24);
static_assert(sizeof(hg_block_rtt) == 12);
static_assert(sizeof(hg_rtt_counts) == 160);
static_assert(sizeof(hg_link_counts) == 496);
static_assert(sizeof(hg_passed) == 24);
static_assert(sizeof(hg_quic_counts) == 48);
static_assert(sizeof(hg_wire_counts) == 304 + 48 * HG_WORKERS_MAX);
static_assert(sizeof(hg_pipeline_counts) == 240 + 8 * HG_LINKS_MAX);
static_assert(sizeof(hg_resolver) == 24);
#endif
#endif
