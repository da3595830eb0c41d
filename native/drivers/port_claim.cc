#include "drivers/port_claim.h"

#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "drivers/control_socket.h"

namespace headgate {
namespace {

// Settings by their place in hg_gate::kept. Sysctls first.
constexpr uint32_t kIpv6Disabled = 0;
constexpr uint32_t kArpIgnore = 1;
constexpr uint32_t kForwarding = 2;
constexpr uint32_t kLro = 3;
constexpr uint32_t kGro = 4;
constexpr std::array<const char*, 5> kNames = {"disable_ipv6", "arp_ignore", "forwarding", "lro", "gro"};
static_assert(kNames.size() <= HG_PORT_SETTINGS);

std::string sysctl_path(const std::string& name, uint32_t setting) {
  return std::string("/proc/sys/net/") + (setting == kIpv6Disabled ? "ipv6" : "ipv4") + "/conf/" + name + "/" +
         kNames[setting];
}

// None where this kernel or interface has no such thing.
std::optional<uint8_t> read_setting(const std::string& name, uint32_t setting) {
  const ControlSocket control;
  ethtool_value value = {setting == kLro ? uint32_t{ETHTOOL_GFLAGS} : uint32_t{ETHTOOL_GGRO}, 0};
  if (setting == kLro) {
    if (!control.ethtool(name, &value)) return std::nullopt;
    return (value.data & ETH_FLAG_LRO) != 0;
  }
  if (setting == kGro) {
    if (!control.ethtool(name, &value)) return std::nullopt;
    return value.data != 0;
  }
  std::ifstream file(sysctl_path(name, setting));
  unsigned number = 0;
  if (!(file >> number) || number > 254) return std::nullopt;
  return static_cast<uint8_t>(number);
}

bool write_setting(const std::string& name, uint32_t setting, uint8_t wanted) {
  const ControlSocket control;
  if (setting == kLro) {
    ethtool_value flags = {ETHTOOL_GFLAGS, 0};
    if (!control.ethtool(name, &flags)) return false;
    const uint32_t others = flags.data & ~static_cast<uint32_t>(ETH_FLAG_LRO);
    flags = {ETHTOOL_SFLAGS, wanted != 0 ? others | ETH_FLAG_LRO : others};
    return control.ethtool(name, &flags);
  }
  if (setting == kGro) {
    ethtool_value value = {ETHTOOL_SGRO, wanted};
    return control.ethtool(name, &value);
  }
  std::ofstream file(sysctl_path(name, setting));
  file << static_cast<unsigned>(wanted);
  file.flush();
  return file.good();
}

}  // namespace

void restore_port(const std::string& name, hg_u8* kept) {
  for (uint32_t setting = kNames.size(); setting-- > 0;) {
    if (kept[setting] == 0) continue;
    write_setting(name, setting, static_cast<uint8_t>(kept[setting] - 1));
    kept[setting] = 0;
  }
}

PortClaim::~PortClaim() { release(); }

std::optional<Failure> PortClaim::take(const std::string& name, const PortFacts& facts, hg_u8* kept, PortUse use) {
  name_ = name;
  lock_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string key = "headgate-port-" + std::to_string(facts.index);
  key.copy(address.sun_path + 1, sizeof address.sun_path - 2);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + key.size());
  if (lock_ < 0 || bind(lock_, reinterpret_cast<const sockaddr*>(&address), size) != 0)
    return Failure{"interface_in_use",
                   "interface " + name + " is a port of another running headgate: stop that one first"};
  kept_ = kept != nullptr ? kept : own_.data();

  // A port speaks for nobody: without these our own stack would take a link-local address, send router
  // solicitations and answer ARP requests for the management address.
  if (use == PortUse::Silent) {
    hold(kIpv6Disabled, 1);
    hold(kArpIgnore, 8);
  }
  hold(kForwarding, 0);
  // A virtual Ethernet merges nothing that it cannot split again; a card's LRO does.
  if (facts.driver != "veth") {
    hold(kLro, 0);
    hold(kGro, 0);
  }
  if (!facts.has_carrier) findings_.push_back("interface " + name + " has no carrier: nothing passes until it has");
  return std::nullopt;
}

void PortClaim::release() {
  if (kept_ != nullptr) restore_port(name_, kept_);
  kept_ = nullptr;
  if (lock_ >= 0) close(lock_);
  lock_ = -1;
}

void PortClaim::hold(uint32_t setting, uint8_t wanted) {
  const std::optional<uint8_t> before = read_setting(name_, setting);
  // As wanted, perhaps because of one before us that died: what that one found stays written down.
  if (!before || *before == wanted) return;
  // Written down first: whatever happens to us, it can be put back.
  if (kept_[setting] == 0) kept_[setting] = static_cast<hg_u8>(*before + 1);
  const bool is_done = write_setting(name_, setting, wanted);
  if (!is_done) kept_[setting] = 0;
  const bool is_offload = setting == kLro || setting == kGro;
  const std::string what = "interface " + name_ + ": " + kNames[setting];
  if (!is_done && is_offload)
    findings_.push_back(what + " is on and cannot be switched off: `ethtool -K " + name_ + " " + kNames[setting] + " off`");
  else if (!is_done)
    findings_.push_back(what + " could not be set to " + std::to_string(wanted) + ": " + strerror(errno));
  else if (is_offload)
    findings_.push_back(what + " switched off, restored at exit");
}

}  // namespace headgate
