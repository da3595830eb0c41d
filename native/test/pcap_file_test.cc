#include "drivers/pcap_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

// A file of its own that goes with the test.
struct Scratch {
  std::string path;
  explicit Scratch(const std::vector<uint8_t>& content) {
    path = (std::filesystem::temp_directory_path() / ("headgate-unit-" + std::to_string(getpid()) + ".pcap")).string();
    rewrite(content, content.size());
  }
  ~Scratch() { std::remove(path.c_str()); }
  void rewrite(const std::vector<uint8_t>& content, size_t size) const {
    FILE* file = std::fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    if (size > 0) REQUIRE(std::fwrite(content.data(), size, 1, file) == 1);
    std::fclose(file);
  }
};

std::vector<uint8_t> words(std::initializer_list<uint32_t> values, bool is_swapped = false) {
  std::vector<uint8_t> out;
  for (uint32_t value : values) {
    if (is_swapped) value = __builtin_bswap32(value);
    const auto* at = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), at, at + 4);
  }
  return out;
}

std::vector<uint8_t> join(std::initializer_list<std::vector<uint8_t>> parts) {
  std::vector<uint8_t> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

struct Read {
  std::vector<std::pair<uint64_t, uint32_t>> packets;  // time, length
  FileEnd end;
  std::string error;
};

Read read_all(const std::string& path) {
  PcapFile file;
  Read read{};
  Packet packets[kBatch];
  if (file.open(path)) {
    while (const size_t n = file.receive(packets, kBatch)) {
      for (size_t i = 0; i < n; i++) read.packets.emplace_back(packets[i].time_ns, packets[i].captured);
    }
  }
  read.end = file.end();
  read.error = file.error();
  return read;
}

const std::vector<uint8_t> kFour = {1, 2, 3, 4};

std::vector<uint8_t> small_pcap(uint32_t magic, bool is_swapped) {
  return join({words({magic, is_swapped ? 0x00020004u : 0x00040002u, 0, 0, 65535, 1}, is_swapped),
               words({10, 500, 4, 60}, is_swapped), kFour, words({11, 7, 4, 4}, is_swapped), kFour});
}

}  // namespace

