#pragma once
#include <napi.h>

namespace headgate {
void register_peer(Napi::Env env, Napi::Object exports);
}  // namespace headgate
