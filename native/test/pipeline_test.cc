#include "core/pipeline.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "core/byte_order.h"
#include "core/checksum.h"
#include "core/common_packet.h"
#include "support.h"

namespace headgate::test {
namespace {

constexpr uint32_t kOurs = 0x0a000000;  // 10.0.0.0/24 is block 3

struct Unit {
  Tables tables;
  Owned owned;
  Pipeline& pipeline = owned.pipeline;

  static PipelineSettings settings() {
    PipelineSettings settings;
    settings.blocks = 4;
    settings.links = 2;
    settings.destinations = 2;
    settings.session_slots = 256;
    return settings;
  }
  Unit() : owned(settings()) {
    tables.blocks = PrefixTable({{kOurs, 24, 3}}, {});
    pipeline.publish(&tables);
  }
  // The packet as it leaves.
  std::vector<uint8_t> pass(Frame& frame, Direction direction) {
    frame.packet.direction = direction;
    pipeline.process(&frame.packet, 1);
    return {frame.packet.data, frame.packet.data + frame.packet.captured};
  }
};

TcpShape outbound_shape() {
  TcpShape shape;
  shape.source = kOurs + 5;
  shape.tos = 0x03;  // ECN bits set
  shape.payload = 100;
  return shape;
}

}  // namespace

TEST_CASE("packets are counted for their block, link and direction, by three measures") {
  Unit unit;
  auto& wire = unit.tables.wires[0];
  wire.macs = 1;
  wire.mac[0] = 0x020000000002;
  wire.mac_link[0] = 1;
  Frame frame(ethernet(ipv4_tcp(outbound_shape())), 1);
  unit.pass(frame, Direction::Outbound);
  const hg_traffic& traffic = unit.pipeline.traffic(3, 1, Direction::Outbound);
  CHECK(traffic.packets == 1);
  CHECK(traffic.ip_bytes == 140);
  CHECK(traffic.l2_bytes == 154);
  // Inbound, the router is the sender: this frame comes from another one.
  unit.pass(frame, Direction::Inbound);
  CHECK(unit.pipeline.traffic(4, HG_LINK_UNKNOWN, Direction::Inbound).packets == 1);
}

TEST_CASE("a super-packet counts as its segments with a header each") {
  Unit unit;
  TcpShape shape = outbound_shape();
  shape.payload = 3000;
  Frame frame(ethernet(ipv4_tcp(shape)), 1);
  frame.packet.segment_bytes = 1000;
  unit.pass(frame, Direction::Outbound);
  const hg_traffic& traffic = unit.pipeline.traffic(3, HG_LINK_UNKNOWN, Direction::Outbound);
  CHECK(traffic.packets == 3);
  CHECK(traffic.ip_bytes == 3 * 1040);
  CHECK(traffic.l2_bytes == 3 * 1054);
  CHECK(unit.pipeline.tcp(HG_LINK_UNKNOWN, Direction::Outbound).data_segments == 3);
}

TEST_CASE("a DSCP mark changes the TOS octet and a right checksum, nothing else") {
  INFO("seed ", seed());
  Random random(30);
  for (unsigned round = 0; round < 2000; round++) {
    Unit unit;
    unit.tables.marks.table.enabled = 1;
    unit.tables.wires[0].may_mark = true;
    const auto dscp = static_cast<uint8_t>(random.below(64));
    unit.tables.marks.table.marks[1].dscp = dscp;
    unit.tables.destinations = PrefixTable({{0xc6336400, 24, destination_value(1, 0)}}, {});
    TcpShape shape = outbound_shape();
    shape.ip_id = static_cast<uint16_t>(random.next());
    shape.tos = static_cast<uint8_t>(random.next());
    const auto before = ethernet(ipv4_tcp(shape));
    Frame frame(before, 1);
    auto after = unit.pass(frame, Direction::Outbound);
    REQUIRE(after.size() == before.size());
    CHECK((after[15] >> 2) == dscp);
    CHECK((after[15] & 3) == (shape.tos & 3));
    CHECK(header_checksum(after.data() + 14) == 0);
    CHECK((frame.packet.verdict == Verdict::ForwardMarked) == (dscp != shape.tos >> 2));
    after[15] = before[15];
    std::copy_n(before.begin() + 24, 2, after.begin() + 24);
    CHECK(after == before);
  }
}

TEST_CASE("incremental checksums equal those made anew, for every change of every word value") {
  INFO("seed ", seed());
  Random random(31);
  for (unsigned i = 0; i < 200'000; i++) {
    uint16_t words[4] = {static_cast<uint16_t>(random.next()), static_cast<uint16_t>(random.next()),
                         static_cast<uint16_t>(random.next()), 0x4500};
    if (random.one_in(4)) words[0] = random.one_in(2) ? 0 : 0xffff;
    const auto sum_of = [&words] {
      uint32_t sum = 0;
      for (const uint16_t word : words) sum += word;
      while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
      return static_cast<uint16_t>(~sum);
    };
    const uint16_t checksum = sum_of(), before = words[0];
    words[0] = static_cast<uint16_t>(random.next());
    REQUIRE(hg_checksum_adjust(checksum, before, words[0]) == sum_of());
  }
}

TEST_CASE("a VLAN mark replaces the outermost VID, keeps its priority, or puts a tag in front") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  unit.tables.wires[0].may_mark = true;
  unit.tables.marks.table.marks[0].vlan = 101;
  unit.tables.marks.table.otherwise = 0;
  const auto ip = ipv4_tcp(outbound_shape());
  {
    Frame frame(ethernet(ip, {0xb005, 0x0007}), 1);
    CHECK(unit.pass(frame, Direction::Outbound) == ethernet(ip, {0xb000 | 101, 0x0007}));
  }
  {
    Frame frame(ethernet(ip), 1);
    CHECK(unit.pass(frame, Direction::Outbound) == ethernet(ip, {101}));
    CHECK(frame.packet.wire_length == ip.size() + 18);
  }
  {
    Frame frame(ethernet(ip), 1);
    frame.packet.has_vlan = true;
    frame.packet.vlan_tci = 0x6009;
    CHECK(unit.pass(frame, Direction::Outbound) == ethernet(ip));
    CHECK(frame.packet.vlan_tci == (0x6000 | 101));
  }
}

