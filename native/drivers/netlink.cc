#include "drivers/netlink.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace headgate {
namespace {

// Sends one request and returns the number in `attribute` of an answer of type `wanted`, whose fixed part is `Fixed`.
template <typename Fixed>
std::optional<int> ask(const void* request, size_t size, uint16_t wanted, uint16_t attribute) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return std::nullopt;
  alignas(nlmsghdr) std::array<char, 32768> answer;
  const bool is_sent = send(fd, request, size, 0) == static_cast<ssize_t>(size);
  const ssize_t got = is_sent ? recv(fd, answer.data(), answer.size(), 0) : -1;
  close(fd);
  const auto* head = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (got <= 0 || !NLMSG_OK(head, static_cast<uint32_t>(got)) || head->nlmsg_type != wanted) return std::nullopt;
  const auto* each = reinterpret_cast<const rtattr*>(static_cast<const char*>(NLMSG_DATA(head)) + NLMSG_ALIGN(sizeof(Fixed)));
  int left = static_cast<int>(head->nlmsg_len - NLMSG_SPACE(sizeof(Fixed)));
  for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    int number = 0;
    if (each->rta_type != attribute || RTA_PAYLOAD(each) < sizeof number) continue;
    memcpy(&number, RTA_DATA(each), sizeof number);
    return number;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> link_number(int index, unsigned short attribute) {
  struct {
    nlmsghdr head;
    ifinfomsg link;
  } request = {};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = RTM_GETLINK;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.link.ifi_index = index;
  return ask<ifinfomsg>(&request, sizeof request, RTM_NEWLINK, attribute);
}

std::optional<int> space_number(int fd) {
  struct {
    nlmsghdr head;
    alignas(NLMSG_ALIGNTO) rtgenmsg general;
    alignas(NLMSG_ALIGNTO) rtattr attribute;
    int fd;
  } request = {};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = RTM_GETNSID;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.general.rtgen_family = AF_UNSPEC;
  request.attribute.rta_type = NETNSA_FD;
  request.attribute.rta_len = RTA_LENGTH(sizeof request.fd);
  request.fd = fd;
  const std::optional<int> number = ask<rtgenmsg>(&request, sizeof request, RTM_NEWNSID, NETNSA_NSID);
  return number == NETNSA_NSID_NOT_ASSIGNED ? std::nullopt : number;
}

}  // namespace headgate
