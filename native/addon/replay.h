#pragma once
#include <napi.h>

namespace headgate {

void register_replay(Napi::Env env, Napi::Object exports);

}  // namespace headgate
