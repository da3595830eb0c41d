// What an engine tells of its wires: sums over them, and over the packet loops of each.
#include <algorithm>
#include <string>

#include "drivers/driver.h"
#include "runtime/engine_member.h"
#include "runtime/merge.h"
#include "runtime/tcp_counts.h"

namespace headgate {
namespace {

// `is_marked_here`: otherwise the kernel chooses links, and says what came of it.
void add(hg_pipeline_counts* sum, const Pipeline& pipeline, bool is_marked_here) {
  const PipelineCounts& counts = pipeline.counts();
  for (uint32_t reason = 0; reason < HG_UNPARSED; reason++) sum->unparsed[reason] += read(counts.unparsed[reason]);
  sum->sessions_begun += read(counts.sessions);
  sum->sessions_refused += read(counts.sessions_refused);
  sum->session_slots += pipeline.settings().session_slots;
  sum->resyncs += read(counts.resyncs);
  sum->resolvers_refused += read(counts.resolvers_refused);
  sum->networks_refused += read(counts.networks_refused);
  if (!is_marked_here) return;
  sum->marked += read(counts.marked);
  sum->cleared += read(counts.cleared);
  sum->sessions_kept += read(counts.sessions_kept);
  sum->sessions_remarked += read(counts.sessions_remarked);
  sum->exceptions += read(counts.exceptions);
  sum->exceptions_max += HG_EXCEPTIONS_MAX;
  sum->exceptions_lost += read(counts.exceptions_lost);
  for (uint32_t link = 0; link < HG_LINKS_MAX; link++) sum->sessions_marked[link] += read(counts.sessions_marked[link]);
}

hg_rtt_counts summarise(const RttHistogram& histogram) {
  hg_rtt_counts counts = {};
  counts.samples = histogram.samples;
  counts.p50_us = static_cast<uint64_t>(histogram.quantile(0.50));
  counts.p95_us = static_cast<uint64_t>(histogram.quantile(0.95));
  counts.p99_us = static_cast<uint64_t>(histogram.quantile(0.99));
  uint32_t at = 0;
  for (unsigned i = 0; i < RttHistogram::kBuckets; i++) {
    while (at < kRttBoundsUs.size() && RttHistogram::value_of(i) > kRttBoundsUs[at]) at++;
    counts.bucket[at] += histogram.bucket[i];
  }
  return counts;
}

// What one packet loop of a wire sent on, lost and threw away.
void add(hg_wire_counts* sum, const PacketLoop& loop) {
  const std::array<hg_passed, 2> passed = loop.passed();
  for (const uint32_t direction : {HG_INBOUND, HG_OUTBOUND}) {
    sum->by_worker[sum->workers][direction] = passed[direction];
    sum->unit[direction].frames += passed[direction].frames;
    sum->unit[direction].packets += passed[direction].packets;
    sum->unit[direction].bytes += passed[direction].bytes;
  }
  for (uint32_t why = 0; why < kLosses; why++) {
    sum->lost_inbound[why] += loop.losses()[HG_INBOUND].by_reason[why].get();
    sum->lost_outbound[why] += loop.losses()[HG_OUTBOUND].by_reason[why].get();
  }
  sum->discarded += loop.discarded();
  sum->workers++;
}

// Of one pipeline: `rtt` gets its round trips too.
void add(hg_quic_counts* sum, RttHistogram* rtt, const Pipeline& pipeline) {
  const SpinCounts& counts = pipeline.spin();
  sum->sessions += read(counts.sessions);
  sum->spinning += read(counts.spinning);
  sum->refused += read(counts.refused);
  rtt->add(pipeline.spin_rtt());
}

void summarise(const RttHistogram& rtt, hg_quic_counts* counts) {
  counts->samples = rtt.samples;
  counts->p5_us = static_cast<uint64_t>(rtt.quantile(0.05));
  counts->p25_us = static_cast<uint64_t>(rtt.quantile(0.25));
}

// What the packet loops of a wire each tell, one after the other.
template <typename T>
std::vector<T> gathered(const Wire& wire, std::vector<T> (PacketLoop::*tell)() const) {
  std::vector<T> all;
  for (const PacketLoop* loop : wire.loops()) {
    const std::vector<T> own = (loop->*tell)();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

// Of one wire; TypeScript reads them once a cycle.
constexpr size_t kNetworksTold = 2048;
constexpr size_t kHeaviestTold = 1024;

// The first `most` by what `is_more` compares, in any order.
template <typename T, typename IsMore>
void keep_most(std::vector<T>* all, size_t most, IsMore is_more) {
  if (all->size() <= most) return;
  std::nth_element(all->begin(), all->begin() + static_cast<ptrdiff_t>(most), all->end(), is_more);
  all->resize(most);
}

// The octets of an address that is kept as two words, IPv4 in the low one.
void write_address(uint8_t* at, const uint64_t* words, uint8_t family) {
  if (family == 6) {
    for (unsigned i = 0; i < 16; i++) at[i] = static_cast<uint8_t>(words[i / 8] >> (56 - i % 8 * 8));
  } else {
    for (unsigned i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(words[1] >> (24 - i * 8));
  }
}

}  // namespace

std::vector<hg_block_cell> Engine::block_cells() const {
  std::vector<hg_block_cell> cells;
  for (uint32_t block = 0; block <= capacity_.blocks; block++) {
    for (uint32_t column = 0; column <= capacity_.links; column++) {
      const uint32_t link = column < capacity_.links ? column : HG_LINK_UNKNOWN;
      for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
        hg_traffic sum = {};
        for (const auto& member : members_) add(&sum, member->traffic(block, link, direction));
        if (sum.packets == 0) continue;
        cells.push_back({block, static_cast<hg_u16>(link), static_cast<hg_u16>(direction), sum});
      }
    }
  }
  return cells;
}

std::vector<hg_destination_cell> Engine::destination_cells() const {
  std::vector<hg_destination_cell> cells;
  for (uint32_t index = 0; index < capacity_.destinations; index++) {
    hg_destination_cell sum = {index, 0, 0, 0};
    for (const auto& member : members_) {
      const hg_destination_count traffic = member->destination(index);
      sum.packets += traffic.packets;
      sum.l2_bytes += traffic.l2_bytes;
    }
    if (sum.packets != 0) cells.push_back(sum);
  }
  return cells;
}

// Of all packet loops. With tc and xdp these follow copies of heads, and nobody else counts round trips.
BlockRtt Engine::block_rtt(uint32_t block) const {
  BlockRtt sum = {};
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) add(&sum, pipeline->block_rtt(block));
  }
  return sum;
}

std::vector<hg_block_rtt> Engine::block_rtts(uint32_t first, uint32_t count, bool ends_stretch) {
  std::vector<hg_block_rtt> all(count);
  if (members_.empty()) return all;
  for (uint32_t i = 0; i < count && first + i < capacity_.blocks; i++) {
    const BlockRtt now = block_rtt(first + i);
    all[i] = summarise(recent_rtt_->recent(first + i, now));
    if (ends_stretch) recent_rtt_->end_stretch(first + i, now);
  }
  return all;
}

void Engine::forget_block_rtts(std::span<const uint32_t> blocks) {
  if (members_.empty()) return;
  for (const uint32_t block : blocks) {
    if (block < capacity_.blocks) recent_rtt_->forget(block, block_rtt(block));
  }
}

std::vector<hg_link_counts> Engine::link_counts() const {
  std::vector<hg_link_counts> all;
  const auto histogram = std::make_unique<RttHistogram>();
  for (uint32_t column = 0; column <= capacity_.links; column++) {
    const uint32_t link = column < capacity_.links ? column : HG_LINK_UNKNOWN;
    hg_link_counts counts = {};
    for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
      *histogram = {};
      for (const auto& member : members_) {
        for (const auto& pipeline : member->pipelines) {
          add(&counts.tcp[static_cast<uint32_t>(direction)], pipeline->tcp(link, direction));
          histogram->add(pipeline->rtt(link, direction));
        }
      }
      counts.rtt[static_cast<uint32_t>(direction)] = summarise(*histogram);
    }
    all.push_back(counts);
  }
  return all;
}

