// Who is at the other end of a Unix socket, as the kernel vouches (SO_PEERCRED, unix(7)): check arguments, convert.
#include "addon/peer.h"

#include <sys/socket.h>

namespace headgate {
namespace {

Napi::Value peer_of(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsNumber()) {
    Napi::TypeError::New(env, "peerOf(fd)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  ucred peer{};
  socklen_t length = sizeof(peer);
  const int fd = info[0].As<Napi::Number>().Int32Value();
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, peer.pid));
  result.Set("uid", Napi::Number::New(env, peer.uid));
  return result;
}

}  // namespace

void register_peer(Napi::Env env, Napi::Object exports) {
  exports.Set("peerOf", Napi::Function::New(env, peer_of, "peerOf"));
}

}  // namespace headgate
