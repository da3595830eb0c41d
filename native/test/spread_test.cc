#include "kernel/spread.h"

#include <array>

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

uint32_t spread_of(const std::vector<uint8_t>& bytes) {
  hg_frame frame = {bytes.data() + 14, static_cast<uint32_t>(bytes.size() - 14)};
  return hg_spread(&frame, load_be16(bytes.data() + 12), 0);
}

// What stands between the MAC addresses and the IP header: tags, PPPoE, labels, or the EtherType alone.
std::vector<uint8_t> shell(Random& random, size_t ip_bytes) {
  const auto size = static_cast<uint16_t>(ip_bytes + 2);
  switch (random.below(5)) {
    case 0:
      return {0x08, 0x00};
    case 1:
      return {0x81, 0x00, 0x00, 0x64, 0x08, 0x00};
    case 2:
      return {0x88, 0xa8, 0x00, 0x65, 0x81, 0x00, 0x00, 0x66, 0x08, 0x00};
    case 3:
      return {0x88, 0x64, 0x11, 0x00, 0x00, 0x01, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size), 0x00, 0x21};
    default:
      return {0x88, 0x47, 0x00, 0x06, 0x40, 0x40, 0x00, 0x0c, 0x81, 0x40};
  }
}

std::vector<uint8_t> framed(Random& random, const std::vector<uint8_t>& ip) {
  std::vector<uint8_t> frame(12, 2);
  const std::vector<uint8_t> between = shell(random, ip.size());
  frame.insert(frame.end(), between.begin(), between.end());
  frame.insert(frame.end(), ip.begin(), ip.end());
  return frame;
}

}  // namespace

TEST_CASE("both directions and all fragments go to one worker, whatever stands in front of them") {
  INFO("seed ", seed());
  Random random(91);
  for (unsigned i = 0; i < 2000; i++) {
    TcpShape there;
    there.source = static_cast<uint32_t>(random.next());
    there.destination = static_cast<uint32_t>(random.next());
    there.source_port = static_cast<uint16_t>(random.next());
    TcpShape back = there;
    std::swap(back.source, back.destination);
    std::swap(back.source_port, back.destination_port);
    std::vector<uint8_t> fragment = ipv4_tcp(there);
    fragment[6] = 0x20;
    fragment[7] = static_cast<uint8_t>(random.next());
    const uint32_t expected = spread_of(ethernet(ipv4_tcp(there)));
    REQUIRE(expected != 0);
    REQUIRE(spread_of(framed(random, ipv4_tcp(there))) == expected);
    REQUIRE(spread_of(framed(random, ipv4_tcp(back))) == expected);
    REQUIRE(spread_of(framed(random, fragment)) == expected);
  }
}

TEST_CASE("what has no addresses is the first worker's") {
  std::vector<uint8_t> arp = ethernet(ipv4_tcp({}));
  arp[13] = 0x06;
  CHECK(spread_of(arp) == 0);
  std::vector<uint8_t> cut = ethernet(ipv4_tcp({}));
  cut.resize(14 + 19);
  CHECK(spread_of(cut) == 0);
}

TEST_CASE("hosts that are numbered alike or in a row are spread evenly over any number of workers") {
  for (const uint32_t workers : {2u, 3u, 8u}) {
    for (const bool is_alike : {true, false}) {
      std::array<uint32_t, HG_WORKERS_MAX> packets = {};
      constexpr uint32_t kHosts = 20'000;
      for (uint32_t host = 0; host < kHosts; host++) {
        const uint32_t ours = __builtin_bswap32(0x0a000000 + host);
        const uint32_t theirs = __builtin_bswap32(0xcb007100 + (is_alike ? host : 7));
        packets[hg_pair_hash(&ours, &theirs, 1) % workers]++;
      }
      for (uint32_t worker = 0; worker < workers; worker++) {
        INFO("worker ", worker, " of ", workers, " has ", packets[worker]);
        CHECK(packets[worker] > kHosts / workers * 9 / 10);
        CHECK(packets[worker] < kHosts / workers * 11 / 10);
      }
    }
  }
}

}  // namespace headgate::test