hg_pipeline_counts Engine::pipeline_counts() const {
  static_assert(HG_UNPARSED == kUnparsedReasons);
  hg_pipeline_counts sum = {};
  sum.generation = generation_in_use();
  for (const auto& member : members_) {
    const bool is_marked_here = !member->is_counted_by_kernel();
    for (const auto& pipeline : member->pipelines) add(&sum, *pipeline, is_marked_here);
    for (const PacketLoop* loop : member->wire->loops()) sum.sessions_occupied += loop->sessions_occupied();
    const hg_tallies tallies = member->tallies();
    sum.marked += tallies.marked;
    sum.cleared += tallies.cleared;
    sum.sessions_kept += tallies.kept;
    sum.sessions_remarked += tallies.remarked;
    if (is_marked_here)
      sum.exceptions -= std::min(sum.exceptions, (member->pipelines.size() - 1) * member->wire->inherited());
    else
      sum.exceptions += member->wire->exceptions();
    if (!is_marked_here) sum.exceptions_max += HG_EXCEPTIONS_MAX;
    for (uint32_t link = 0; link < HG_LINKS_MAX; link++) sum.sessions_marked[link] += tallies.sessions[link];
  }
  return sum;
}

std::vector<hg_network> Engine::networks() const {
  std::vector<hg_network> all;
  for (const auto& member : members_) {
    std::vector<Network> own = gathered(*member->wire, &PacketLoop::networks);
    if (member->pipelines.size() > 1) merge(&own);
    keep_most(&own, kNetworksTold, [](const Network& a, const Network& b) { return a.sessions > b.sessions; });
    for (const Network& each : own) {
      hg_network record = {};
      const uint64_t prefix[2] = {each.family == 6 ? each.prefix : 0, each.family == 4 ? each.prefix : 0};
      write_address(record.prefix, prefix, each.family);
      write_address(record.host, each.host, each.family);
      write_address(record.resolver, each.resolver, each.resolver_family);
      record.resolver_votes = each.resolver_votes;
      record.sessions = each.sessions;
      record.family = each.family;
      record.resolver_family = each.resolver_family;
      for (unsigned i = 0; i < HG_NETWORK_LINKS; i++)
        record.rtt[i] = {each.rtt[i].rtt_us, each.rtt[i].samples, each.rtt[i].link, 0};
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_heavy_session> Engine::heaviest() const {
  std::vector<hg_heavy_session> all;
  for (const auto& member : members_) {
    std::vector<HeavySession> own = gathered(*member->wire, &PacketLoop::heaviest);
    keep_most(&own, kHeaviestTold, [](const HeavySession& a, const HeavySession& b) { return a.bytes > b.bytes; });
    for (const HeavySession& each : own) {
      hg_heavy_session record = {};
      write_address(record.source, each.source, each.family);
      write_address(record.destination, each.destination, each.family);
      record.l2_bytes = each.bytes;
      record.source_port = each.source_port;
      record.destination_port = each.destination_port;
      record.family = each.family;
      record.protocol = each.protocol;
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_half_segment> Engine::half_segments(uint64_t* lost) {
  std::vector<hg_half_segment> all;
  *lost = 0;
  if (capacity_.half_share == 0) return all;
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) {
      pipeline->halves().drain(&all);
      *lost += pipeline->halves().lost();
    }
  }
  return all;
}

std::vector<hg_resolver> Engine::resolvers() const {
  std::vector<hg_resolver> all;
  for (const auto& member : members_) {
    std::vector<Resolver> own = gathered(*member->wire, &PacketLoop::resolvers);
    if (member->pipelines.size() > 1) merge(&own);
    for (const Resolver& each : own) {
      hg_resolver record = {};
      write_address(record.address, each.address, each.network);
      record.queries = each.queries;
      record.family = each.network;
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_wire_counts> Engine::wire_counts() const {
  static_assert(HG_LOSSES == kLosses);
  std::vector<hg_wire_counts> all;
  for (const auto& member : members_) {
    hg_wire_counts counts = {};
    for (const PacketLoop* loop : member->wire->loops()) add(&counts, *loop);
    // With tc and xdp the unit is never bypassed: the kernel's counts are the unit's.
    if (member->options.driver == DriverKind::AfPacket && member->gate.is_open()) {
      for (const uint32_t direction : {HG_INBOUND, HG_OUTBOUND}) counts.bypass[direction] = member->gate.bypassed(direction);
    }
    const hg_tallies tallies = member->tallies();
    counts.copies_due = tallies.copies_due;
    counts.copies_lost = tallies.copies_lost;
    counts.copies_left_out = tallies.copies_left_out;
    if (member->options.driver == DriverKind::AfPacket) {
      // What is forwarded here needs no copy; what is not followed is left out all the same.
      for (const auto& pipeline : member->pipelines) {
        counts.copies_due += read(pipeline->counts().tcp_segments);
        counts.copies_left_out += read(pipeline->counts().left_out);
      }
    }
    counts.unmarked = tallies.unmarked;
    if (capacity_.follows_spin) {
      const auto rtt = std::make_unique<RttHistogram>();
      for (const auto& pipeline : member->pipelines) add(&counts.quic, rtt.get(), *pipeline);
      summarise(*rtt, &counts.quic);
    }
    counts.driver = static_cast<uint64_t>(member->options.driver);
    counts.state = static_cast<uint64_t>(member->state());
    all.push_back(counts);
  }
  return all;
}

std::vector<std::string> Engine::findings() const {
  std::vector<std::string> all;
  for (const auto& member : members_) {
    for (const std::string& line : member->wire->findings()) all.push_back(line);
    if (member->options.driver == DriverKind::AfPacket && !member->gate.is_open())
      all.push_back("wire " + member->options.name +
                    " has nothing installed: it is cut while headgate does not run; `headgate wire install` changes that");
  }
  return all;
}

}  // namespace headgate
