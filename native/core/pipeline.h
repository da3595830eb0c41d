// The pipeline: what happens to every packet of a wire or a capture file.
//
// One Pipeline belongs to one worker thread, which calls `process`; both directions of a session must come
// to the same worker. Another thread may `publish` tables and read the counters at any time: counters are
// written by one thread only and read with relaxed loads, so a reader sees each of them whole, though not
// all of one instant. Nothing is allocated after construction: memory is handed in.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../abi/records.h"
#include "attribute.h"
#include "block_table.h"
#include "exceptions.h"
#include "half_ring.h"
#include "heavy_table.h"
#include "histogram.h"
#include "mark.h"
#include "needless.h"
#include "network_table.h"
#include "packet.h"
#include "parse.h"
#include "prefix_table.h"
#include "resolver.h"
#include "session.h"
#include "spin_table.h"
#include "tcp.h"
#include "tcp_steady.h"

namespace headgate {

// By which link what is outbound leaves (mark.h). `table.enabled` 0: nothing is marked.
struct Marks {
  uint64_t generation = 0;
  hg_mark_table table{};
  std::vector<hg_bucket> buckets;  // HG_BUCKETS of each way

  Marks() {
    table.otherwise = HG_WAY_NONE;
    for (auto& mark : table.marks) mark = {HG_VLAN_NONE, HG_DSCP_NONE, 0};
  }
};

// A destination's way and index in one value of a prefix table: without a way HG_WAY_NONE, not counted HG_DESTINATIONS_MAX.
inline uint32_t destination_value(uint32_t way, uint32_t index) { return way << HG_DESTINATION_BITS | index; }

// All that decides about a packet. Immutable once published; replaced whole.
struct Tables {
  uint64_t generation = 0;
  PrefixTable blocks;        // own address -> block index, below PipelineSettings::blocks
  PrefixTable destinations;  // foreign address -> destination_value, its index below PipelineSettings::destinations
  uint32_t ways = 0;         // with buckets, that marks must have for them
  Marks marks;
  WireRules wires[kWiresMax];
};

struct PipelineSettings {
  uint32_t session_slots = 1 << 16;  // power of two
  uint32_t resolver_slots = 1 << 12;  // power of two
  uint32_t network_slots = 1 << 14;   // power of two
  uint32_t blocks = 0;        // block indices there may ever be
  uint32_t destinations = 0;  // destination indices there may ever be
  uint32_t links = 0;         // up to HG_LINKS_MAX
  // Capture files know no direction: a packet is outbound when its source is in a block, inbound when its
  // destination is, and counts as both when both are.
  bool direction_by_address = false;
  // Whether the sessions that send most are looked for: of use only to who routes them one by one.
  bool finds_heaviest = false;
  // Sessions of which only one direction passes here are told of if a hash with `half_key`, which is the same at all
  // units, is below this: of 2^32. 0: of none.
  uint64_t half_share = 0;
  HashKey half_key{};
  // Whether round trips of QUIC are read off its spin bit.
  bool follows_spin = false;
  HashKey hash_key{};
};

struct PipelineCounts {
  uint64_t packets;      // as handed in
  uint64_t frame_bytes;  // their lengths on the wire
  uint64_t network[3];   // by outermost network header: IPv4, IPv6, other
  uint64_t unparsed[kUnparsedReasons];
  uint64_t tcp_segments;
  uint64_t sessions;            // ever begun
  uint64_t sessions_refused;    // segments of sessions for which the table had no slot
  uint64_t left_out;            // segments of sessions that were not to be followed
  uint64_t resyncs;
  uint64_t resolvers_refused;   // queries of sources for which the table had no slot
  uint64_t networks_refused;    // sessions with networks for which the table had no slot
  uint64_t marked;
  uint64_t cleared;             // reserved DSCP taken off packets of hosts that may not set it
  uint64_t sessions_kept;       // that stay on a link which the tables no longer give them
  uint64_t sessions_remarked;   // whose link went down
  uint64_t exceptions;          // sessions of either kind that are written down
  uint64_t exceptions_lost;     // that had to go for others while they spoke
  uint64_t sessions_marked[HG_LINKS_MAX];  // begun, by link
};

// Exceptions as they are made, for who keeps them elsewhere too.
struct NewExceptions {
  struct One {
    hg_exception_key key;
    uint8_t link;
  };
  size_t count = 0;  // the consumer sets it back to 0
  One items[kBatch];
};

struct DestinationTraffic {
  uint64_t packets;
  uint64_t l2_bytes;
};

// One classified segment, for who wants to see them singly. Only classes from LostBeyond on. What was lost beyond comes
// once more, as spurious, when the receiver says that it was not.
struct TcpEvent {
  uint64_t frame;
  SegmentClass segment_class;
};
struct TcpEvents {
  TcpEvent* items;
  size_t capacity;
  size_t count;   // the consumer sets it back to 0
  uint64_t lost;  // events for which there was no room
};

class Pipeline {
 public:
  // Bytes that `memory` must have: zeroed, aligned to 64, outliving the pipeline.
  static size_t bytes(const PipelineSettings& settings);
  // Of these the first so many are touched all over: worth huge pages, which the others are not.
  static size_t dense_bytes(const PipelineSettings& settings);
  Pipeline(const PipelineSettings& settings, void* memory);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Tables are in force from the next batch on. The previous ones may be freed once `generation_in_use`
  // has reached the new generation (or no worker is running).
  void publish(const Tables* tables) {
    tables_.store(tables, std::memory_order_release);
    publications_.fetch_add(1, std::memory_order_release);
  }
  uint64_t generation_in_use() const { return in_use_.load(std::memory_order_acquire); }
  // Other marks for the tables that they name (hg_mark_table::tables), and for no others: in force from the next batch
  // on. The previous ones may be freed as tables may.
  void publish(const Marks* marks) {
    marks_.store(marks, std::memory_order_release);
    publications_.fetch_add(1, std::memory_order_release);
  }
  uint64_t marks_in_use() const { return marks_in_use_.load(std::memory_order_acquire); }

