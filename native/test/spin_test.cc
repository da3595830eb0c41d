#include "core/spin_table.h"

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

constexpr uint32_t kClient = 0x0a000005, kServer = 0xc6336401;
// Between the unit and either end, there and back.
constexpr uint32_t kClientUs = 6'000, kServerUs = 30'000;

std::vector<uint8_t> quic(bool from_client, uint16_t client_port, bool bit, uint8_t first = 0x40,
                          uint32_t payload = 40) {
  TcpShape shape;
  shape.source = from_client ? kClient : kServer;
  shape.destination = from_client ? kServer : kClient;
  shape.source_port = from_client ? client_port : kQuicPort;
  shape.destination_port = from_client ? kQuicPort : client_port;
  shape.payload = payload;
  auto bytes = ipv4_tcp(shape);
  bytes[9] = kProtocolUdp;
  store_be16(&bytes[24], static_cast<uint16_t>(bytes.size() - 20));
  bytes[28] = static_cast<uint8_t>(first | (bit ? 0x20 : 0));
  return bytes;
}

struct Unit {
  static PipelineSettings settings() {
    PipelineSettings settings;
    settings.session_slots = 64;
    settings.follows_spin = true;
    return settings;
  }
  Owned owned{settings()};
  Pipeline& pipeline = owned.pipeline;

  void pass(const std::vector<uint8_t>& bytes, uint64_t now_us) {
    Frame frame(bytes, 101, now_us);
    pipeline.process(&frame.packet, 1);
  }
  // Packets of both ends for so many round trips; `bit_of(is_client, turn)` is what an end sends in a turn.
  template <typename BitOf>
  void converse(uint16_t port, unsigned turns, unsigned packets, BitOf bit_of) {
    uint64_t now_us = 1'000'000'000 + port * 17ull;
    for (unsigned turn = 0; turn < turns; turn++) {
      for (const bool is_client : {true, false}) {
        for (unsigned i = 0; i < packets; i++) pass(quic(is_client, port, bit_of(is_client, turn)), now_us + i * 20);
        now_us += is_client ? kServerUs : kClientUs;
      }
    }
  }
};

// As RFC 9000 says: the client turns, the server follows.
bool turning(bool, unsigned turn) { return turn & 1; }

}  // namespace

TEST_CASE("a spinning session's round trips are those to either end") {
  Unit unit;
  unit.converse(5000, 40, 5, turning);
  CHECK(unit.pipeline.spin().sessions == 1);
  CHECK(unit.pipeline.spin().spinning == 1);
  CHECK(unit.pipeline.spin_rtt().samples >= 60);
  CHECK(unit.pipeline.spin_rtt().quantile(0.05) == doctest::Approx(kClientUs).epsilon(0.01));
  CHECK(unit.pipeline.spin_rtt().quantile(0.95) == doctest::Approx(kServerUs).epsilon(0.01));
}

TEST_CASE("sessions that take no part in spinning give no round trip and are told apart") {
  INFO("seed ", seed());
  Unit unit;
  Random random(50);
  unit.converse(5001, 40, 5, [](bool, unsigned) { return false; });
  unit.converse(5002, 40, 5, [](bool is_client, unsigned) { return is_client; });
  CHECK(unit.pipeline.spin().spinning == 0);
  CHECK(unit.pipeline.spin_rtt().samples == 0);
  // At random, as RFC 9000 has it of those who disable it: 30 packets each, of 100 sessions.
  for (uint16_t port = 6000; port < 6100; port++)
    unit.converse(port, 15, 1, [&random](bool, unsigned) { return random.one_in(2); });
  CHECK(unit.pipeline.spin().sessions == 102);
  CHECK(unit.pipeline.spin().spinning < 35);
  // One end alone cannot spin.
  const uint64_t before = unit.pipeline.spin_rtt().samples;
  unit.converse(7000, 40, 5, [](bool is_client, unsigned turn) { return is_client && (turn & 1); });
  CHECK(unit.pipeline.spin_rtt().samples == before);
}

TEST_CASE("a packet that was overtaken at a turn is no turn") {
  Unit unit;
  uint64_t now_us = 1'000'000'000;
  for (unsigned turn = 0; turn < 40; turn++) {
    for (const bool is_client : {true, false}) {
      unit.pass(quic(is_client, 5000, turn & 1), now_us);
      unit.pass(quic(is_client, 5000, (turn & 1) == 0), now_us + 30);
      unit.pass(quic(is_client, 5000, turn & 1), now_us + 60);
      now_us += is_client ? kServerUs : kClientUs;
    }
  }
  CHECK(unit.pipeline.spin().spinning == 1);
  CHECK(unit.pipeline.spin_rtt().quantile(0) == doctest::Approx(kClientUs).epsilon(0.01));
}

TEST_CASE("long headers, other ports and what is too short to be QUIC have no spin bit") {
  Unit unit;
  unit.pass(quic(true, 5000, true, 0xc0), 1'000'000);
  unit.pass(quic(true, 5000, true, 0x00), 1'000'000);
  auto other = quic(true, 5000, true);
  store_be16(&other[22], 8443);
  unit.pass(other, 1'000'000);
  unit.pass(quic(true, 5000, true, 0x40, 4), 1'000'000);
  CHECK(unit.pipeline.spin().sessions == 0);
}

TEST_CASE("more QUIC sessions than the table has room for are counted as refused") {
  Unit unit;
  for (unsigned i = 0; i < 65'536; i++) {
    auto bytes = quic(true, static_cast<uint16_t>(i), true);
    unit.pass(bytes, 1'000'000 + i);
  }
  const SpinCounts& counts = unit.pipeline.spin();
  CHECK(counts.sessions + counts.refused == 65'536);
  CHECK(counts.sessions <= kSpinSlots);
  CHECK(counts.refused > 0);
}

}  // namespace headgate::test