TEST_CASE("inbound packets and wires of place link leave as they came") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  unit.tables.marks.table.marks[0].dscp = 10;
  unit.tables.marks.table.otherwise = 0;
  const auto before = ethernet(ipv4_tcp(outbound_shape()));
  Frame on_link(before, 1);
  CHECK(unit.pass(on_link, Direction::Outbound) == before);
  unit.tables.wires[0].may_mark = true;
  Frame inbound(before, 1);
  CHECK(unit.pass(inbound, Direction::Inbound) == before);
  Frame outbound(before, 1);
  CHECK(unit.pass(outbound, Direction::Outbound) != before);
}

TEST_CASE("a host may not set a DSCP that means a link") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  unit.tables.wires[0].may_mark = true;
  unit.tables.marks.table.reserved_dscp = 1ull << 10;
  TcpShape shape = outbound_shape();
  shape.tos = 10 << 2 | 1;
  Frame frame(ethernet(ipv4_tcp(shape)), 1);
  const auto after = unit.pass(frame, Direction::Outbound);
  CHECK(after[15] == 1);
  CHECK(header_checksum(after.data() + 14) == 0);
  CHECK(unit.pipeline.counts().cleared == 1);
}

TEST_CASE("a packet whose IP header is cut short is not marked, though a mark is due") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  unit.tables.wires[0].may_mark = true;
  unit.tables.marks.table.reserved_dscp = 1ull;
  unit.tables.marks.table.marks[0] = {101, 10, 0};
  unit.tables.marks.table.otherwise = 0;
  const auto whole = ethernet(ipv4_tcp(outbound_shape()));
  for (size_t length = 14; length < 34; length++) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    Frame frame(cut, 1);
    frame.packet.wire_length = static_cast<uint32_t>(whole.size());
    CHECK(unit.pass(frame, Direction::Outbound) == cut);
    CHECK(frame.packet.verdict == Verdict::Forward);
  }
  CHECK(unit.pipeline.counts().marked == 0);
}

