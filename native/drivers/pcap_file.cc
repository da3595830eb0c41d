#include "pcap_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>

#include "../core/byte_order.h"

namespace headgate {
namespace {

// One reused buffer: fresh pages cost more than the reading, and this size stays in the second-level cache.
constexpr size_t kBufferBytes = 256 * 1024;
// Above any frame there is (BIG TCP ends at 512 KiB): a longer record is damage.
constexpr uint32_t kRecordMax = 16 * 1024 * 1024;
constexpr size_t kInterfacesMax = 65536;

constexpr uint32_t kMagicMicro = 0xa1b2c3d4, kMagicNano = 0xa1b23c4d, kMagicSection = 0x0a0d0d0a,
                   kByteOrderMagic = 0x1a2b3c4d;
constexpr uint32_t kBlockInterface = 1, kBlockPacketOld = 2, kBlockSimple = 3, kBlockEnhanced = 6;
constexpr uint32_t kPcapHeader = 24, kPcapRecord = 16;

std::string at_byte(uint64_t offset) { return " at byte " + std::to_string(offset); }

}  // namespace

PcapFile::PcapFile() : buffer_(kBufferBytes + kHeadroom) { read_ = filled_ = kHeadroom; }

PcapFile::~PcapFile() {
  if (gzip_ != nullptr) {
    gzclose_r(gzip_);
  } else if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

bool PcapFile::open(const std::string& path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) {
    stop(FileEnd::Unreadable, std::strerror(errno), 0);
    return false;
  }
  if (S_ISDIR(status.st_mode)) {
    stop(FileEnd::Unreadable, "is a directory", 0);
    return false;
  }
  file_bytes_ = static_cast<uint64_t>(status.st_size);
  buffer_offset_ = 0;
  buffer_offset_ -= kHeadroom;  // the first byte of the file lands behind the headroom
  if (fill(2) && load_be16(&buffer_[read_]) == 0x1f8b) {
    if (lseek(descriptor_, 0, SEEK_SET) != 0) {
      stop(FileEnd::Unreadable, "gzip from a pipe cannot be read", 0);
      return false;
    }
    gzip_ = gzdopen(descriptor_, "rb");
    if (gzip_ == nullptr) {
      stop(FileEnd::Unreadable, "out of memory", 0);
      return false;
    }
    gzbuffer(gzip_, kBufferBytes);
    filled_ = read_;
    consumed_ = 0;
    at_end_ = false;
  }
  return end_ == FileEnd::NotYet && read_header();
}

void PcapFile::stop(FileEnd end, const std::string& what, uint64_t offset) {
  if (end_ != FileEnd::NotYet) return;
  end_ = end;
  error_ = end == FileEnd::Unreadable ? what : what + at_byte(offset);
}

// Makes `wanted` bytes readable at read_. False at the end of the file, with what there is left in place.
bool PcapFile::fill(size_t wanted) {
  if (filled_ - read_ >= wanted) return true;
  if (at_end_) return false;
  // What is left of a record moves to the front.
  const size_t left = filled_ - read_;
  std::memmove(&buffer_[kHeadroom], &buffer_[read_], left);
  buffer_offset_ += read_ - kHeadroom;
  read_ = kHeadroom;
  filled_ = kHeadroom + left;
  if (wanted + kHeadroom > buffer_.size()) buffer_.resize(wanted + kHeadroom);
  while (filled_ - read_ < wanted) {
    const size_t room = buffer_.size() - filled_;
    ssize_t got;
    if (gzip_ != nullptr) {
      got = gzread(gzip_, &buffer_[filled_], static_cast<unsigned>(room));
      consumed_ = static_cast<uint64_t>(gzoffset(gzip_));
      int code = Z_OK;
      const char* message = gzerror(gzip_, &code);
      if (got < 0) {
        stop(FileEnd::Damaged, std::string("gzip: ") + message + ", packed bytes", consumed_);
        got = 0;
      } else if (got == 0 && code == Z_BUF_ERROR) {
        stop(FileEnd::Truncated, "gzip stream ends early, packed bytes", consumed_);
      }
    } else {
      do {
        got = ::read(descriptor_, &buffer_[filled_], room);
      } while (got < 0 && errno == EINTR);
      if (got < 0) stop(FileEnd::Unreadable, std::strerror(errno), 0);
      if (got > 0) consumed_ += static_cast<uint64_t>(got);
    }
    if (got <= 0) {
      at_end_ = true;
      return false;
    }
    filled_ += static_cast<size_t>(got);
  }
  return true;
}

uint16_t PcapFile::u16(const uint8_t* at) const { return is_swapped_ ? load_be16(at) : load<uint16_t>(at); }
uint32_t PcapFile::u32(const uint8_t* at) const { return is_swapped_ ? load_be32(at) : load<uint32_t>(at); }

bool PcapFile::read_header() {
  if (!fill(4)) {
    stop(FileEnd::NotCapture, "neither pcap nor pcapng: ends", filled_ - read_);
    return false;
  }
  const uint32_t magic = load<uint32_t>(&buffer_[read_]);
  is_ng_ = magic == kMagicSection;
  if (is_ng_) return read_section();
  is_swapped_ = magic == __builtin_bswap32(kMagicMicro) || magic == __builtin_bswap32(kMagicNano);
  const uint32_t native = is_swapped_ ? __builtin_bswap32(magic) : magic;
  if (native != kMagicMicro && native != kMagicNano) {
    stop(FileEnd::NotCapture, "neither pcap nor pcapng: unknown magic number", 0);
    return false;
  }
  if (!fill(kPcapHeader)) {
    stop(FileEnd::Truncated, "ends inside the file header", offset() + (filled_ - read_));
    return false;
  }
  const uint8_t* header = &buffer_[read_];
  // The upper half of the link type tells of frame check sequences (draft-ietf-opsawg-pcap section 4).
  interfaces_ = {{static_cast<uint16_t>(u32(header + 20)), u32(header + 16),
                  native == kMagicNano ? 1'000'000'000u : 1'000'000u, 0}};
  read_ += kPcapHeader;
  return true;
}

// Records of a pcap file in this machine's byte order that are in the buffer whole: the inner loop.
size_t PcapFile::take_buffered(Packet* packets, size_t n) {
  const Interface from = interfaces_[0];
  const uint64_t scale = from.ticks_per_second == 1'000'000 ? 1000 : 1;
  uint8_t* at = &buffer_[0] + read_;
  const uint8_t* const end = &buffer_[0] + filled_;
  size_t count = 0;
  for (; count < n && end - at >= static_cast<ptrdiff_t>(kPcapRecord); count++) {
    const uint32_t captured = load<uint32_t>(at + 8), wire_length = load<uint32_t>(at + 12);
    if (captured > wire_length || static_cast<uint64_t>(end - at) < uint64_t{kPcapRecord} + captured) break;
    Packet& packet = packets[count];
    packet = Packet{};
    packet.data = at + kPcapRecord;
    packet.captured = captured;
    packet.wire_length = wire_length;
    packet.time_ns = load<uint32_t>(at) * 1'000'000'000ull + load<uint32_t>(at + 4) * scale;
    packet.frame = frame_ + count + 1;
    packet.link_type = from.link_type;
    at += kPcapRecord + captured;
  }
  frame_ += count;
  read_ = static_cast<size_t>(at - &buffer_[0]);
  return count;
}

size_t PcapFile::receive(Packet* packets, size_t n) {
  size_t count = end_ == FileEnd::NotYet && !is_ng_ && !is_swapped_ ? take_buffered(packets, n) : 0;
  if (count != 0) return count;
  while (count < n && end_ == FileEnd::NotYet) {
    // A refill would move the packets that this batch already points at.
    const size_t needed = is_ng_ ? 12 : kPcapRecord;
    const uint8_t* at = &buffer_[read_];
    if (count > 0) {
      if (filled_ - read_ < needed) break;
      const uint64_t record = is_ng_ ? u32(at + 4) : uint64_t{kPcapRecord} + u32(at + 8);
      if (filled_ - read_ < record) break;
    }
    Packet& packet = packets[count];
    if (is_ng_ ? next_pcapng(packet) : next_pcap(packet)) count++;
  }
  return count;
}

bool PcapFile::next_pcap(Packet& packet) {
  if (!fill(kPcapRecord)) {
    const size_t left = filled_ - read_;
    if (left == 0 && end_ == FileEnd::NotYet) {
      end_ = FileEnd::Clean;
    } else {
      stop(FileEnd::Truncated, "ends inside a record header", offset() + left);
    }
    return false;
  }
  uint32_t captured = u32(&buffer_[read_ + 8]);
  if (captured > kRecordMax) {
    stop(FileEnd::Damaged, "record of " + std::to_string(captured) + " bytes", offset());
    return false;
  }
  if (!fill(kPcapRecord + captured)) {
    stop(FileEnd::Truncated, "ends inside a record of " + std::to_string(captured) + " bytes",
         offset() + (filled_ - read_));
    return false;
  }
  uint8_t* record = &buffer_[read_];
  const Interface& from = interfaces_[0];
  const uint64_t fraction = u32(record + 4);
  packet = Packet{};
  packet.data = record + kPcapRecord;
  packet.captured = captured;
  packet.wire_length = u32(record + 12);
  packet.time_ns =
      u32(record) * 1'000'000'000ull + (from.ticks_per_second == 1'000'000 ? fraction * 1000 : fraction);
  packet.frame = ++frame_;
  packet.link_type = from.link_type;
  if (packet.captured > packet.wire_length) contradictory_lengths_++;
  read_ += kPcapRecord + captured;
  return true;
}

// At a section header: its byte order holds for what follows, and interfaces count anew.
bool PcapFile::read_section() {
  if (!fill(28)) {
    stop(FileEnd::Truncated, "ends inside a section header", offset() + (filled_ - read_));
    return false;
  }
  const uint32_t order = load<uint32_t>(&buffer_[read_ + 8]);
  if (order != kByteOrderMagic && order != __builtin_bswap32(kByteOrderMagic)) {
    stop(FileEnd::Damaged, "section header without byte-order magic", offset());
    return false;
  }
  is_swapped_ = order != kByteOrderMagic;
  interfaces_.clear();
  return true;
}

uint64_t PcapFile::nanoseconds(const Interface& from, uint64_t ticks) const {
  __extension__ using Wide = unsigned __int128;
  const Wide nanos = static_cast<Wide>(ticks) * 1'000'000'000u / from.ticks_per_second;
  return static_cast<uint64_t>(nanos) + static_cast<uint64_t>(from.offset_s) * 1'000'000'000u;
}

bool PcapFile::read_interface(const uint8_t* body, size_t bytes) {
  if (bytes < 8 || interfaces_.size() >= kInterfacesMax) return false;
  Interface added{u16(body), u32(body + 4), 1'000'000, 0};
  for (size_t at = 8; at + 4 <= bytes;) {
    const uint16_t code = u16(body + at), length = u16(body + at + 2);
    at += 4;
    if (code == 0 || at + length > bytes) break;
    if (code == 9 && length == 1) {
      // Powers of ten, or of two with the top bit set; finer than 2^-63 or 10^-18 is not representable.
      const unsigned exponent = body[at] & 0x7f;
      const bool is_binary = (body[at] & 0x80) != 0;
      if (exponent > (is_binary ? 63u : 18u)) return false;
      added.ticks_per_second = 1;
      for (unsigned i = 0; i < exponent; i++) added.ticks_per_second *= is_binary ? 2 : 10;
    }
    if (code == 14 && length == 8) {
      uint64_t offset = load<uint64_t>(body + at);
      if (is_swapped_) offset = __builtin_bswap64(offset);
      added.offset_s = static_cast<int64_t>(offset);
    }
    at += (length + 3u) & ~3u;
  }
  interfaces_.push_back(added);
  return true;
}

// One block; true when it was a packet.
bool PcapFile::next_pcapng(Packet& packet) {
  if (!fill(12)) {
    const size_t left = filled_ - read_;
    if (left == 0 && end_ == FileEnd::NotYet) {
      end_ = FileEnd::Clean;
    } else {
      stop(FileEnd::Truncated, "ends inside a block header", offset() + left);
    }
    return false;
  }
  if (load<uint32_t>(&buffer_[read_]) == kMagicSection && !read_section()) return false;
  const uint32_t type = u32(&buffer_[read_]);
  const uint32_t length = u32(&buffer_[read_ + 4]);
  if (length < 12 || length % 4 != 0 || length > kRecordMax) {
    stop(FileEnd::Damaged, "block of " + std::to_string(length) + " bytes", offset());
    return false;
  }
  if (!fill(length)) {
    stop(FileEnd::Truncated, "ends inside a block of " + std::to_string(length) + " bytes",
         offset() + (filled_ - read_));
    return false;
  }
  uint8_t* block = &buffer_[read_];
  const uint64_t start = offset();
  if (u32(block + length - 4) != length) {
    stop(FileEnd::Damaged, "block whose two lengths differ", start);
    return false;
  }
  read_ += length;
  const uint8_t* body = block + 8;
  const uint32_t bytes = length - 12;

  uint32_t interface = 0, fixed = 0, captured = 0, wire_length = 0;
  uint64_t ticks = 0;
  switch (type) {
    case kBlockInterface:
      if (!read_interface(body, bytes)) stop(FileEnd::Damaged, "interface block that cannot be used", start);
      return false;
    case kBlockEnhanced:
    case kBlockPacketOld:
      fixed = 20;
      if (bytes < fixed) break;
      // The obsolete packet block has a count of drops in the upper half of its first word.
      interface = type == kBlockEnhanced ? u32(body) : u16(body);
      ticks = static_cast<uint64_t>(u32(body + 4)) << 32 | u32(body + 8);
      captured = u32(body + 12);
      wire_length = u32(body + 16);
      break;
    case kBlockSimple:
      fixed = 4;
      if (bytes < fixed) break;
      wire_length = u32(body);
      captured = wire_length;
      if (!interfaces_.empty() && interfaces_[0].snap_length != 0 && captured > interfaces_[0].snap_length)
        captured = interfaces_[0].snap_length;
      break;
    default:
      other_blocks_++;
      return false;
  }
  if (bytes < fixed || captured > bytes - fixed) {
    stop(FileEnd::Damaged, "packet longer than its block", start);
    return false;
  }
  if (interface >= interfaces_.size()) {
    stop(FileEnd::Damaged, "packet of an interface that was not described", start);
    return false;
  }
  packet = Packet{};
  packet.data = block + 8 + fixed;
  packet.captured = captured;
  packet.wire_length = wire_length;
  packet.time_ns = nanoseconds(interfaces_[interface], ticks);
  packet.frame = ++frame_;
  packet.link_type = interfaces_[interface].link_type;
  if (captured > wire_length) contradictory_lengths_++;
  return true;
}

PcapWriter::~PcapWriter() { close(); }

bool PcapWriter::open(const std::string& path) {
  file_ = std::fopen(path.c_str(), "wbe");
  if (file_ == nullptr) error_ = std::strerror(errno);
  return file_ != nullptr;
}

bool PcapWriter::write(const Packet& packet) {
  if (!error_.empty()) return false;
  if (!has_header_) {
    const uint32_t header[6] = {kMagicNano, 2u | 4u << 16, 0, 0, 262144, packet.link_type};
    if (std::fwrite(header, sizeof header, 1, file_) != 1) error_ = std::strerror(errno);
    has_header_ = true;
    link_type_ = packet.link_type;
  }
  if (packet.link_type != link_type_) {
    error_ = "packets of several link types do not fit into one pcap file";
    return false;
  }
  const uint32_t record[4] = {static_cast<uint32_t>(packet.time_ns / 1'000'000'000),
                              static_cast<uint32_t>(packet.time_ns % 1'000'000'000), packet.captured,
                              packet.wire_length};
  if (std::fwrite(record, sizeof record, 1, file_) != 1 ||
      (packet.captured != 0 && std::fwrite(packet.data, packet.captured, 1, file_) != 1))
    error_ = std::strerror(errno);
  return error_.empty();
}

bool PcapWriter::close() {
  if (file_ == nullptr) return error_.empty();
  if (std::fclose(file_) != 0 && error_.empty()) error_ = std::strerror(errno);
  file_ = nullptr;
  return error_.empty();
}

}  // namespace headgate
