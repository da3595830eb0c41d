#include "core/heavy_table.h"

#include <map>
#include <random>

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

// Traffic of `sessions` sessions to one host each, drawn by `weight_of`; gives the packets that each really sent.
struct Traffic {
  Traffic() : memory(HeavyTable::kBytes), table(memory.data(), 42) {
    for (auto& word : secret.word) word = 0x9e3779b97f4a7c15 * ++seed;
  }

  void send(uint32_t session, uint32_t now_ms, uint8_t protocol = 6) {
    uint8_t ip[20] = {}, ports[4] = {};
    store(ip + 12, __builtin_bswap32(0xc6336401));
    store(ip + 16, __builtin_bswap32(0xcb007100 + session));
    store_be16(ports, static_cast<uint16_t>(40'000 + session % 10'000));
    store_be16(ports + 2, 443);
    // A batch of one packet: whether it counts is drawn.
    for (unsigned i = table.first(1); i < 1; i = table.after(i, 1))
      table.note(ip, 4, protocol, ports, {}, 1000 * kHeavyEvery, secret, now_ms);
  }
  const HeavySession* find(uint32_t session) {
    for (size_t i = 0; i < HeavyTable::slots(); i++) {
      const HeavySession& at = table.at(i);
      if (at.bytes != 0 && at.destination[1] == 0xcb007100 + session) return &at;
    }
    return nullptr;
  }
  size_t occupied() const {
    size_t count = 0;
    for (size_t i = 0; i < HeavyTable::slots(); i++) count += table.at(i).bytes != 0;
    return count;
  }

  uint64_t seed = 0;
  Memory memory;
  HeavyTable table;
  HashKey secret{};
};

}  // namespace

TEST_CASE("the heaviest sessions are among those kept, with their bytes within the error of sampling") {
  Traffic traffic;
  std::mt19937 random(7);
  constexpr uint32_t kElephants = 16, kMice = 100'000;
  std::map<uint32_t, uint64_t> sent;
  for (unsigned i = 0; i < 1'000'000; i++) {
    // Half of the traffic is of the few, half of the many.
    const bool is_heavy = random() % 2 == 0;
    const uint32_t session = is_heavy ? random() % kElephants : kElephants + random() % kMice;
    if (is_heavy) sent[session] += 1000;
    traffic.send(session, i / 1000);
  }
  for (const auto& [session, bytes] : sent) {
    const HeavySession* const found = traffic.find(session);
    REQUIRE(found != nullptr);
    // 31,250 packets, of which some 1,950 were drawn: three deviations are 7 %; mice take off a little.
    CHECK(found->bytes > bytes * 85 / 100);
    CHECK(found->bytes < bytes * 108 / 100);
  }
  CHECK(traffic.occupied() <= HeavyTable::slots());
}

TEST_CASE("what sends nothing any more makes room, however heavy it was") {
  Traffic traffic;
  for (unsigned i = 0; i < 100'000; i++) traffic.send(1, 0);
  REQUIRE(traffic.find(1) != nullptr);
  for (unsigned i = 0; i < 400'000; i++) traffic.send(2 + i % 40'000, kOneSidedMs + 2);
  CHECK(traffic.find(1) == nullptr);
}

TEST_CASE("one in sixteen is drawn, whatever the size of the batches") {
  for (const unsigned batch : {1u, 7u, 64u}) {
    Traffic traffic;
    unsigned drawn = 0, seen = 0;
    for (; seen < 1'600'000; seen += batch)
      for (unsigned i = traffic.table.first(batch); i < batch; i = traffic.table.after(i, batch)) drawn++;
    CHECK(drawn > 99'000);
    CHECK(drawn < 101'000);
  }
}

}  // namespace headgate::test
