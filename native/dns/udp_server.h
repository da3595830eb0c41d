// The UDP sockets of the DNS server: one thread that answers what the table knows and queues the rest for
// TypeScript. A decision that takes a second on the JavaScript thread delays no answer.
#pragma once
#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dns/answer_table.h"
#include "dns/census.h"
#include "dns/responder.h"
#include "drivers/failure.h"

namespace headgate::dns {

// A query for TypeScript, or its answer on the way back. Octets of the message follow the record.
struct Parcel {
  uint8_t address[16];  // of the asker, IPv4 in the first four
  uint32_t scope;       // IPv6 zone of a link-local address
  uint16_t family;      // 4 or 6
  uint16_t port;
  uint16_t socket;  // which of the addresses was asked: the answer leaves from there
  uint16_t length;
};
static_assert(sizeof(Parcel) == 28);

struct ServerCounts {
  Counts answers;
  uint64_t queries;        // datagrams read
  uint64_t handed_on;      // to TypeScript
  uint64_t queue_full;     // not handed on: TypeScript was behind
  uint64_t oversized;      // longer than any query of ours to answer: dropped
  uint64_t send_failed;
  uint64_t census_skipped;
};

class UdpServer {
 public:
  // Parcels that wait for TypeScript; what comes above is dropped and counted.
  static constexpr size_t kQueueMax = 4096;

  explicit UdpServer(const Policy& policy) : responder_(policy) {}
  ~UdpServer() { close(); }
  UdpServer(const UdpServer&) = delete;
  UdpServer& operator=(const UdpServer&) = delete;

  // Binds `port` (0: any free one, the same at all) at each address and starts the thread. `wake` is called there
  // when parcels begin to wait.
  std::optional<Failure> open(const std::vector<std::string>& addresses, uint16_t port,
                              std::unique_ptr<const AnswerTable> table, std::function<void()> wake);
  void publish(std::unique_ptr<const AnswerTable> table);
  uint16_t port() const { return port_; }

  // Takes all waiting parcels, one after the other.
  std::vector<uint8_t> take_parcels();
  // Sends parcels of the same form. Stops at one that is none.
  void send_parcels(const uint8_t* bytes, size_t length);

  ServerCounts counts();
  std::vector<ResolverQueries> drain_census();

  // Ends the thread and closes the sockets. Twice is harmless.
  void close();

 private:
  void run();
  void serve(uint16_t socket, struct Batch& batch);

  std::vector<int> sockets_;
  int stop_ = -1;
  int poll_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::function<void()> wake_;
  Responder responder_;  // of the thread alone

  std::mutex mutex_;  // guards what follows; held for a batch's bookkeeping, never for a system call
  std::shared_ptr<const AnswerTable> table_;
  std::vector<uint8_t> waiting_;
  size_t waiting_count_ = 0;
  Census census_;
  ServerCounts counts_{};
};

}  // namespace headgate::dns