// The same segments behind an Ethernet header take the short way, and as raw IPv4 the general one.
TEST_CASE("the short way of the commonest packets leaves the same sessions and counts as the general one") {
  INFO("seed ", seed());
  Random random(40);
  Unit quick, general;
  struct End {
    uint32_t next, tsval;
    uint16_t ip_id;
  };
  struct Conversation {
    TcpShape shape;
    End end[2];
  };
  std::vector<Conversation> all(24);
  for (auto& each : all) {
    each.shape.source = kOurs + random.below(200);
    each.shape.destination_port = static_cast<uint16_t>(random.one_in(8) ? 53 : 80 + random.below(3));
    each.shape.source_port = static_cast<uint16_t>(random.next());
    for (auto& end : each.end) end = {static_cast<uint32_t>(random.next()), 1 + random.below(3), static_cast<uint16_t>(random.next())};
  }
  uint64_t now_us = 1'000'000'000;
  uint64_t steady = 0;
  for (unsigned i = 0; i < (is_long() ? 2'000'000u : 60'000u); i++) {
    now_us += random.one_in(5000) ? random.below(70'000'000) : random.below(3000);
    Conversation& each = all[random.below(24)];
    const unsigned side = random.below(2);
    End& own = each.end[side];
    TcpShape shape = each.shape;
    if (side == 1) std::swap(shape.source, shape.destination), std::swap(shape.source_port, shape.destination_port);
    shape.payload = random.one_in(3) ? 0 : random.one_in(30) ? random.below(4000) : 1 + random.below(1448);
    shape.seq = own.next;
    if (random.one_in(12)) shape.seq += random.one_in(40) ? static_cast<uint32_t>(random.next()) : random.below(3000) - 2000;
    shape.ack = each.end[side ^ 1].next - (random.one_in(4) ? random.below(2000) : 0);
    shape.has_timestamps = !random.one_in(60);
    own.tsval += random.one_in(3);
    shape.tsval = random.one_in(200) ? 0 : own.tsval - (random.one_in(15) ? 3 : 0);
    shape.tsecr = each.end[side ^ 1].tsval - random.below(2);
    shape.ip_id = random.one_in(25) ? static_cast<uint16_t>(random.next()) : ++own.ip_id;
    shape.window = random.one_in(50) ? 0 : 500;
    if (random.one_in(400)) shape.flags = static_cast<uint8_t>(random.next());
    if (shape.flags & kTcpSyn) shape.mss = static_cast<uint16_t>(random.one_in(2) ? 1460 : 50 + random.below(2000));
    if (static_cast<int32_t>(shape.seq + shape.payload - own.next) > 0) own.next = shape.seq + shape.payload;
    const auto ip = ipv4_tcp(shape);
    Frame a(ethernet(ip), 1, now_us), b(ip, 101, now_us);
    steady += is_common(a.packet);
    const Direction direction = side == 0 ? Direction::Outbound : Direction::Inbound;
    quick.pass(a, direction);
    general.pass(b, direction);
  }
  CHECK(steady > 1000);
  Pipeline& one = quick.pipeline;
  Pipeline& other = general.pipeline;
  for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
    CHECK(std::memcmp(&one.tcp(HG_LINK_UNKNOWN, direction), &other.tcp(HG_LINK_UNKNOWN, direction), sizeof(hg_tcp_counts)) == 0);
    CHECK(std::memcmp(&one.rtt(HG_LINK_UNKNOWN, direction), &other.rtt(HG_LINK_UNKNOWN, direction), sizeof(RttHistogram)) == 0);
    CHECK(one.traffic(3, HG_LINK_UNKNOWN, direction).packets == other.traffic(3, HG_LINK_UNKNOWN, direction).packets);
    CHECK(one.traffic(3, HG_LINK_UNKNOWN, direction).ip_bytes == other.traffic(3, HG_LINK_UNKNOWN, direction).ip_bytes);
  }
  const BlockRtt of_one = one.block_rtt(3), of_other = other.block_rtt(3);
  CHECK(std::memcmp(&of_one, &of_other, sizeof(BlockRtt)) == 0);
  CHECK(one.counts().tcp_segments == other.counts().tcp_segments);
  CHECK(one.counts().sessions == other.counts().sessions);
  CHECK(one.counts().resyncs == other.counts().resyncs);
  for (size_t i = 0; i < one.sessions().table().slots(); i++)
    REQUIRE(std::memcmp(&one.sessions().table().at(i), &other.sessions().table().at(i), sizeof(Session)) == 0);
  CHECK(one.tcp(HG_LINK_UNKNOWN, Direction::Outbound).lost_beyond > 0);
  CHECK(one.rtt(HG_LINK_UNKNOWN, Direction::Outbound).samples > 0);
}

