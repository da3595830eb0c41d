#pragma once
#include <napi.h>

namespace headgate {

void register_dns(Napi::Env env, Napi::Object exports);

}  // namespace headgate
