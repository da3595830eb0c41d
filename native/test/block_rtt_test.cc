#include "runtime/block_rtt.h"

#include <algorithm>
#include <vector>

#include "support.h"

namespace headgate::test {
namespace {

BlockRtt counts_of(const std::vector<uint32_t>& samples_us) {
  BlockRtt counts = {};
  for (const uint32_t us : samples_us) counts.bucket[BlockRtt::index_of(us)]++;
  return counts;
}

bool same(const BlockRtt& a, const BlockRtt& b) { return std::equal(a.bucket, a.bucket + BlockRtt::kBuckets, b.bucket); }

// The model: every sample kept, with the stretch in which it was taken.
struct Kept {
  std::vector<uint32_t> before, present;
  std::vector<uint32_t> recent() const {
    std::vector<uint32_t> all = before;
    all.insert(all.end(), present.begin(), present.end());
    return all;
  }
};

}  // namespace

TEST_CASE("quantiles of a block's round trips are those of the sorted samples, to the half octave") {
  INFO("seed ", seed());
  Random random(51);
  for (unsigned run = 0; run < 2000; run++) {
    std::vector<uint32_t> samples(1 + random.below(400));
    const uint32_t middle = 1 + random.below(1u << (4 + random.below(16)));
    for (uint32_t& us : samples) us = middle / 2 + random.below(middle * (random.one_in(10) ? 20 : 1));
    const hg_block_rtt told = summarise(counts_of(samples));
    std::sort(samples.begin(), samples.end());
    REQUIRE(told.samples == samples.size());
    const auto check = [&](double share, uint32_t said) {
      const auto rank = static_cast<size_t>(share * static_cast<double>(samples.size() - 1));
      const uint32_t truth = samples[rank];
      // The end of a bucket is the beginning of the next.
      const unsigned right = BlockRtt::index_of(truth), of_said = BlockRtt::index_of(said);
      INFO("said ", said, " of ", truth, ", rank ", rank, " of ", samples.size());
      REQUIRE(of_said >= right);
      REQUIRE(of_said <= right + 1);
      if (of_said == right + 1) REQUIRE(BlockRtt::index_of(said - 1) == right);
    };
    check(0.50, told.p50_us);
    check(0.95, told.p95_us);
  }
}

TEST_CASE("a block without round trips has no quantiles, and what is beyond the last bucket is told as its beginning") {
  const hg_block_rtt none = summarise({});
  CHECK(none.samples == 0);
  CHECK(none.p50_us == 0);
  CHECK(none.p95_us == 0);
  const hg_block_rtt far = summarise(counts_of({900'000, 5'000'000, 60'000'000}));
  CHECK(far.samples == 3);
  CHECK(far.p50_us == 524'288);
  CHECK(far.p95_us == 524'288);
}

TEST_CASE("what is recent is what the present stretch and the one before it brought, over wrapped counters too") {
  INFO("seed ", seed());
  Random random(52);
  constexpr uint32_t kBlocks = 5;
  RecentRtt recent(kBlocks);
  REQUIRE(recent.has_room());
  std::vector<Kept> model(kBlocks);
  // Two packet loops' counts, that have run long.
  std::vector<BlockRtt> loops[2] = {std::vector<BlockRtt>(kBlocks), std::vector<BlockRtt>(kBlocks)};
  for (uint32_t block = 0; block < kBlocks; block++) {
    for (uint32_t& count : loops[0][block].bucket) count = 0xffffffffu - random.below(20);
  }
  const auto sum_of = [&](uint32_t block) {
    BlockRtt sum = {};
    for (const auto& loop : loops) add(&sum, loop[block]);
    return sum;
  };
  for (uint32_t block = 0; block < kBlocks; block++) recent.forget(block, sum_of(block));
  for (unsigned i = 0; i < 20'000; i++) {
    const uint32_t block = random.below(kBlocks);
    if (random.one_in(50)) {
      recent.end_stretch(block, sum_of(block));
      model[block].before = std::move(model[block].present);
      model[block].present.clear();
    } else if (random.one_in(200)) {
      recent.forget(block, sum_of(block));
      model[block] = {};
    } else {
      const uint32_t us = random.below(1u << random.below(24));
      loops[random.below(2)][block].bucket[BlockRtt::index_of(us)]++;
      model[block].present.push_back(us);
    }
    REQUIRE(same(recent.recent(block, sum_of(block)), counts_of(model[block].recent())));
  }
}

}  // namespace headgate::test