TEST_CASE("pcap in both byte orders and both resolutions gives the same packets") {
  for (const bool is_swapped : {false, true}) {
    const Scratch micro(small_pcap(0xa1b2c3d4, is_swapped));
    const Read read = read_all(micro.path);
    CHECK(read.end == FileEnd::Clean);
    REQUIRE(read.packets.size() == 2);
    CHECK(read.packets[0].first == 10'000'500'000);
    const Scratch nano(small_pcap(0xa1b23c4d, is_swapped));
    CHECK(read_all(nano.path).packets[1].first == 11'000'000'007);
  }
}

TEST_CASE("a file that ends early keeps what came before and names the byte") {
  const auto whole = small_pcap(0xa1b2c3d4, false);
  const Scratch scratch(whole);
  for (size_t size = 0; size < whole.size(); size++) {
    scratch.rewrite(whole, size);
    const Read read = read_all(scratch.path);
    INFO("cut at ", size);
    CHECK(read.packets.size() == (size >= 44 ? 1 : 0));
    const bool is_between = size == 24 || size == 44;
    CHECK((read.end == FileEnd::Clean) == is_between);
    if (!is_between) CHECK(read.error.find("byte " + std::to_string(size)) != std::string::npos);
  }
}

TEST_CASE("a record longer than any frame is damage, not a request for memory") {
  auto content = small_pcap(0xa1b2c3d4, false);
  content[24 + 8 + 3] = 0x7f;
  const Scratch scratch(content);
  const Read read = read_all(scratch.path);
  CHECK(read.end == FileEnd::Damaged);
  CHECK(read.error.find("byte 24") != std::string::npos);
}

TEST_CASE("pcapng with two interfaces of their own resolutions and link types") {
  const auto section = words({0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28});
  const auto first = words({1, 20, 1, 65535, 20});
  // if_tsresol 9: nanoseconds.
  const auto second = words({1, 32, 101, 65535, 0x00010009, 9, 0, 32});
  const auto packet = [](uint32_t interface) {
    return join({words({6, 36, interface, 0, 5000, 4, 4}), kFour, words({36})});
  };
  const Scratch scratch(join({section, first, second, packet(0), packet(1)}));
  PcapFile file;
  REQUIRE(file.open(scratch.path));
  Packet packets[kBatch];
  std::vector<std::pair<uint64_t, uint16_t>> got;
  while (const size_t n = file.receive(packets, kBatch)) {
    for (size_t i = 0; i < n; i++) got.emplace_back(packets[i].time_ns, packets[i].link_type);
  }
  CHECK(got == std::vector<std::pair<uint64_t, uint16_t>>{{5'000'000, 1}, {5000, 101}});
  CHECK(file.end() == FileEnd::Clean);
}

TEST_CASE("what was written is read again as it was") {
  INFO("seed ", seed());
  Random random(40);
  const Scratch scratch({});
  std::vector<std::pair<uint64_t, uint32_t>> written;
  {
    PcapWriter writer;
    REQUIRE(writer.open(scratch.path));
    for (unsigned i = 0; i < 500; i++) {
      std::vector<uint8_t> content(random.below(3000));
      Frame frame(content, 1);
      frame.packet.time_ns = random.next() % 4'000'000'000'000'000'000;
      REQUIRE(writer.write(frame.packet));
      written.emplace_back(frame.packet.time_ns, frame.packet.captured);
    }
    REQUIRE(writer.close());
  }
  const Read read = read_all(scratch.path);
  CHECK(read.end == FileEnd::Clean);
  CHECK(read.packets == written);
}

TEST_CASE("every capture, whole and damaged, goes through the pipeline without a finding") {
  INFO("seed ", seed());
  const std::filesystem::path folder = captures_folder();
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: no captures at ", folder.string(), " (set HEADGATE_CAPTURES)");
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& from : {folder, folder / "malformed"}) {
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (entry.path().filename().string().find(".pcap") != std::string::npos) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  Random random(41);
  PipelineSettings settings;
  settings.direction_by_address = true;
  for (const auto& path : files) {
    INFO(path.string());
    Owned owned(settings);
    Tables tables;
    tables.marks.table.enabled = 1;
    tables.marks.table.marks[0] = {101, HG_DSCP_NONE, 0};
    tables.marks.table.otherwise = 0;
    tables.wires[0].may_mark = true;
    owned.pipeline.publish(&tables);
    PcapFile file;
    if (!file.open(path.string())) {
      CHECK(!file.error().empty());
      continue;
    }
    Packet packets[kBatch];
    uint64_t total = 0;
    const uint64_t most = is_long() ? UINT64_MAX : 3000;
    while (const size_t n = file.receive(packets, kBatch)) {
      std::vector<std::unique_ptr<Frame>> damaged;
      for (size_t i = 0; i < n; i++) {
        // A buffer of exactly the packet's size, whole or cut or with a bit flipped.
        auto& packet = packets[i];
        const uint32_t length = random.one_in(4) ? random.below(packet.captured + 1) : packet.captured;
        auto frame = std::make_unique<Frame>(std::vector<uint8_t>(packet.data, packet.data + length), packet.link_type);
        frame->packet.time_ns = packet.time_ns;
        frame->packet.wire_length = packet.wire_length;
        if (length > 0 && random.one_in(2)) frame->packet.data[random.below(std::min(length, 120u))] ^= 1u << random.below(8);
        damaged.push_back(std::move(frame));
      }
      owned.pipeline.process(packets, n);
      for (auto& frame : damaged) owned.pipeline.process(&frame->packet, 1);
      total += n;
      if (total > most) break;
    }
    CHECK(owned.pipeline.counts().packets == 2 * total);
    if (total <= most) CHECK(file.end() != FileEnd::NotYet);
  }
}

}  // namespace headgate::test