  // Sets `verdict` of every packet and rewrites those that are marked. Any `n`.
  void process(Packet* packets, size_t n);

  // From the next batch on only so many of kAllSessions TCP sessions are followed, and what is left out of the others is
  // counted. By the thread that calls process().
  static constexpr uint32_t kAllSessions = 256;
  void follow(uint32_t sessions) { followed_ = sessions; }

  void set_events(TcpEvents* events) { events_ = events; }
  void set_new_exceptions(NewExceptions* list) { new_exceptions_ = list; }
  // A session that an earlier unit had written down; before the first process().
  void keep(const hg_exception_key& key, uint8_t link) {
    exceptions_.put(key, link, 0, 0);
    counts_->exceptions = exceptions_.used();
  }

  const PipelineSettings& settings() const { return settings_; }
  const PipelineCounts& counts() const { return *counts_; }
  // `block` may be settings().blocks: what belongs to no block. `link` may be HG_LINK_UNKNOWN.
  hg_traffic traffic(uint32_t block, uint32_t link, Direction direction) const {
    return by_block_.traffic(row_of(block), link_index(link, direction));
  }
  const hg_tcp_counts& tcp(uint32_t link, Direction direction) const { return tcp_[link_index(link, direction)]; }
  const hg_tcp_counts* tcp() const { return tcp_; }
  // Round trips between the unit and that end of the wire where `direction` leads.
  const RttHistogram& rtt(uint32_t link, Direction towards) const { return rtt_[link_index(link, towards)]; }
  // Towards outside, of sessions of a block; `block` as for traffic().
  BlockRtt block_rtt(uint32_t block) const { return by_block_.round_trips(row_of(block)); }
  const DestinationTraffic& destination(uint32_t index) const { return destination_[index]; }
  SessionTable& sessions() { return sessions_; }
  ResolverTable& resolvers() { return resolvers_; }
  NetworkTable& networks() { return networks_; }
  const HeavyTable& heaviest() const { return heavy_; }
  // Only where half_share is not 0.
  HalfRing& halves() { return halves_; }
  // With settings().follows_spin.
  const SpinCounts& spin() const { return *spin_counts_; }
  const RttHistogram& spin_rtt() const { return *spin_rtt_; }

 private:
  struct Places;
  struct Work;
  struct Found;
  struct Listed;
  struct Batch;
  struct Chooser;
  struct Regions;
  class LinkOf;
  static const Places kCommonPlaces;

  // What leaving by a link, by none (HG_LINK_PLAIN) or as ever (HG_LINK_UNKNOWN) comes to under the marks in force.
  struct Outcome {
    uint32_t column;    // where the packet is counted
    uint32_t is_moved;  // all bits: it is counted there, whatever its next hop says; 0: where it was
    uint16_t vlan;
    uint8_t dscp;
  };
  static Regions layout(const PipelineSettings& settings);

