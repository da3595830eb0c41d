#include "core/traffic_table.h"

#include <atomic>
#include <thread>

#include "support.h"

namespace headgate::test {
namespace {

constexpr size_t kCells = 5;

struct Counters {
  Memory recent{TrafficTable::recent_bytes(kCells)}, sums{TrafficTable::sum_bytes(kCells)};
  TrafficTable table{recent.data(), sums.data()};
};

}  // namespace

TEST_CASE("traffic adds up as if every packet went to its sums, however long and however many") {
  Counters owned;
  hg_traffic model[kCells] = {};
  Random random(3);
  for (uint32_t i = 0; i < 200'000; i++) {
    const size_t cell = random.below(kCells);
    const uint32_t ip_bytes = random.below(3) == 0 ? 0xffff - random.below(3) : 40 + random.below(1460);
    const bool is_plain = random.below(50) != 0;
    const hg_traffic amount = {1, ip_bytes, ip_bytes + (is_plain ? 14 : 18)};
    is_plain ? owned.table.count_plain(cell, ip_bytes) : owned.table.count(cell, amount);
    model[cell].packets += amount.packets;
    model[cell].ip_bytes += amount.ip_bytes;
    model[cell].l2_bytes += amount.l2_bytes;
    const hg_traffic read = owned.table.read(cell);
    REQUIRE(read.packets == model[cell].packets);
    REQUIRE(read.ip_bytes == model[cell].ip_bytes);
    REQUIRE(read.l2_bytes == model[cell].l2_bytes);
  }
}

TEST_CASE("who reads traffic while it is counted sees whole packets and never less than before") {
  Counters owned;
  constexpr uint64_t kPackets = 300'000;
  constexpr uint32_t kBytes = 1000;
  std::thread writer([&owned] {
    for (uint64_t i = 0; i < kPackets; i++) owned.table.count_plain(1, kBytes);
  });
  uint64_t before = 0;
  bool is_right = true;
  while (before < kPackets && is_right) {
    const hg_traffic read = owned.table.read(1);
    is_right = read.packets >= before && read.packets <= kPackets && read.ip_bytes == read.packets * kBytes &&
               read.l2_bytes == read.packets * (kBytes + 14);
    before = read.packets;
  }
  writer.join();
  CHECK(is_right);
  CHECK(owned.table.read(1).packets == kPackets);
}

}  // namespace headgate::test
