// Whether a packet loop that found nothing looks again or sleeps. Being woken costs a third of a packet's way through user
// space: while packets follow each other closely the loop stays awake and only lets others have its processor. Pure.
#pragma once
#include <cstdint>

namespace headgate {

class Linger {
 public:
  void had_packets(uint64_t now_ns) { last_ns_ = now_ns; }

  bool is_awake(uint64_t now_ns) const { return now_ns - last_ns_ < kAwakeNs && now_ns >= shy_until_ns_; }

  // The processor was offered to others and is back. Who sleeps is put before others when a packet comes, who waits is
  // not: beside somebody who keeps the processor for long it is better to sleep, and only a small part of the time may be
  // lost by finding out whether he is still there.
  void offered(uint64_t from_ns, uint64_t until_ns) {
    const uint64_t kept_ns = until_ns - from_ns;
    if (kept_ns > kKeptNs) shy_until_ns_ = until_ns + kShyTimes * kept_ns;
  }

 private:
  // As long as an answer takes on the same machine. A loop that is awake all the time sees 40,000 packets a second.
  static constexpr uint64_t kAwakeNs = 25'000;
  static constexpr uint64_t kKeptNs = 200'000;
  static constexpr uint64_t kShyTimes = 100;

  uint64_t last_ns_ = 0;
  uint64_t shy_until_ns_ = 0;
};

}  // namespace headgate
