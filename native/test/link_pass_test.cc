#include "runtime/link_pass.h"

#include "runtime/linger.h"
#include "runtime/overload.h"
#include "runtime/session_share.h"
#include "support.h"

namespace headgate::test {
namespace {

constexpr LinkPass::Port kLinked = {true, true}, kLost = {true, false}, kDown = {false, false};
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("a lost carrier takes the other port down, and its return brings that up again") {
  for (const uint32_t side : {0u, 1u}) {
    LinkPass pass;
    std::array<LinkPass::Port, 2> ports = {kLinked, kLinked};
    CHECK(pass.step(ports, kSecond) == LinkPass::Change{});
    ports[side] = kLost;
    CHECK(pass.step(ports, 2 * kSecond)[1 - side] == std::optional(false));
    ports[1 - side] = kDown;
    CHECK(pass.step(ports, 3 * kSecond) == LinkPass::Change{});
    ports[side] = kLinked;
    CHECK(pass.step(ports, 4 * kSecond)[1 - side] == std::optional(true));
    // The port that was raised has no carrier for a while: that is not passed back.
    ports[1 - side] = kLost;
    CHECK(pass.step(ports, 5 * kSecond) == LinkPass::Change{});
    CHECK(pass.step(ports, 20 * kSecond)[side] == std::optional(false));
  }
}

TEST_CASE("two lost carriers change nothing") {
  LinkPass pass;
  CHECK(pass.step({kLost, kLost}, kSecond) == LinkPass::Change{});
  CHECK(pass.step({kDown, kLost}, 2 * kSecond) == LinkPass::Change{});
}

TEST_CASE("a packet loop stays awake for a moment, and sleeps beside who keeps the processor") {
  Linger linger;
  uint64_t now = kSecond;
  CHECK_FALSE(linger.is_awake(now));
  linger.had_packets(now);
  CHECK(linger.is_awake(now + 10'000));
  linger.offered(now + 10'000, now + 20'000);
  CHECK(linger.is_awake(now + 20'000));
  CHECK_FALSE(linger.is_awake(now + 50'000));
  linger.offered(now, now + 3'000'000);
  now += 3'000'000;
  linger.had_packets(now);
  CHECK_FALSE(linger.is_awake(now));
  // A hundredth of the time is what finding out may cost.
  linger.had_packets(now += 290'000'000);
  CHECK_FALSE(linger.is_awake(now));
  linger.had_packets(now += 20'000'000);
  CHECK(linger.is_awake(now));
}

TEST_CASE("a ring that stays full is an overload, one that empties is not") {
  Overload overload;
  CHECK(overload.step(0.2) == 0.2);
  double most = 0;
  for (unsigned i = 0; i < 40; i++) most = std::max(most, overload.step(0.75));
  CHECK(most == 0.75);
  CHECK(overload.step(0.1) == 0.1);
  // Left alone with 4,000 packets, then 64 at a time.
  for (double fill = 1; fill > 0; fill -= 1.0 / 64) CHECK(overload.step(std::floor(fill * 8) / 8) <= 0.5);
}

TEST_CASE("sessions are left out when the ring fills, and taken in again when it has been empty for long") {
  SessionShare copies;
  uint64_t now = kSecond;
  uint32_t share = HG_COPY_ALL;
  const auto step = [&](double fill, uint64_t at) { return share = copies.step(share, fill, at); };
  CHECK(step(0.2, now) == HG_COPY_ALL);
  CHECK(step(0.6, now) == HG_COPY_ALL / 2);
  CHECK(step(0.9, now + 1) == HG_COPY_ALL / 2);
  for (unsigned i = 0; i < 20; i++) step(0.9, now += 50'000'000);
  CHECK(step(0.9, now) == 1);
  CHECK(step(0.01, now += 500'000'000) == 1);
  unsigned last = 1;
  for (unsigned i = 0; i < 60 && last < HG_COPY_ALL; i++) {
    const unsigned next = step(0.01, now += 1'100'000'000);
    CHECK(next > last);
    last = next;
  }
  CHECK(last == HG_COPY_ALL);
  share = 16;  // by the kernel
  CHECK(step(0.01, now += 1'100'000'000) == 21);
}

}  // namespace headgate::test
