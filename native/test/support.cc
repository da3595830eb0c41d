#include "support.h"

namespace headgate::test {
namespace {

void put16(std::vector<uint8_t>& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void put32(std::vector<uint8_t>& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

}  // namespace

uint16_t header_checksum(const uint8_t* ip) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < (ip[0] & 15u) * 4; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::vector<uint8_t> ipv4_tcp(const TcpShape& shape) {
  const uint32_t options = (shape.has_timestamps ? 12u : 0u) + (shape.mss != 0 ? 4u : 0u) +
                           (shape.sack.empty() ? 0u : 4u + 8u * static_cast<uint32_t>(shape.sack.size()));
  std::vector<uint8_t> out;
  out.push_back(0x45);
  out.push_back(shape.tos);
  const uint32_t total = 40 + options + shape.payload;
  put16(out, total > 65535 ? 0 : total);
  put16(out, shape.ip_id);
  put16(out, 0x4000);
  out.push_back(64);
  out.push_back(kProtocolTcp);
  put16(out, 0);
  put32(out, shape.source);
  put32(out, shape.destination);
  const uint16_t checksum = header_checksum(out.data());
  out[10] = static_cast<uint8_t>(checksum >> 8);
  out[11] = static_cast<uint8_t>(checksum);
  put16(out, shape.source_port);
  put16(out, shape.destination_port);
  put32(out, shape.seq);
  put32(out, shape.ack);
  out.push_back(static_cast<uint8_t>((5 + options / 4) << 4));
  out.push_back(shape.flags);
  put16(out, shape.window);
  put32(out, 0);
  if (shape.mss != 0) put32(out, 0x02040000u | shape.mss);
  if (shape.has_timestamps) {
    put32(out, 0x0101080a);
    put32(out, shape.tsval);
    put32(out, shape.tsecr);
  }
  if (!shape.sack.empty()) put32(out, 0x01010500u | static_cast<uint32_t>(2 + 8 * shape.sack.size()));
  for (const auto& [start, end] : shape.sack) put32(out, start), put32(out, end);
  out.resize(out.size() + shape.payload);
  return out;
}

std::vector<uint8_t> ethernet(const std::vector<uint8_t>& ip, const std::vector<uint16_t>& tags) {
  std::vector<uint8_t> out = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  for (size_t i = 0; i < tags.size(); i++) {
    put16(out, i + 1 < tags.size() ? 0x88a8 : 0x8100);
    put16(out, tags[i]);
  }
  put16(out, (ip[0] >> 4) == 6 ? 0x86dd : 0x0800);
  out.insert(out.end(), ip.begin(), ip.end());
  return out;
}

}  // namespace headgate::test
