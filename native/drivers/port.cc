#include "drivers/port.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "drivers/control_socket.h"
#include "drivers/netlink.h"

namespace headgate {
namespace {

// The first address that makes an interface somebody's: IPv6 link-local ones go away with disable_ipv6.
std::string address_of(const std::string& name) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const ifaddrs* each = list; each != nullptr && found.empty(); each = each->ifa_next) {
    if (each->ifa_addr == nullptr || name != each->ifa_name) continue;
    std::array<char, INET6_ADDRSTRLEN> text = {};
    if (each->ifa_addr->sa_family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
      found = inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
      if (!IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
        found = inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size());
    }
  }
  freeifaddrs(list);
  return found;
}

}  // namespace

std::optional<Failure> read_port(const std::string& name, PortFacts* facts) {
  const ControlSocket control;
  if (name.empty() || name.size() >= IFNAMSIZ)
    return Failure{"interface_missing", "interface name '" + name + "' is empty or longer than 15 characters"};
  ifreq ask = ControlSocket::about(name);
  if (!control.call(SIOCGIFINDEX, &ask))
    return Failure{"interface_missing", "interface " + name + " does not exist: `ip link` lists those that do"};
  facts->index = ask.ifr_ifindex;
  if (control.call(SIOCGIFMTU, &ask)) facts->mtu = static_cast<uint32_t>(ask.ifr_mtu);
  if (control.call(SIOCGIFHWADDR, &ask)) facts->is_ethernet = ask.ifr_hwaddr.sa_family == ARPHRD_ETHER;
  if (control.call(SIOCGIFFLAGS, &ask)) {
    facts->is_up = (ask.ifr_flags & IFF_UP) != 0;
  }
  // Not IFF_RUNNING, which lags behind by up to a second.
  facts->has_carrier = control.ethtool_value_of(name, ETHTOOL_GLINK, 0) != 0;
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (control.ethtool(name, &driver)) facts->driver = driver.driver;
  return std::nullopt;
}

bool set_up(const std::string& name, bool is_up) { return ControlSocket().set_flag(name, IFF_UP, is_up); }

std::optional<Failure> check_port(const std::string& name, const PortFacts& facts) {
  if (auto failure = check_mirror_port(name, facts)) return failure;
  if (const std::string address = address_of(name); !address.empty())
    return Failure{"interface_in_use", "interface " + name + " has the address " + address +
                                           ": a port of a wire has none; remove it (`ip addr flush dev " + name +
                                           "`) or name another interface"};
  return std::nullopt;
}

bool has_address(const std::string& name) { return !address_of(name).empty(); }

std::optional<Failure> check_mirror_port(const std::string& name, const PortFacts& facts) {
  if (!facts.is_ethernet)
    return Failure{"driver_unfit", "interface " + name + " is not Ethernet: a wire needs two Ethernet interfaces"};
  if (!facts.is_up)
    return Failure{"interface_down", "interface " + name + " is down: `ip link set " + name + " up` first"};
  if (const int master = link_number(facts.index, IFLA_MASTER).value_or(0); master != 0) {
    std::array<char, IFNAMSIZ> owner = {};
    const char* text = if_indextoname(static_cast<unsigned>(master), owner.data());
    return Failure{"interface_in_use", "interface " + name + " belongs to " + (text ? text : "a bridge or bond") +
                                           ": `ip link set " + name + " nomaster` first"};
  }
  return std::nullopt;
}

std::optional<Failure> check_pair(const std::string& wire, const std::string& inside, const std::string& outside,
                                  PortFacts* inside_facts, PortFacts* outside_facts) {
  if (inside == outside)
    return Failure{"interface_in_use",
                   "wire " + wire + " has " + inside + " on both sides: a wire joins two interfaces"};
  if (auto failure = read_port(inside, inside_facts)) return failure;
  if (auto failure = read_port(outside, outside_facts)) return failure;
  if (auto failure = check_port(inside, *inside_facts)) return failure;
  if (auto failure = check_port(outside, *outside_facts)) return failure;
  if (inside_facts->mtu != outside_facts->mtu)
    return Failure{"mtu_differs", "interface " + inside + " has MTU " + std::to_string(inside_facts->mtu) + " and " +
                                      outside + " has " + std::to_string(outside_facts->mtu) +
                                      ": what passes one must pass the other, set both alike"};
  return std::nullopt;
}

}  // namespace headgate