// In a batch the common packets take their way together and the others theirs between them.
TEST_CASE("what is handed over in batches leaves the same bytes, sessions and counts as packet by packet") {
  INFO("seed ", seed());
  Random random(41);
  for (const bool by_address : {false, true}) {
    PipelineSettings settings = Unit::settings();
    settings.direction_by_address = by_address;
    Owned batched(settings), single(settings);
    Tables tables;
    tables.blocks = PrefixTable({{kOurs, 25, 1}, {kOurs + 128, 25, 2}}, {});
    tables.destinations = PrefixTable({{0xc6336400, 25, destination_value(HG_LINKS_MAX, 0)}}, {});
    tables.marks.table.enabled = 1;
    tables.marks.table.otherwise = HG_LINKS_MAX + 1;
    tables.marks.table.ways = 2;
    tables.marks.table.reserved_dscp = 1ull << 13;
    tables.marks.table.marks[1].dscp = 12;
    for (unsigned i = 0; i < 2 * HG_BUCKETS; i++)
      tables.marks.buckets.push_back({static_cast<uint8_t>(i % 3 == 0 ? HG_LINK_PLAIN : i % 2), HG_LINK_UNKNOWN});
    for (unsigned wire : {0, 1}) {
      tables.wires[wire].may_mark = wire == 0;
      tables.wires[wire].macs = 1;
      tables.wires[wire].mac[0] = 0x020000000002;
    }
    batched.pipeline.publish(&tables);
    single.pipeline.publish(&tables);
    uint64_t now_us = 1'000'000'000;
    for (unsigned round = 0; round < (is_long() ? 5'000u : 150u); round++) {
      std::deque<Frame> one, other;
      const unsigned n = 1 + random.below(3 * kBatch);
      for (unsigned i = 0; i < n; i++) {
        TcpShape shape = outbound_shape();
        shape.source = kOurs + random.below(random.one_in(9) ? 300 : 4);
        shape.destination = 0xc6336400 + random.below(256);
        if (random.one_in(9)) shape.destination = kOurs + random.below(256);
        shape.destination_port = random.one_in(20) ? 53 : 443;
        shape.seq = random.below(2000), shape.ack = random.below(2000);
        shape.has_timestamps = !random.one_in(10);
        shape.tsval = 1 + round;
        shape.tos = random.one_in(5) ? 13 << 2 : 0;
        if (random.one_in(9)) shape.flags = static_cast<uint8_t>(random.next());
        if (random.one_in(2)) std::swap(shape.source, shape.destination), std::swap(shape.source_port, shape.destination_port);
        auto bytes = ethernet(ipv4_tcp(shape), random.one_in(20) ? std::vector<uint16_t>{7} : std::vector<uint16_t>{});
        if (random.one_in(30)) bytes.resize(random.below(static_cast<uint32_t>(bytes.size())));
        now_us += random.below(50);
        one.emplace_back(bytes, uint16_t{1}, now_us);
        Packet& packet = one.back().packet;
        packet.direction = random.one_in(2) ? Direction::Outbound : Direction::Inbound;
        packet.wire = random.one_in(25) ? 1 : 0;
        packet.segment_bytes = random.one_in(25) ? 50 : 0;
        other.emplace_back(bytes, uint16_t{1}, now_us);
        uint8_t* const data = other.back().packet.data;
        other.back().packet = packet;
        other.back().packet.data = data;
      }
      std::vector<Packet> together;
      for (const Frame& frame : one) together.push_back(frame.packet);
      batched.pipeline.process(together.data(), n);
      for (unsigned i = 0; i < n; i++) {
        Packet& alone = other[i].packet;
        single.pipeline.process(&alone, 1);
        REQUIRE(together[i].verdict == alone.verdict);
        REQUIRE(together[i].direction == alone.direction);
        REQUIRE(std::equal(alone.data, alone.data + alone.captured, together[i].data));
      }
    }
    REQUIRE(std::memcmp(&batched.pipeline.counts(), &single.pipeline.counts(), sizeof(PipelineCounts)) == 0);
    for (size_t i = 0; i < batched.pipeline.sessions().table().slots(); i++)
      REQUIRE(std::memcmp(&batched.pipeline.sessions().table().at(i), &single.pipeline.sessions().table().at(i), sizeof(Session)) == 0);
    for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
      for (uint32_t link = 0; link <= settings.links; link++) {
        CHECK(std::memcmp(&batched.pipeline.tcp(link, direction), &single.pipeline.tcp(link, direction), sizeof(hg_tcp_counts)) == 0);
        for (uint32_t block = 0; block <= settings.blocks; block++) {
          const hg_traffic together = batched.pipeline.traffic(block, link, direction);
          const hg_traffic alone = single.pipeline.traffic(block, link, direction);
          CHECK(std::memcmp(&together, &alone, sizeof(hg_traffic)) == 0);
        }
      }
    }
    CHECK(batched.pipeline.counts().marked > 0);
    CHECK(batched.pipeline.destination(0).packets == single.pipeline.destination(0).packets);
    CHECK(batched.pipeline.destination(0).packets > 0);
  }
}

