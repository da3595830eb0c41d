#include "drivers/peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "drivers/netlink.h"
#include "drivers/port.h"

namespace headgate {
namespace {

constexpr const char* kSpaces = "/run/netns";

// ethtool by ioctl, in the network namespace of the calling thread.
class Ethtool {
 public:
  Ethtool() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Ethtool() {
    if (fd_ >= 0) close(fd_);
  }
  Ethtool(const Ethtool&) = delete;
  Ethtool& operator=(const Ethtool&) = delete;

  bool call(const std::string& name, void* command) const {
    ifreq ask = {};
    name.copy(ask.ifr_name, IFNAMSIZ - 1);
    ask.ifr_data = static_cast<char*>(command);
    return ioctl(fd_, SIOCETHTOOL, &ask) == 0;
  }
  // A flag-like value; `otherwise` where the interface does not tell.
  uint32_t value(const std::string& name, uint32_t command, uint32_t otherwise) const {
    ethtool_value ask = {command, 0};
    return call(name, &ask) ? ask.data : otherwise;
  }

 private:
  int fd_;
};

// The interface of this index in the calling thread's namespace.
std::optional<PeerFacts> look_here(int index) {
  char name[IFNAMSIZ] = {};
  if (if_indextoname(static_cast<unsigned>(index), name) == nullptr) return std::nullopt;
  const Ethtool ethtool;
  PeerFacts facts;
  facts.name = name;
  facts.finishes_checksums = ethtool.value(name, ETHTOOL_GTXCSUM, 1) == 0;
  facts.tags_in_frame = (ethtool.value(name, ETHTOOL_GFLAGS, ETH_FLAG_TXVLAN) & ETH_FLAG_TXVLAN) == 0;
  facts.takes_frames = ethtool.value(name, ETHTOOL_GGRO, 0) != 0;
  return facts;
}

std::vector<std::string> spaces() {
  std::vector<std::string> all;
  DIR* const folder = opendir(kSpaces);
  if (folder == nullptr) return all;
  while (const dirent* each = readdir(folder)) {
    if (each->d_name[0] != '.') all.emplace_back(each->d_name);
  }
  closedir(folder);
  return all;
}

}  // namespace

std::optional<PeerFacts> read_peer(const std::string& name) {
  PortFacts ours;
  if (read_port(name, &ours).has_value() || ours.driver != "veth") return std::nullopt;
  const std::optional<int> index = link_number(ours.index, IFLA_LINK);
  if (!index) return std::nullopt;
  const std::optional<int> wanted = link_number(ours.index, IFLA_LINK_NETNSID);
  if (!wanted) return look_here(*index);
  for (const std::string& space : spaces()) {
    const int fd = open((std::string(kSpaces) + "/" + space).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    std::optional<PeerFacts> found;
    if (space_number(fd) == wanted) {
      // A namespace is entered by a thread, which ends there.
      std::thread([&] {
        if (setns(fd, CLONE_NEWNET) == 0) found = look_here(*index);
      }).join();
    }
    close(fd);
    if (!found) continue;
    found->space = space;
    return found;
  }
  return std::nullopt;
}

}  // namespace headgate
