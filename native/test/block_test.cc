#include "core/block_table.h"

#include <atomic>
#include <thread>

#include "support.h"

namespace headgate::test {
namespace {

constexpr uint32_t kBlocks = 3, kColumns = 10;

struct Counters {
  Memory recent{BlockTable::recent_bytes(kBlocks, kColumns)}, traffic{BlockTable::traffic_bytes(kBlocks, kColumns)},
      round_trips{BlockTable::round_trip_bytes(kBlocks)};
  BlockTable table{{recent.data(), traffic.data(), round_trips.data()}, kColumns};
};

}  // namespace

TEST_CASE("traffic adds up as if every packet went to its sums, however long and however many") {
  Counters owned;
  hg_traffic model[kBlocks][kColumns] = {};
  Random random(3);
  for (uint32_t i = 0; i < 200'000; i++) {
    const uint32_t block = random.below(kBlocks), column = random.below(kColumns);
    const uint32_t ip_bytes = random.below(3) == 0 ? 0xffff - random.below(3) : 40 + random.below(1460);
    const bool is_plain = random.below(50) != 0;
    const hg_traffic amount = {1, ip_bytes, ip_bytes + (is_plain ? 14 : 18)};
    const uint32_t cell = owned.table.cell(block, column);
    is_plain ? owned.table.count_plain(cell, ip_bytes) : owned.table.count(cell, amount);
    hg_traffic& expected = model[block][column];
    expected.packets += amount.packets;
    expected.ip_bytes += amount.ip_bytes;
    expected.l2_bytes += amount.l2_bytes;
    const hg_traffic read = owned.table.traffic(block, column);
    REQUIRE(read.packets == expected.packets);
    REQUIRE(read.ip_bytes == expected.ip_bytes);
    REQUIRE(read.l2_bytes == expected.l2_bytes);
  }
}

TEST_CASE("round trips add up bucket by bucket beside the traffic of their block") {
  Counters owned;
  BlockRtt model[kBlocks] = {};
  uint64_t packets[kBlocks] = {};
  Random random(4);
  for (uint32_t i = 0; i < 100'000; i++) {
    const uint32_t block = random.below(kBlocks), rtt_us = 1u << random.below(26);
    const bool is_wanted = random.below(4) != 0;
    owned.table.count_plain(owned.table.cell(block, random.below(kColumns)), 1500);
    owned.table.count_round_trip(owned.table.cell(block, 0), rtt_us, is_wanted);
    model[block].bucket[BlockRtt::index_of(rtt_us)] += is_wanted;
    packets[block]++;
    const BlockRtt read = owned.table.round_trips(block);
    for (unsigned bucket = 0; bucket < BlockRtt::kBuckets; bucket++)
      REQUIRE(read.bucket[bucket] == model[block].bucket[bucket]);
  }
  for (uint32_t block = 0; block < kBlocks; block++) {
    uint64_t sum = 0;
    for (uint32_t column = 0; column < kColumns; column++) sum += owned.table.traffic(block, column).packets;
    CHECK(sum == packets[block]);
  }
}

TEST_CASE("who reads while it is counted sees whole packets and round trips, and never less than before") {
  Counters owned;
  constexpr uint64_t kPackets = 300'000;
  constexpr uint32_t kBytes = 1000;
  std::thread writer([&owned] {
    const uint32_t first = owned.table.cell(1, 0);
    for (uint64_t i = 0; i < kPackets; i++) {
      owned.table.count_plain(first + 1, kBytes);
      owned.table.count_round_trip(first, 1000, true);
    }
  });
  uint64_t before = 0, round_trips_before = 0;
  bool is_right = true;
  while (before < kPackets && is_right) {
    const hg_traffic read = owned.table.traffic(1, 1);
    const uint64_t round_trips = owned.table.round_trips(1).bucket[BlockRtt::index_of(1000)];
    is_right = read.packets >= before && read.packets <= kPackets && read.ip_bytes == read.packets * kBytes &&
               read.l2_bytes == read.packets * (kBytes + 14) && round_trips >= round_trips_before && round_trips <= kPackets;
    before = read.packets;
    round_trips_before = round_trips;
  }
  writer.join();
  CHECK(is_right);
  CHECK(owned.table.traffic(1, 1).packets == kPackets);
  CHECK(owned.table.round_trips(1).bucket[BlockRtt::index_of(1000)] == kPackets);
}

}  // namespace headgate::test
