// The version of mapigate; the build checks that it is the one in meson.build.
#pragma once

#define MAPIGATE_VERSION "0.1.0"
