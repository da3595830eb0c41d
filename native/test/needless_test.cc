#include "core/needless.h"

#include <array>

#include "support.h"

namespace headgate::test {
namespace {

constexpr uint64_t kNorth = 0x020000000002, kSouth = 0x020000000003;
using Blocks = std::vector<std::array<uint32_t, 2>>;

// One session of ours that receives: data comes in by north, and what answers it is on its way to south.
struct Download {
  Tables tables;
  Owned owned;
  std::array<TcpEvent, 64> items{};
  TcpEvents events{items.data(), items.size(), 0, 0};
  uint64_t frame = 0, time_us = 1'000'000;

  static PipelineSettings settings() {
    PipelineSettings settings;
    settings.links = 2;
    settings.session_slots = 256;
    return settings;
  }
  explicit Download(uint32_t first = 1000) : owned(settings()) {
    auto& wire = tables.wires[0];
    wire.macs = 2;
    wire.mac[0] = kNorth;
    wire.mac[1] = kSouth;
    wire.mac_link[0] = 0;
    wire.mac_link[1] = 1;
    owned.pipeline.publish(&tables);
    owned.pipeline.set_events(&events);
    data(first, 0);
    receive({}, first);
  }
  // 100 bytes, or those that are asked for.
  uint64_t data(uint32_t seq, uint32_t payload = 100) {
    TcpShape shape;
    shape.seq = seq;
    shape.ack = 1;
    shape.payload = payload;
    shape.ip_id = static_cast<uint16_t>(frame);
    return pass(shape, Direction::Inbound, kNorth);
  }
  void receive(const Blocks& sack, uint32_t ack) {
    TcpShape shape;
    std::swap(shape.source, shape.destination);
    std::swap(shape.source_port, shape.destination_port);
    shape.seq = 1;
    shape.ack = ack;
    shape.sack = sack;
    pass(shape, Direction::Outbound, kSouth);
  }
  uint64_t pass(const TcpShape& shape, Direction direction, uint64_t router) {
    auto bytes = ethernet(ipv4_tcp(shape));
    const size_t at = direction == Direction::Inbound ? 6 : 0;
    for (unsigned i = 0; i < 6; i++) bytes[at + i] = static_cast<uint8_t>(router >> (40 - 8 * i));
    Frame packet(bytes, 1, time_us += 5000);
    packet.packet.direction = direction;
    packet.packet.frame = ++frame;
    owned.pipeline.process(&packet.packet, 1);
    return frame;
  }
  const hg_tcp_counts& tcp(uint32_t link = 0) { return owned.pipeline.tcp(link, Direction::Inbound); }
};

}  // namespace

TEST_CASE("what the receiver had twice was not lost, and is taken from where it was counted") {
  Download download;
  download.data(1000);
  download.data(1100);
  const uint64_t again = download.data(1000);
  CHECK(download.tcp().lost_beyond == 1);
  download.receive({{1000, 1100}}, 1200);
  CHECK(download.tcp().lost_beyond == 1);
  CHECK(download.tcp().needless == 1);
  CHECK(download.tcp(1).needless == 0);
  REQUIRE(download.events.count == 2);
  CHECK(download.items[0].segment_class == SegmentClass::LostBeyond);
  CHECK(download.items[1].segment_class == SegmentClass::Spurious);
  CHECK(download.items[1].frame == again);
  // Once only: another report is of a copy that the network made.
  download.receive({{1000, 1100}}, 1200);
  CHECK(download.tcp().needless == 1);
}

TEST_CASE("a report of several segments takes them all back, one of a part takes nothing") {
  Download download;
  download.data(1000, 500);
  for (uint32_t seq = 1000; seq < 1400; seq += 100) download.data(seq);
  REQUIRE(download.tcp().lost_beyond == 4);
  download.receive({{1000, 1050}}, 1500);
  CHECK(download.tcp().needless == 0);
  download.receive({{1000, 1350}}, 1500);
  CHECK(download.tcp().needless == 3);
  download.receive({{1300, 1400}}, 1500);
  CHECK(download.tcp().needless == 4);
}

TEST_CASE("a report above what is acknowledged counts within the second block only") {
  Download download;
  for (uint32_t seq = 1000; seq < 1500; seq += 100) download.data(seq);
  download.data(1200);
  download.data(1300);
  REQUIRE(download.tcp().lost_beyond == 2);
  download.receive({{1200, 1300}}, 1100);
  download.receive({{1200, 1300}, {1300, 1500}}, 1100);
  CHECK(download.tcp().needless == 0);
  download.receive({{1200, 1300}, {1200, 1500}}, 1100);
  CHECK(download.tcp().needless == 1);
}

TEST_CASE("what was known to be needless, or a copy, is what the report is of") {
  Download download;
  download.data(1000);
  download.data(1100);
  download.data(1000);
  download.receive({}, 1200);
  download.data(1000);
  REQUIRE(download.tcp().lost_beyond == 1);
  REQUIRE(download.tcp().spurious == 1);
  download.receive({{1000, 1100}}, 1200);
  CHECK(download.tcp().needless == 0);
  // Nor is anything taken back of a session that nobody knows.
  Download other;
  other.receive({{1000, 1100}}, 1200);
  CHECK(other.tcp().needless == 0);
}

TEST_CASE("sent again and again, each report takes one back across the end of sequence space") {
  INFO("seed ", seed());
  Random random(77);
  for (unsigned round = 0; round < 200; round++) {
    const uint32_t base = 0u - 300 - random.below(200);
    Download download(base);
    std::vector<uint32_t> sent;
    for (uint32_t i = 0; i < 8; i++) download.data(base + i * 100);
    for (uint32_t i = 0; i < 8; i++) {
      if (random.one_in(2)) continue;
      download.data(base + i * 100);
      sent.push_back(base + i * 100);
    }
    REQUIRE(download.tcp().lost_beyond == sent.size());
    for (const uint32_t seq : sent) download.receive({{seq, seq + 100}}, base + 800);
    REQUIRE(download.tcp().needless == sent.size());
  }
}

}  // namespace headgate::test
