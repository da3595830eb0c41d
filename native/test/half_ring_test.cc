// Heads of half-seen sessions on their way to the one that reads them: in order, and of a full ring the newest are lost.
#include <thread>
#include <vector>

#include "core/half_ring.h"
#include "runtime/memory.h"
#include "support.h"

namespace headgate::test {
namespace {

hg_half_segment segment(uint32_t number) {
  hg_half_segment one = {};
  one.seq = number;
  one.time_ns = 7ull * number;
  return one;
}

struct OwnedRing {
  OwnedRing() : memory(HalfRing::kBytes), ring(memory.data()) {}
  Memory memory;
  HalfRing ring;
};

std::vector<uint32_t> drained(HalfRing& ring) {
  std::vector<hg_half_segment> taken;
  ring.drain(&taken);
  std::vector<uint32_t> numbers;
  for (const auto& one : taken) {
    CHECK(one.time_ns == 7ull * one.seq);
    numbers.push_back(one.seq);
  }
  return numbers;
}

}  // namespace

TEST_CASE("a full ring of half-seen sessions loses the newest, counts them, and takes on when it was read") {
  OwnedRing owned;
  HalfRing& ring = owned.ring;
  CHECK(drained(ring).empty());
  const uint32_t room = HalfRing::kSegments;
  for (uint32_t i = 0; i < room; i++) ring.put(segment(i));
  CHECK(ring.lost() == 0);
  for (uint32_t i = 0; i < 3; i++) ring.put(segment(room + i));
  CHECK(ring.lost() == 3);
  const auto kept = drained(ring);
  REQUIRE(kept.size() == room);
  CHECK(kept.front() == 0);
  CHECK(kept.back() == room - 1);
  ring.put(segment(9));
  CHECK(drained(ring) == std::vector<uint32_t>{9});
  CHECK(drained(ring).empty());
  CHECK(ring.lost() == 3);
}

TEST_CASE("any order of writing and reading gives what a plain queue of that length would") {
  Random random(67);
  OwnedRing owned;
  HalfRing& ring = owned.ring;
  std::vector<uint32_t> model;
  uint64_t lost = 0;
  uint32_t next = 0;
  for (int round = 0; round < 40; round++) {
    const uint32_t burst = random.below(2 * HalfRing::kSegments);
    for (uint32_t i = 0; i < burst; i++, next++) {
      ring.put(segment(next));
      if (model.size() < HalfRing::kSegments)
        model.push_back(next);
      else
        lost++;
    }
    CHECK(ring.lost() == lost);
    if (random.one_in(3)) continue;
    CHECK(drained(ring) == model);
    model.clear();
  }
}

TEST_CASE("what one thread writes another reads whole and in order, and what is missing was counted") {
  OwnedRing owned;
  HalfRing& ring = owned.ring;
  constexpr uint32_t kAll = 300'000;
  std::thread writer([&ring] {
    for (uint32_t i = 0; i < kAll; i++) ring.put(segment(i));
  });
  std::vector<hg_half_segment> taken;
  while (taken.size() + ring.lost() < kAll) ring.drain(&taken);
  writer.join();
  ring.drain(&taken);
  CHECK(taken.size() + ring.lost() == kAll);
  bool is_ordered = true;
  for (size_t i = 0; i < taken.size(); i++) {
    is_ordered &= taken[i].time_ns == 7ull * taken[i].seq;
    if (i > 0) is_ordered &= taken[i - 1].seq < taken[i].seq;
  }
  CHECK(is_ordered);
}

}  // namespace headgate::test
