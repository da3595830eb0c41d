#include "core/network_table.h"

#include "support.h"

namespace headgate::test {
namespace {

// An IPv4 header with this source and destination.
struct Pair {
  std::vector<uint8_t> bytes;

  Pair(uint32_t source, uint32_t destination) : bytes(20) {
    for (unsigned i = 0; i < 4; i++) {
      bytes[12 + i] = static_cast<uint8_t>(source >> (24 - i * 8));
      bytes[16 + i] = static_cast<uint8_t>(destination >> (24 - i * 8));
    }
  }
};

constexpr uint32_t kOurs = 0xc6336401;  // 198.51.100.1

struct Table {
  explicit Table(size_t slots) : memory(NetworkTable::bytes(slots)), table(memory.data(), slots) {
    for (auto& word : secret.word) word = 0x9e3779b97f4a7c15;
  }
  bool session(uint32_t from, uint32_t now_ms) {
    const Pair pair(from, kOurs);
    return table.note_session(pair.bytes.data(), 4, true, secret, now_ms);
  }
  void query(uint32_t from, uint32_t now_ms) {
    const Pair pair(from, kOurs);
    table.note_query(pair.bytes.data(), 4, now_ms);
  }
  void rtt(uint32_t from, uint8_t link, uint32_t rtt_us, unsigned times) {
    const Pair pair(from, kOurs);
    for (unsigned i = 0; i < times; i++)
      table.note_rtt(pair.bytes.data(), 4, link, rtt_us, secret);
  }
  const Network* find(uint32_t address) {
    const Network* found = nullptr;
    table.each([&](const Network& at) {
      if (at.prefix == (address & ~0xffu)) found = &at;
    });
    return found;
  }
  Memory memory;
  NetworkTable table;
  HashKey secret{};
};

}  // namespace

TEST_CASE("sessions are counted by network, with the host that came last") {
  Table table(64);
  CHECK(table.session(0xc0000207, 1));
  CHECK(table.session(0xc0000209, 2));
  CHECK(table.session(0xcb007101, 3));
  REQUIRE(table.find(0xc0000200) != nullptr);
  CHECK(table.find(0xc0000200)->sessions == 2);
  CHECK(table.find(0xc0000200)->host[1] == 0xc0000209);
  CHECK(table.find(0xcb007100)->sessions == 1);
}

TEST_CASE("a network belongs to the resolver that asks before most of its sessions") {
  Table table(64);
  const uint32_t right = 0x08080808, wrong = 0x01010101;
  uint32_t now = 1000;
  for (int i = 0; i < 30; i++) {
    // A third of the sessions come behind somebody else's question.
    table.query(i % 3 == 0 ? wrong : right, now);
    table.session(0xc0000207, now + 100);
    now += 10'000;
  }
  const Network* network = table.find(0xc0000200);
  REQUIRE(network != nullptr);
  CHECK(network->resolver[1] == right);
  CHECK(network->resolver_votes == 10);
  // A session that comes long after any question follows none.
  table.session(0xcb007101, now);
  CHECK(table.find(0xcb007100)->resolver_votes == 0);
}

TEST_CASE("round trips are kept by link, and follow what changes") {
  Table table(64);
  table.session(0xc0000207, 1);
  table.rtt(0xc0000207, 0, 20'000, 40);
  table.rtt(0xc0000207, 1, 90'000, 40);
  const Network* network = table.find(0xc0000200);
  const auto of = [&](uint8_t link) {
    for (const NetworkRtt& rtt : network->rtt)
      if (rtt.samples > 0 && rtt.link == link) return rtt.rtt_us;
    return 0u;
  };
  CHECK(of(0) == 20'000);
  CHECK(of(1) == 90'000);
  table.rtt(0xc0000207, 0, 60'000, 40);
  CHECK(of(0) > 59'000);
  // A fifth link takes the place of the one that is known least.
  for (uint8_t link = 2; link < 5; link++) table.rtt(0xc0000207, link, 1000u * link, 2);
  CHECK(of(4) == 4000);
  CHECK(of(0) > 59'000);
  // Of a network without sessions nothing is kept.
  table.rtt(0xcb007101, 0, 1, 8);
  CHECK(table.find(0xcb007100) == nullptr);
}

TEST_CASE("a scan of a million networks pushes out none that comes again and again") {
  Table table(1024);
  for (uint32_t i = 0; i < 300; i++) {
    for (int times = 0; times < 5; times++) table.session(0x0a000000 + i * 256 + 1, 1);
  }
  Random random(7);
  const uint32_t scans = is_long() ? 1'000'000 : 100'000;
  for (uint32_t i = 0; i < scans; i++) table.session(0x50000000 + random.below(1 << 28), 2);
  for (uint32_t i = 0; i < 300; i++) {
    const Network* network = table.find(0x0a000000 + i * 256);
    REQUIRE(network != nullptr);
    CHECK(network->sessions == 5);
  }
}

}  // namespace headgate::test