  uint32_t link_index(uint32_t link, Direction direction) const {
    return (link < settings_.links ? link : settings_.links) * 2 + static_cast<unsigned>(direction);
  }
  uint32_t cell_of(uint32_t block, uint32_t link, Direction direction) const {
    return by_block_.cell(row_of(block), link_index(link, direction));
  }
  uint32_t row_of(uint32_t block) const { return block < settings_.blocks ? block : settings_.blocks; }

  // By what is on: no packet asks again.
  template <bool kByAddress, bool kSteers>
  void process_batch(Packet* packets, unsigned n, const Tables& tables, const Marks& marks);
  template <bool kByAddress, bool kSteers>
  void read(Batch& batch, unsigned i, const LinkOf& links);
  template <bool kByAddress, bool kSteers>
  void read_any(Batch& batch, unsigned i);
  template <bool kByAddress, bool kSteers>
  void find_ends(Batch& batch, unsigned i, uint8_t network, const uint8_t* source, const uint8_t* destination);
  void leave_out(Batch& batch);
  void place(Work& work, const Packet& packet);
  template <bool kByAddress, bool kSteers>
  void follow(Batch& batch, unsigned i);
  bool follow_steady(Batch& batch, unsigned i, Session& session);
  void follow_common(Batch& batch, unsigned i, Session* session);
  void follow_tcp(Batch& batch, unsigned i, Session* session);
  Session* begin(Batch& batch, unsigned i, uint8_t tcp_flags, uint32_t now_ms);
  void record(Batch& batch, unsigned i, const Tracked& tracked);
  void record_old(const Packet& packet, const Work& work, const Tracked& tracked);
  void report(const TcpEvent& event);
  void note_sent_again(const Batch& batch, unsigned i, const Tracked& tracked);
  void take_back(const Batch& batch, unsigned i);
  void count_any(Batch& batch, unsigned i);
  template <bool kByAddress, bool kSteers>
  void count_elsewhere(const Work& work, const hg_traffic& amount);
  void count_round_trips(const Batch& batch);
  void prefetch_network(const Batch& batch, unsigned i);
  void note_sessions(const Batch& batch);
  void note_heavy(const Batch& batch, unsigned i);
  void note_half(const Batch& batch, unsigned i);
  static bool begins_session(const Packet& packet, const Places& places);
  static uint32_t ports_of(const Packet& packet, const Places& at);
  static uint32_t tuple_hash(const Packet& packet, const Places& at, const uint32_t* key);
  void settle(const Marks& marks);
  void choose_all(Batch& batch);
  bool choose(Packet& packet, Work& work, const Places& at, const Chooser& chooser, uint32_t hash);
  uint8_t choose_kept(const Packet& packet, const Places& at, const Marks& marks, hg_bucket bucket, unsigned way,
                      bool begins, uint32_t hash);
  bool mark(Packet& packet, uint8_t dscp, const Places& at, uint64_t reserved_dscp);
  void tag_all(Batch& batch, const Listed& listed);

  const PipelineSettings settings_;
  std::atomic<const Tables*> tables_;
  std::atomic<uint64_t> in_use_{0};
  std::atomic<const Marks*> marks_{nullptr};
  std::atomic<uint64_t> marks_in_use_{0};
  std::atomic<uint64_t> publications_{0};
  // Of which publication `outcomes_` are.
  uint64_t settled_ = ~uint64_t{0};
  SessionTable sessions_;
  RecentSegments recent_;
  SentAgainTable sent_again_;
  ResolverTable resolvers_;
  NetworkTable networks_;
  HeavyTable heavy_;
  HalfRing halves_;
  SpinTable spin_;
  ExceptionTable exceptions_;
  PipelineCounts* counts_;
  SpinCounts* spin_counts_;
  RttHistogram* spin_rtt_;
  BlockTable by_block_;  // rows: 0..blocks, the last for what is in none; columns: as of tcp_
  hg_tcp_counts* tcp_;  // [link 0..links, the last is unknown][inbound, outbound]
  RttHistogram* rtt_;
  DestinationTraffic* destination_;
  TcpEvents* events_ = nullptr;
  NewExceptions* new_exceptions_ = nullptr;
  uint32_t followed_ = kAllSessions;
  Outcome outcomes_[256];  // by a bucket's byte
  bool has_tags_ = false;  // whether any of them has a VLAN
};

}  // namespace headgate
