#include "pipeline.h"

#include <cstring>

#include "byte_order.h"
#include "rewrite.h"

namespace headgate {
namespace {

constexpr unsigned kSecondAhead = 6;

// A pipeline without tables forwards and counts all the same.
const Tables kNoTables;

// One thread writes a counter; others read it whole at any time.
inline void add(uint64_t& counter, uint64_t by) {
  __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED);
}

constexpr size_t aligned(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

}  // namespace

// Counters that every packet raises: added up over a batch first.
struct Pipeline::Sums {
  uint64_t frame_bytes = 0;
  uint64_t network[7] = {};  // by Parsed::network: 0, 4 or 6
};

// Round trips of a batch that are still to be counted for their block.
struct Pipeline::Samples {
  unsigned count = 0;
  uint32_t* bucket[kBatch];
};

// What the stages of one batch hand on for one packet.
struct Pipeline::Work {
  Parsed parsed;
  SessionKey key;
  uint32_t block;        // of our end of the packet
  uint32_t other_block;  // when both ends are ours: that of the destination
  uint32_t destination;  // outbound only
  uint8_t link;
  uint8_t chosen;  // link by the published tables: what the mark says
  bool is_tracked;
  bool has_addresses;  // the whole fixed IP header is there
  bool may_mark;       // outbound on a wire where marks are in force
};

struct Pipeline::Regions {
  size_t sessions, resolvers, counts, traffic, tcp, rtt, block_rtt, destination, end;
};

Pipeline::Regions Pipeline::layout(const PipelineSettings& settings) {
  Regions at{};
  size_t offset = 0;
  const auto take = [&offset](size_t bytes) {
    const size_t start = offset;
    offset += aligned(bytes);
    return start;
  };
  const size_t columns = (settings.links + 1ull) * 2;
  at.sessions = take(SessionTable::bytes(settings.session_slots));
  at.resolvers = take(ResolverTable::bytes(settings.resolver_slots));
  at.counts = take(sizeof(PipelineCounts));
  at.traffic = take((settings.blocks + 1ull) * columns * sizeof(hg_traffic));
  at.tcp = take(columns * sizeof(hg_tcp_counts));
  at.rtt = take(columns * sizeof(RttHistogram));
  at.block_rtt = take((settings.blocks + 1ull) * sizeof(BlockRtt));
  at.destination = take((settings.destinations + 1ull) * sizeof(DestinationTraffic));
  at.end = offset;
  return at;
}

size_t Pipeline::bytes(const PipelineSettings& settings) { return layout(settings).end; }

Pipeline::Pipeline(const PipelineSettings& settings, void* memory)
    : settings_(settings),
      tables_(&kNoTables),
      sessions_(static_cast<uint8_t*>(memory) + layout(settings).sessions, settings.session_slots),
      resolvers_(static_cast<uint8_t*>(memory) + layout(settings).resolvers, settings.resolver_slots) {
  uint8_t* base = static_cast<uint8_t*>(memory);
  const Regions at = layout(settings);
  counts_ = reinterpret_cast<PipelineCounts*>(base + at.counts);
  traffic_ = reinterpret_cast<hg_traffic*>(base + at.traffic);
  tcp_ = reinterpret_cast<hg_tcp_counts*>(base + at.tcp);
  rtt_ = reinterpret_cast<RttHistogram*>(base + at.rtt);
  block_rtt_ = reinterpret_cast<BlockRtt*>(base + at.block_rtt);
  destination_ = reinterpret_cast<DestinationTraffic*>(base + at.destination);
}

void Pipeline::process(Packet* packets, size_t n) {
  const Tables& tables = *tables_.load(std::memory_order_acquire);
  in_use_.store(tables.generation, std::memory_order_release);
  for (size_t at = 0; at < n; at += kBatch) {
    const size_t left = n - at;
    process_batch(packets + at, static_cast<unsigned>(left < kBatch ? left : kBatch), tables);
  }
}

// Each stage runs over the whole batch, so that one packet's cache miss is the others' work.
void Pipeline::process_batch(Packet* packets, unsigned n, const Tables& tables) {
  Work work[kBatch];
  // Which packets may be marked is as random as the traffic's direction: listed without a branch, they cost
  // one misprediction for a batch in place of two for each.
  uint8_t markable[kBatch];
  unsigned markable_count = 0;
  for (unsigned i = 0; i < n; i++) {
    if (i + 2 < n) __builtin_prefetch(packets[i + 2].data);
    read(packets[i], work[i], tables);
    markable[markable_count] = static_cast<uint8_t>(i);
    markable_count += work[i].may_mark;
  }
  for (unsigned m = 0; m < markable_count; m++) {
    const unsigned i = markable[m];
    // Where it is going to leave by is where it is counted, whatever its next hop says.
    work[i].chosen = choose(packets[i], work[i], tables);
    if (work[i].chosen != HG_LINK_UNKNOWN) work[i].link = work[i].chosen;
  }
  Samples samples;
  for (unsigned i = 0; i < n; i++) {
    __builtin_prefetch(&traffic_[traffic_index(work[i].block, work[i].link, packets[i].direction)], 1);
    // Far enough ahead that the first choice is there and the second will be.
    if (i + kSecondAhead < n && work[i + kSecondAhead].is_tracked)
      sessions_.prefetch_second(work[i + kSecondAhead].key.hash);
    if (work[i].is_tracked) follow_tcp(packets[i], work[i], samples);
  }
  Sums sums;
  for (unsigned i = 0; i < n; i++) count(packets[i], work[i], sums);
  add(counts_->packets, n);
  add(counts_->frame_bytes, sums.frame_bytes);
  add(counts_->network[0], sums.network[4]);
  add(counts_->network[1], sums.network[6]);
  add(counts_->network[2], sums.network[0]);
  for (unsigned i = 0; i < samples.count; i++) ++*samples.bucket[i];
  for (unsigned m = 0; m < markable_count; m++) mark(packets[markable[m]], work[markable[m]], tables);
}

void Pipeline::read(Packet& packet, Work& work, const Tables& tables) {
  Parsed& parsed = work.parsed;
  parse(packet, parsed);
  packet.verdict = Verdict::Forward;
  work.is_tracked = parsed.has_tcp;
  if (work.is_tracked) {
    work.key = session_key(packet.data, parsed, settings_.hash_key);
    sessions_.prefetch(work.key.hash);
  }
  work.block = work.other_block = work.destination = HG_NONE;
  work.has_addresses =
      parsed.network != 0 && parsed.network_offset + (parsed.network == 4 ? 20u : 40u) <= packet.captured;
  if (work.has_addresses) {
    const uint8_t* ip = packet.data + parsed.network_offset;
    const uint8_t* source = ip + (parsed.network == 4 ? 12 : 8);
    const uint8_t* destination = ip + (parsed.network == 4 ? 16 : 24);
    if (settings_.direction_by_address) {
      const uint32_t from = tables.blocks.lookup(parsed.network, source);
      const uint32_t to = tables.blocks.lookup(parsed.network, destination);
      packet.direction = from != HG_NONE ? Direction::Outbound : Direction::Inbound;
      work.block = from != HG_NONE ? from : to;
      if (from != HG_NONE) work.other_block = to;
    } else {
      work.block = tables.blocks.lookup(parsed.network, packet.direction == Direction::Outbound ? source : destination);
    }
    if (!tables.destinations.empty() && packet.direction == Direction::Outbound)
      work.destination = tables.destinations.lookup(parsed.network, destination);
  }
  const WireRules& rules = tables.wires[packet.wire < kWiresMax ? packet.wire : 0];
  work.link = attribute(rules, packet, parsed);
  // Bits, since each is a branch that nobody can predict where traffic goes both ways.
  work.may_mark = (tables.marks.enabled != 0) & rules.may_mark & (packet.direction == Direction::Outbound);
}

void Pipeline::count(const Packet& packet, const Work& work, Sums& sums) {
  const Parsed& parsed = work.parsed;
  sums.frame_bytes += packet.wire_length;
  sums.network[parsed.network]++;
  if (parsed.reason != Unparsed::None) add(counts_->unparsed[static_cast<unsigned>(parsed.reason)], 1);
  if (parsed.network == 0) return;

  // A tag in the metadata is on the wire too.
  const uint32_t l2_length = packet.wire_length + (packet.has_vlan ? 4u : 0u);
  uint64_t segments = 1, ip_bytes = parsed.ip_bytes, l2_bytes = l2_length;
  if (packet.segment_bytes != 0 && parsed.payload_bytes > packet.segment_bytes) {
    // The headers that each segment of a super-packet gets of its own.
    segments = (parsed.payload_bytes + packet.segment_bytes - 1) / packet.segment_bytes;
    ip_bytes += (segments - 1) * (parsed.ip_bytes - parsed.payload_bytes);
    l2_bytes += (segments - 1) * (l2_length - parsed.payload_bytes);
  }
  const auto add_traffic = [&](uint32_t block, Direction direction) {
    hg_traffic& traffic = traffic_[traffic_index(block, work.link, direction)];
    add(traffic.packets, segments);
    add(traffic.ip_bytes, ip_bytes);
    add(traffic.l2_bytes, l2_bytes);
  };
  add_traffic(work.block, packet.direction);
  if (work.other_block != HG_NONE) add_traffic(work.other_block, Direction::Inbound);
  if (work.destination < settings_.destinations) {
    DestinationTraffic& destination = destination_[work.destination];
    add(destination.packets, segments);
    add(destination.l2_bytes, l2_bytes);
  }
  if (parsed.destination_port == 53 && parsed.has_ports && is_dns_query(packet, parsed)) {
    // Only questions to our own name servers, where blocks say which addresses are ours.
    const bool is_to_us = packet.direction == Direction::Inbound || work.other_block != HG_NONE;
    if (is_to_us && (settings_.blocks == 0 || work.block != HG_NONE)) {
      const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
      if (!resolvers_.notice(packet.data, parsed, settings_.hash_key, now_ms)) add(counts_->resolvers_refused, 1);
    }
  }
}

void Pipeline::follow_tcp(const Packet& packet, Work& work, Samples& samples) {
  const uint32_t now_us = static_cast<uint32_t>(packet.time_ns / 1'000);
  const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  add(counts_->tcp_segments, 1);
  Session* session = sessions_.find(work.key);
  if (session == nullptr) {
    // A reset of a session that we do not know begins none.
    if (work.parsed.tcp_flags & kTcpRst) return;
    session = sessions_.insert(work.key, now_ms);
    if (session == nullptr) {
      add(counts_->sessions_refused, 1);
      return;
    }
    add(counts_->sessions, 1);
  }
  session->link = work.link;
  const Tracked tracked = track(*session, work.key.side, work.parsed, packet.segment_bytes, now_us, now_ms);
  record(packet, work, tracked, samples);
}

void Pipeline::record(const Packet& packet, const Work& work, const Tracked& tracked, Samples& samples) {
  hg_tcp_counts& counts = tcp_[link_index(work.link, packet.direction)];
  if (tracked.segment_class == SegmentClass::New) {
    add(counts.data_segments, tracked.segments);
    add(counts.data_bytes, tracked.new_bytes);
  } else if (tracked.segment_class != SegmentClass::NoData) {
    switch (tracked.segment_class) {
      case SegmentClass::LostBeyond:
        add(counts.lost_beyond, tracked.old_segments);
        break;
      case SegmentClass::LostBefore:
        add(counts.lost_before, tracked.old_segments);
        break;
      case SegmentClass::Spurious:
        add(counts.spurious, tracked.old_segments);
        break;
      case SegmentClass::Reordered:
        add(counts.reordered, tracked.old_segments);
        break;
      case SegmentClass::Duplicate:
        add(counts.duplicates, tracked.old_segments);
        break;
      case SegmentClass::KeepAlive:
        add(counts.keep_alives, 1);
        break;
      case SegmentClass::WindowProbe:
        add(counts.window_probes, 1);
        break;
      default:
        break;
    }
    if (is_retransmission(tracked.segment_class)) add(counts.retransmitted_bytes, tracked.old_bytes);
    const bool is_data = is_retransmission(tracked.segment_class) || tracked.segment_class == SegmentClass::Reordered;
    if (is_data) add(counts.data_segments, tracked.segments), add(counts.data_bytes, tracked.new_bytes);
    if (events_ != nullptr) {
      if (events_->count < events_->capacity) {
        events_->items[events_->count++] = {packet.frame, tracked.segment_class, packet.direction, work.link};
      } else {
        events_->lost++;
      }
    }
  }
  if (tracked.is_resync) add(counts_->resyncs, 1);
  if (tracked.has_rtt) {
    // This packet came back from the end that it came from.
    const Direction towards = packet.direction == Direction::Inbound ? Direction::Outbound : Direction::Inbound;
    RttHistogram& rtt = rtt_[link_index(work.link, towards)];
    rtt.add(tracked.rtt_us);
    if (towards == Direction::Outbound && work.block < settings_.blocks) {
      // Its cache line comes while the rest of the batch is worked on.
      uint32_t* const bucket = &block_rtt_[work.block].bucket[BlockRtt::index_of(tracked.rtt_us)];
      __builtin_prefetch(bucket, 1);
      samples.bucket[samples.count++] = bucket;
    }
  }
}

// The link that the published tables give an outbound packet's session; HG_LINK_UNKNOWN leaves it alone.
uint8_t Pipeline::choose(const Packet& packet, const Work& work, const Tables& tables) {
  const Parsed& parsed = work.parsed;
  if (!work.has_addresses) return HG_LINK_UNKNOWN;
  const uint8_t* ip = packet.data + parsed.network_offset;
  uint32_t source[4], destination[4];
  const uint32_t words = parsed.network == 4 ? 1 : 4;
  std::memcpy(source, ip + (words == 1 ? 12 : 8), words * 4);
  std::memcpy(destination, ip + (words == 1 ? 16 : 24), words * 4);
  const bool has_ports = parsed.has_ports && parsed.fragment == Fragment::Whole;
  const uint32_t ports = has_ports ? load<uint32_t>(packet.data + parsed.transport_offset) : 0;
  const uint32_t hash = hg_tuple_hash(source, destination, words, ports, parsed.protocol);
  const uint8_t planned = work.destination < tables.destination_link.size()
                              ? tables.destination_link[work.destination]
                              : static_cast<uint8_t>(HG_LINK_UNKNOWN);
  return hg_choose_link(&tables.marks, planned, hash);
}

void Pipeline::mark(Packet& packet, const Work& work, const Tables& tables) {
  if (!work.may_mark || !work.has_addresses) return;
  const Parsed& parsed = work.parsed;
  const hg_mark none = {HG_VLAN_NONE, HG_DSCP_NONE, 0};
  const hg_mark chosen = work.chosen < HG_LINKS_MAX ? tables.marks.marks[work.chosen] : none;
  bool is_changed = false;
  if (chosen.dscp != HG_DSCP_NONE) {
    is_changed = set_dscp(packet, parsed, chosen.dscp);
  } else if (tables.marks.reserved_dscp >> (parsed.tos >> 2) & 1) {
    is_changed = set_dscp(packet, parsed, 0);
    if (is_changed) add(counts_->cleared, 1);
  }
  if (chosen.vlan != HG_VLAN_NONE) is_changed |= set_vlan(packet, parsed, chosen.vlan);
  if (!is_changed) return;
  packet.verdict = Verdict::ForwardMarked;
  add(counts_->marked, 1);
}

}  // namespace headgate
