// Parser, attribution, counters, tracker, resolvers and rewriter together, on a sequence of hostile packets.
// What must hold: no read or write outside a packet, the short cut of the parser agrees with the general way,
// a packet leaves as it came but for its marks, and every packet is counted once.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/pipeline.h"
#include "runtime/memory.h"

using namespace headgate;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Bytes of the packet that a mark may change.
bool is_marked_byte(const Parsed& parsed, size_t at) {
  if (parsed.first_tag_offset != kNowhere && (at == parsed.first_tag_offset + 2u || at == parsed.first_tag_offset + 3u))
    return true;
  if (parsed.network_offset == kNowhere || at < parsed.network_offset) return false;
  const size_t in_header = at - parsed.network_offset;
  return parsed.network == 4 ? in_header == 1 || in_header == 10 || in_header == 11 : in_header <= 1;
}

void pass_one(Pipeline& pipeline, const uint8_t* content, uint32_t length, uint8_t shape, uint64_t time_ns) {
  constexpr uint16_t link_types[] = {1, 1, 1, 101, 113, 276, 0, 9};
  // A buffer of exactly its size, so that the sanitizer sees the first byte outside.
  std::vector<uint8_t> bytes(kHeadroom + length);
  if (length > 0) std::memcpy(bytes.data() + kHeadroom, content, length);
  bytes.shrink_to_fit();
  Packet packet{};
  packet.data = bytes.data() + kHeadroom;
  packet.captured = length;
  packet.wire_length = length + ((shape & 0x40) != 0 ? 1400u : 0u);
  packet.link_type = link_types[shape & 7];
  packet.direction = (shape & 8) != 0 ? Direction::Outbound : Direction::Inbound;
  packet.segment_bytes = (shape & 0x10) != 0 ? 1000 : 0;
  packet.has_vlan = (shape & 0x20) != 0;
  packet.vlan_tci = 0x2005;
  packet.time_ns = time_ns;
  Parsed fast, slow;
  parse(packet, fast);
  parse_any(packet, slow);
  require(fast == slow);

  const std::vector<uint8_t> before(packet.data, packet.data + packet.captured);
  const uint64_t counted = pipeline.counts().packets;
  pipeline.process(&packet, 1);
  require(pipeline.counts().packets == counted + 1);
  const size_t grown = packet.captured - before.size();
  require(grown == 0 || (grown == 4 && packet.verdict == Verdict::ForwardMarked && before.size() >= 14));
  if (packet.direction == Direction::Inbound) require(packet.verdict == Verdict::Forward);
  for (size_t i = 0; i < before.size(); i++) {
    const size_t at = grown != 0 && i >= 12 ? i + grown : i;
    if (packet.data[at] == before[i]) continue;
    require(packet.verdict == Verdict::ForwardMarked && is_marked_byte(fast, i));
  }
}

// `is_plain`: without what only some units ask for.
PipelineSettings settings(bool is_plain) {
  PipelineSettings settings;
  settings.session_slots = 64;
  settings.resolver_slots = 16;
  settings.blocks = 3;
  settings.destinations = 1;
  settings.links = 3;
  settings.follows_spin = !is_plain;
  settings.finds_heaviest = !is_plain;
  settings.half_share = is_plain ? 0 : uint64_t{1} << 32;
  return settings;
}

// The memory of a pipeline with these settings; what an input leaves there is cleared before the next.
struct Room {
  explicit Room(bool is_plain) : chosen(settings(is_plain)), memory(Pipeline::bytes(chosen)) {}
  PipelineSettings chosen;
  Memory memory;
};

// Built once: a pipeline only reads its tables.
struct Published : Tables {
  Published() {
    Tables& tables = *this;
    tables.blocks = PrefixTable({{0x0a000000, 8, 0}, {0x0a010000, 16, 1}}, {{Address6{0x20010db8} << 96, 32, 2}});
    tables.destinations = PrefixTable({{0xc0000000, 2, destination_value(2, 0)}}, {});
    hg_mark_table& marks = tables.marks.table;
    marks.enabled = 1;
    marks.reserved_dscp = 1 << 10;
    marks.ways = 1;
    marks.otherwise = HG_LINKS_MAX;
    marks.since_ns[0] = 1;
    for (unsigned i = 0; i < HG_BUCKETS; i++)
      tables.marks.buckets.push_back({static_cast<uint8_t>(i % 4 == 3 ? HG_LINK_PLAIN : i % 4),
                                      static_cast<uint8_t>(i % 3 == 0 ? HG_LINK_UNKNOWN : i % 5)});
    marks.marks[0].dscp = 10;
    marks.marks[1].vlan = 101;
    marks.marks[2].dscp = 12;
    tables.wires[0].may_mark = true;
    tables.wires[0].by_vlan = true;
    tables.wires[0].vlan_link[5] = 1;
  }
};

}  // namespace

// Records of: shape, gap in 2 ms, length (two bytes), content. The highest bit of the first shape asks for everything.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Published tables;
  static const Room plain(true), whole(false);
  const Room& room = size > 0 && (data[0] & 0x80) != 0 ? whole : plain;
  std::memset(room.memory.data(), 0, Pipeline::bytes(room.chosen));
  Pipeline pipeline(room.chosen, room.memory.data());
  pipeline.publish(&tables);
  uint64_t time_ns = 1'700'000'000'000'000'000;
  while (size >= 4) {
    const uint8_t shape = data[0];
    time_ns += data[1] * 2'000'000ull;
    const auto length = static_cast<uint32_t>(std::min<size_t>(data[2] | (data[3] & 7) << 8, size - 4));
    pass_one(pipeline, data + 4, length, shape, time_ns);
    data += 4 + length;
    size -= 4 + length;
  }
  if (room.chosen.half_share != 0) {
    std::vector<hg_half_segment> halves;
    pipeline.halves().drain(&halves);
    for (const hg_half_segment& half : halves) require(half.direction <= 1);
  }
  return 0;
}
