#include "core/parse.h"

#include "support.h"

namespace headgate::test {
namespace {

std::vector<uint8_t> join(std::initializer_list<std::vector<uint8_t>> parts) {
  std::vector<uint8_t> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Parsed parsed_of(const std::vector<uint8_t>& content, uint16_t link_type) {
  const Frame frame(content, link_type);
  Parsed parsed;
  parse(frame.packet, parsed);
  return parsed;
}

const std::vector<uint8_t> kMacs = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

// IPv6 with these extension headers (each with its own next-header octet in place) before 20 bytes of TCP.
std::vector<uint8_t> ipv6(uint8_t next, const std::vector<uint8_t>& extensions) {
  const auto length = static_cast<uint8_t>(extensions.size() + 20);
  std::vector<uint8_t> head = {0x60, 0, 0, 0, 0, length, next, 64};
  head.resize(40);
  std::vector<uint8_t> tcp(20);
  tcp[1] = 80;
  tcp[12] = 0x50;
  tcp[13] = kTcpAck;
  return join({head, extensions, tcp});
}

}  // namespace

TEST_CASE("the same segment is found behind every link layer") {
  const auto ip = ipv4_tcp({});
  const std::vector<std::pair<std::vector<uint8_t>, uint16_t>> cases = {
      {ip, 101},
      {ip, 228},
      {join({{2, 0, 0, 0}, ip}), 0},
      {join({{0, 0, 0, 2}, ip}), 108},
      {ethernet(ip), 1},
      {ethernet(ip, {5}), 1},
      {ethernet(ip, {5, 6, 7}), 1},
      {join({{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, ip}), 113},
      {join({{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, ip}), 276},
      {join({kMacs, {0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0x00, 0x21}, ip}), 1},
      {join({kMacs, {0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64}, ip}), 1},
      {join({{0xff, 0x03, 0x00, 0x21}, ip}), 9},
  };
  for (const auto& each : cases) {
    const Parsed parsed = parsed_of(each.first, each.second);
    INFO("link type ", each.second, ", ", each.first.size(), " bytes");
    CHECK(parsed.reason == Unparsed::None);
    CHECK(parsed.network == 4);
    CHECK(parsed.has_tcp);
    CHECK(parsed.ip_bytes == 40);
    CHECK(parsed.source_port == 40000);
  }
  CHECK(parsed_of(ethernet(ip, {5, 6}), 1).vlan == 5);
}

TEST_CASE("IPv6 extension headers are walked, with a limit") {
  const std::vector<uint8_t> hop = {60, 0, 1, 4, 0, 0, 0, 0}, options = {6, 0, 1, 4, 0, 0, 0, 0};
  CHECK(parsed_of(ipv6(6, {}), 101).has_tcp);
  CHECK(parsed_of(ipv6(0, join({hop, options})), 101).has_tcp);
  std::vector<uint8_t> many;
  for (unsigned i = 0; i <= kExtensionsMax; i++) many = join({many, {60, 0, 1, 4, 0, 0, 0, 0}});
  CHECK(parsed_of(ipv6(60, many), 101).reason == Unparsed::ExtensionLimit);
}

TEST_CASE("fragments: the first has ports, later ones have none, neither is tracked") {
  auto ip = ipv4_tcp({});
  ip[6] = 0x20;
  const Parsed first = parsed_of(ip, 101);
  CHECK(first.fragment == Fragment::First);
  CHECK(first.has_ports);
  CHECK_FALSE(first.has_tcp);
  ip[7] = 5;
  const Parsed later = parsed_of(ip, 101);
  CHECK(later.fragment == Fragment::Later);
  CHECK_FALSE(later.has_ports);
}

TEST_CASE("lengths that cannot be have their reason") {
  auto ip = ipv4_tcp({});
  const auto with = [&ip](size_t at, uint8_t value) {
    auto changed = ip;
    changed[at] = value;
    return parsed_of(changed, 101).reason;
  };
  CHECK(with(0, 0x44) == Unparsed::IpHeaderLength);
  CHECK(with(0, 0x55) == Unparsed::IpVersion);
  CHECK(with(3, 10) == Unparsed::IpTotalLength);
  CHECK(with(3, 99) == Unparsed::IpTotalLength);
  CHECK(with(32, 0x40) == Unparsed::TcpHeaderLength);
  CHECK(with(32, 0x60) == Unparsed::TcpHeaderLength);
  CHECK(parsed_of(ip, 147).reason == Unparsed::LinkType);
}

TEST_CASE("timestamps are found wherever the options have them") {
  TcpShape shape;
  shape.has_timestamps = true;
  shape.tsval = 77;
  shape.tsecr = 78;
  CHECK(parsed_of(ipv4_tcp(shape), 101).tsval == 77);
  shape.mss = 1400;
  shape.flags = kTcpSyn;
  const Parsed syn = parsed_of(ipv4_tcp(shape), 101);
  CHECK(syn.tsecr == 78);
  CHECK(syn.mss == 1400);
}

TEST_CASE("the short cut for common packets reads what the general way reads") {
  INFO("seed ", seed());
  Random random(50);
  unsigned common = 0;
  for (unsigned round = 0; round < 20'000; round++) {
    TcpShape shape;
    shape.has_timestamps = !random.one_in(8);
    shape.payload = random.below(20);
    shape.tsval = static_cast<uint32_t>(random.next());
    shape.tos = static_cast<uint8_t>(random.next());
    auto content = ethernet(ipv4_tcp(shape));
    if (random.one_in(2)) content[random.below(static_cast<uint32_t>(content.size()))] ^= 1u << random.below(8);
    if (random.one_in(4)) content.resize(random.below(static_cast<uint32_t>(content.size()) + 1));
    Frame frame(content, 1);
    frame.packet.wire_length += random.below(3) * 7;
    Parsed fast, slow;
    parse(frame.packet, fast);
    parse_any(frame.packet, slow);
    REQUIRE(fast == slow);
    common += fast.has_timestamps;
  }
  CHECK(common > 5000);
}

TEST_CASE("an IPv4 super-packet without a length has that of its frame") {
  TcpShape shape;
  shape.payload = 80'000;
  const Parsed parsed = parsed_of(ipv4_tcp(shape), 101);
  CHECK(parsed.payload_bytes == 80'000);
  CHECK(parsed.ip_bytes == 80'040);
}

}  // namespace headgate::test
