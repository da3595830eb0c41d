// Writes a capture of TCP sessions with a known number of retransmissions, from a seed.
//   generate OUT PACKETS SESSIONS PAYLOAD SEED [PARTS]
// Sessions have Zipf popularity (exponent 0.9), both directions, timestamps, a handshake and an end, after
// which the next one takes the place. One data segment in a hundred is sent again. Prints the truth as JSON.
// With PARTS above 1 the same packets go to OUT.0, OUT.1 ... as well, by session, as a symmetric fanout shares them out.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {  // splitmix64
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

struct Conversation {
  uint32_t ours, theirs;
  uint16_t our_port;
  uint16_t ours_id, theirs_id;
  uint32_t our_seq, their_seq, acked;
  uint32_t our_tsval, their_tsval;
  uint32_t last_seq;
  uint8_t step;     // 0 SYN, 1 SYN-ACK, 2 ACK, 3 data, 4 and 5 the two FINs
  bool has_last;    // the last data segment is not acknowledged
};

void put16(uint8_t* at, uint32_t value) { at[0] = static_cast<uint8_t>(value >> 8), at[1] = static_cast<uint8_t>(value); }
void put32(uint8_t* at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value & 0xffff); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) return std::fprintf(stderr, "usage: generate OUT PACKETS SESSIONS PAYLOAD SEED [PARTS]\n"), 2;
  const uint64_t packets = std::strtoull(argv[2], nullptr, 10), sessions = std::strtoull(argv[3], nullptr, 10);
  const uint32_t payload = static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10));
  Random random{std::strtoull(argv[5], nullptr, 10)};
  FILE* file = std::fopen(argv[1], "wb");
  if (file == nullptr) return std::perror(argv[1]), 1;
  static char buffer[1 << 20];
  std::setvbuf(file, buffer, _IOFBF, sizeof buffer);
  const uint32_t header[6] = {0xa1b23c4d, 2u | 4u << 16, 0, 0, 65535, 1};
  std::fwrite(header, sizeof header, 1, file);
  std::vector<FILE*> parts(argc == 7 ? std::strtoul(argv[6], nullptr, 10) : 0);
  for (size_t i = 0; i < parts.size(); i++) {
    parts[i] = std::fopen((std::string(argv[1]) + "." + std::to_string(i)).c_str(), "wb");
    if (parts[i] == nullptr) return std::perror(argv[1]), 1;
    std::fwrite(header, sizeof header, 1, parts[i]);
  }

  std::vector<Conversation> all(sessions);
  const auto begin = [&random](Conversation& each, uint64_t rank) {
    each = Conversation{};
    each.ours = 0x0a000000u | (static_cast<uint32_t>(rank * 2654435761u) & 0xffffff);
    each.theirs = 0xc0000000u | (static_cast<uint32_t>(random.next()) & 0x0fffffff);
    each.our_port = static_cast<uint16_t>(1024 + random.next() % 64000);
    each.our_seq = static_cast<uint32_t>(random.next());
    each.their_seq = static_cast<uint32_t>(random.next());
    each.ours_id = static_cast<uint16_t>(random.next() | 1);
    each.theirs_id = static_cast<uint16_t>(random.next() | 1);
  };
  for (uint64_t i = 0; i < sessions; i++) begin(all[i], i);

  uint64_t retransmitted = 0, data_segments = 0, bytes = 0, begun = 0;
  std::vector<uint8_t> frame(66 + payload);
  for (uint64_t i = 0; i < packets; i++) {
    const uint64_t time_ns = 1'700'000'000'000'000'000ull + i * 1000;
    const auto tsval = static_cast<uint32_t>(time_ns / 1'000'000);
    // The inverse of Zipf's distribution function for exponent 0.9: (rank / sessions)^0.1.
    const auto rank = static_cast<uint64_t>(static_cast<double>(sessions) * std::pow(random.unit(), 10.0));
    Conversation& each = all[rank < sessions ? rank : sessions - 1];
    bool from_us = false;
    uint8_t flags = 0x10;
    uint32_t seq = 0, ack = 0, length = 0;
    switch (each.step) {
      case 0:
        from_us = true, flags = 0x02, seq = each.our_seq++, each.step = 1, begun++;
        break;
      case 1:
        flags = 0x12, seq = each.their_seq++, ack = each.our_seq, each.acked = each.their_seq, each.step = 2;
        break;
      case 2:
        from_us = true, seq = each.our_seq, ack = each.their_seq, each.step = 3;
        break;
      case 4:
        flags = 0x11, seq = each.their_seq++, ack = each.our_seq, each.step = 5;
        break;
      case 5:
        from_us = true, flags = 0x11, seq = each.our_seq++, ack = each.their_seq, each.step = 6;
        break;
      default: {
        const double choice = random.unit();
        ack = each.our_seq;
        if (each.has_last && choice < 0.01) {
          seq = each.last_seq, length = payload, retransmitted++, data_segments++;
        } else if (choice < 0.60) {
          seq = each.last_seq = each.their_seq, length = payload, each.their_seq += payload, each.has_last = true;
          data_segments++;
        } else if (choice < 0.998) {
          from_us = true, seq = each.our_seq, ack = each.acked = each.their_seq, each.has_last = false;
        } else {
          flags = 0x11, seq = each.their_seq++, each.step = 5;
        }
      }
    }
    const uint32_t size = 66 + length;
    uint8_t* at = frame.data();
    std::memset(at, 0, 66);
    at[0] = at[6] = 2;
    at[from_us ? 11 : 5] = 1;  // ours
    at[from_us ? 5 : 11] = 2;  // the border router
    put16(at + 12, 0x0800);
    uint8_t* ip = at + 14;
    ip[0] = 0x45;
    put16(ip + 2, 52 + length);
    put16(ip + 4, from_us ? each.ours_id : each.theirs_id);
    uint16_t& id = from_us ? each.ours_id : each.theirs_id;
    if (++id == 0) id = 1;
    ip[6] = 0x40, ip[8] = 64, ip[9] = 6;
    put32(ip + 12, from_us ? each.ours : each.theirs);
    put32(ip + 16, from_us ? each.theirs : each.ours);
    uint32_t sum = 0;
    for (unsigned w = 0; w < 20; w += 2) sum += static_cast<uint32_t>(ip[w] << 8 | ip[w + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);
    uint8_t* tcp = ip + 20;
    put16(tcp, from_us ? each.our_port : 443);
    put16(tcp + 2, from_us ? 443 : each.our_port);
    put32(tcp + 4, seq);
    put32(tcp + 8, flags & 0x10 ? ack : 0);
    tcp[12] = 0x80, tcp[13] = flags;
    put16(tcp + 14, 60000);
    put32(tcp + 20, 0x0101080a);
    put32(tcp + 24, tsval);
    put32(tcp + 28, from_us ? each.their_tsval : each.our_tsval);
    (from_us ? each.our_tsval : each.their_tsval) = tsval;
    const uint32_t record[4] = {static_cast<uint32_t>(time_ns / 1'000'000'000),
                                static_cast<uint32_t>(time_ns % 1'000'000'000), size, size};
    const auto put = [&](FILE* to) { std::fwrite(record, sizeof record, 1, to), std::fwrite(at, size, 1, to); };
    put(file);
    // Both directions of a session have the same sum of addresses and ports.
    const uint32_t tuple = each.ours ^ each.theirs ^ each.our_port ^ 443u;
    if (!parts.empty()) put(parts[(tuple * 2654435761u >> 16) % parts.size()]);
    bytes += size;
    if (each.step == 6) begin(each, rank);
  }
  parts.push_back(file);
  for (FILE* each : parts) {
    if (std::fclose(each) != 0) return std::perror(argv[1]), 1;
  }
  std::printf("{\"packets\":%llu,\"bytes\":%llu,\"retransmitted\":%llu,\"dataSegments\":%llu,\"sessions\":%llu}\n",
              static_cast<unsigned long long>(packets), static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(retransmitted), static_cast<unsigned long long>(data_segments),
              static_cast<unsigned long long>(begun));
  return 0;
}
