// All wires of a unit: opened together, read together, closed in reverse order.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/wire.h"
#include "drivers/failure.h"
#include "kernel/gate.h"
#include "runtime/wire.h"

namespace headgate {

struct EngineWire {
  std::string name;
  std::string inside;
  std::string outside;
};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // All wires or none.
  std::optional<Failure> open(const std::vector<EngineWire>& wires);
  void close();

  // One record for each wire, in the order of open().
  std::vector<hg_wire_counts> wire_counts() const;
  // What opening changed or noticed, for the log.
  std::vector<std::string> findings() const;

 private:
  struct Member;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace headgate