TEST_CASE("sessions that are not followed are counted all the same, and left out in both directions") {
  Random random(7);
  PipelineSettings settings = Unit::settings();
  for (uint64_t& word : settings.hash_key.word) word = random.next();
  Owned owned(settings);
  Tables tables;
  owned.pipeline.publish(&tables);
  owned.pipeline.follow(64);
  constexpr unsigned kSessions = 200;  // fewer than there are slots
  for (unsigned i = 0; i < kSessions; i++) {
    TcpShape there = outbound_shape();
    there.source_port = static_cast<uint16_t>(10'000 + i);
    there.has_timestamps = i % 2 == 0;  // the short way and the general one
    TcpShape back = there;
    std::swap(back.source, back.destination);
    std::swap(back.source_port, back.destination_port);
    const uint64_t before = owned.pipeline.counts().left_out;
    Frame out(ethernet(ipv4_tcp(there)), 1), in(ethernet(ipv4_tcp(back)), 1);
    out.packet.direction = Direction::Outbound;
    in.packet.direction = Direction::Inbound;
    owned.pipeline.process(&out.packet, 1);
    owned.pipeline.process(&in.packet, 1);
    REQUIRE((owned.pipeline.counts().left_out - before) % 2 == 0);
  }
  const PipelineCounts& counts = owned.pipeline.counts();
  CHECK(counts.packets == 2 * kSessions);
  CHECK(counts.tcp_segments == 2 * kSessions);
  CHECK(counts.left_out > 2 * kSessions * 50 / 100);
  CHECK(counts.left_out < 2 * kSessions * 95 / 100);
  CHECK(counts.sessions == kSessions - counts.left_out / 2);
}

TEST_CASE("an outbound packet is counted for the link that its mark names") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  unit.tables.wires[0].may_mark = true;
  unit.tables.marks.table.marks[1].dscp = 12;
  unit.tables.marks.table.otherwise = 1;
  Frame frame(ethernet(ipv4_tcp(outbound_shape())), 1);
  unit.pass(frame, Direction::Outbound);
  CHECK(unit.pipeline.traffic(3, 1, Direction::Outbound).packets == 1);
  CHECK(unit.pipeline.traffic(3, HG_LINK_UNKNOWN, Direction::Outbound).packets == 0);
}

TEST_CASE("tables are in force from the next batch on, and say so") {
  Unit unit;
  Frame frame(ethernet(ipv4_tcp(outbound_shape())), 1);
  unit.pass(frame, Direction::Outbound);
  CHECK(unit.pipeline.generation_in_use() == 0);
  Tables next;
  next.generation = 8;
  next.blocks = PrefixTable({{kOurs, 24, 1}}, {});
  unit.pipeline.publish(&next);
  unit.pass(frame, Direction::Outbound);
  CHECK(unit.pipeline.generation_in_use() == 8);
  CHECK(unit.pipeline.traffic(3, HG_LINK_UNKNOWN, Direction::Outbound).packets == 1);
  CHECK(unit.pipeline.traffic(1, HG_LINK_UNKNOWN, Direction::Outbound).packets == 1);
}

TEST_CASE("a packet cut at any length is counted, forwarded unchanged and never read past") {
  Unit unit;
  unit.tables.marks.table.enabled = 1;
  TcpShape shape = outbound_shape();
  shape.has_timestamps = true;
  shape.payload = 0;
  const auto whole = ethernet(ipv4_tcp(shape), {5, 6});
  uint64_t packets = 0;
  for (size_t length = 0; length <= whole.size(); length++) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    Frame frame(cut, 1);
    frame.packet.wire_length = static_cast<uint32_t>(whole.size());
    CHECK(unit.pass(frame, Direction::Outbound) == cut);
    packets++;
  }
  CHECK(unit.pipeline.counts().packets == packets);
}

TEST_CASE("quantiles of round-trip times are within a hundredth of the sorted values") {
  INFO("seed ", seed());
  Random random(32);
  auto histogram = std::make_unique<RttHistogram>();
  std::vector<uint32_t> values;
  for (unsigned i = 0; i < 20'000; i++) {
    const uint32_t us = random.below(1u << (4 + random.below(20)));
    values.push_back(us);
    histogram->add(us);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.05, 0.5, 0.95, 0.99}) {
    const double truth = values[static_cast<size_t>(share * 19'999)];
    CHECK(histogram->quantile(share) == doctest::Approx(truth).epsilon(0.01));
  }
}

}  // namespace headgate::test
