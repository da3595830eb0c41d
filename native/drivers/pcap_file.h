// Capture files as a source of packets: pcap and pcapng, micro- and nanoseconds, both byte orders, gzip,
// several interfaces. Own reader: it keeps every packet before a damage and names the byte of the damage.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "../core/packet.h"

struct gzFile_s;  // zlib's

namespace headgate {

enum class FileEnd : uint8_t {
  NotYet,     // there is more to read
  Clean,      // the file ended between two records
  Truncated,  // the file ended inside a record
  Damaged,    // a length or a type that cannot be; what follows cannot be found
  NotCapture, // neither pcap nor pcapng
  Unreadable, // the operating system said no
};

class PcapFile {
 public:
  PcapFile();
  ~PcapFile();
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  // False with `end()` and `error()` set when the file cannot be opened or is no capture.
  bool open(const std::string& path);

  // Up to `n` (at most kBatch) packets; 0 at the end. They stay valid until the next call, are writable
  // and have kHeadroom bytes before them.
  size_t receive(Packet* packets, size_t n);

  FileEnd end() const { return end_; }
  // One line without the path, naming the byte offset (of the unpacked bytes, where the file is gzip).
  const std::string& error() const { return error_; }
  uint64_t offset() const { return buffer_offset_ + read_; }
  // Bytes of the file that were read, packed or not, of `file_bytes`: for progress.
  uint64_t consumed() const { return consumed_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // Records whose captured length was above their length on the wire; they are handed on as captured.
  uint64_t contradictory_lengths() const { return contradictory_lengths_; }
  // Blocks of pcapng that carry no packets.
  uint64_t other_blocks() const { return other_blocks_; }

 private:
  struct Interface {
    uint16_t link_type;
    uint32_t snap_length;
    uint64_t ticks_per_second;
    int64_t offset_s;
  };
  bool fill(size_t wanted);
  void stop(FileEnd end, const std::string& what, uint64_t offset);
  bool read_header();
  bool read_section();
  size_t take_buffered(Packet* packets, size_t n);
  bool next_pcap(Packet& packet);
  bool next_pcapng(Packet& packet);
  bool read_interface(const uint8_t* body, size_t bytes);
  uint16_t u16(const uint8_t* at) const;
  uint32_t u32(const uint8_t* at) const;
  uint64_t nanoseconds(const Interface& from, uint64_t ticks) const;

  std::vector<uint8_t> buffer_;
  size_t read_ = 0, filled_ = 0;   // within buffer_; read_ never below kHeadroom
  uint64_t buffer_offset_ = 0;     // file offset of buffer_[0]
  uint64_t consumed_ = 0, file_bytes_ = 0;
  uint64_t contradictory_lengths_ = 0, other_blocks_ = 0;
  uint64_t frame_ = 0;
  int descriptor_ = -1;
  bool at_end_ = false;
  bool is_swapped_ = false, is_ng_ = false;
  std::vector<Interface> interfaces_;
  gzFile_s* gzip_ = nullptr;
  FileEnd end_ = FileEnd::NotYet;
  std::string error_;
};

// Writes packets as they are, with nanoseconds, in pcap's format; one link type to a file.
class PcapWriter {
 public:
  PcapWriter() = default;
  ~PcapWriter();
  PcapWriter(const PcapWriter&) = delete;
  PcapWriter& operator=(const PcapWriter&) = delete;

  bool open(const std::string& path);
  // The first packet sets the file's link type; false for one of another type, or when writing failed.
  bool write(const Packet& packet);
  bool close();
  const std::string& error() const { return error_; }

 private:
  FILE* file_ = nullptr;
  bool has_header_ = false;
  uint16_t link_type_ = 0;
  std::string error_;
};

}  // namespace headgate
